"""Open channels to conductance."""

from __future__ import annotations


def density_per_channel(unitary: float, area: float) -> float:
    """S/cm² that one open channel of `unitary` pS adds to a segment of membrane `area` µm²: 1e-12 S / 1e-8 cm²."""
    return unitary * 1e-4 / area


def point_per_channel(unitary: float) -> float:
    """µS of one open channel of `unitary` pS."""
    return unitary * 1e-6
