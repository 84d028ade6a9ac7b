"""A branched dendrite and the calcium chemistry in it, for the tests of fields along sections."""

from couple.geometry.cable import Branch

TREE = (
    Branch("trunk", 20.0, (0.5,) * 40),
    Branch("left", 15.5, (0.3,) * 31, parent=0),
    Branch("right", 10.0, (0.2,) * 20, parent=0),
    Branch("twig", 6.0, (0.15,) * 12, parent=1, at=0.5),
)
D_CA, D_B, ON, OFF, BUFFER = 0.22, 0.02, 30.0, 0.03, 0.01
"""µm²/ms, µm²/ms, /mM/ms, /ms, mM: a mobile buffer that binds a part of the calcium."""
