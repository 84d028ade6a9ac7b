"""A soma with a forked dendrite, calcium channels on one branch: the model of the tests of fields along sections."""

CELL = """
from neuron import h
from adapters.neuron import insert_cav

def build(segments=(8, 6, 5), wide=0.6, delay=1, duration=6):
    soma, trunk, left, right = sections = [h.Section(name=name) for name in ("soma", "trunk", "left", "right")]
    soma.L = soma.diam = 10
    for branch, parent, length, diameter, n in zip(
        (trunk, left, right), (soma(1), trunk(1), trunk(0.5)), (8, 6, 5), (1.0, wide, 0.4), segments
    ):
        branch.connect(parent)
        branch.L, branch.diam, branch.nseg, branch.Ra = length, diameter, int(n), 150
    for section in sections:
        section.insert("pas")
        for segment in section:
            segment.pas.g, segment.pas.e = 3e-4, -65
    insert_cav(left, 2e-3)
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = delay, duration, 0.06
    return sections, clamp
"""
