"""How much of NEURON's time each cell takes, counted; NEURON measures only the whole."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.neuron.hoc.sections import all_sections, section_name


def cell_weights(cells: Iterable[str]) -> dict[str, float]:
    """Cell of a [network] → one for each segment, density mechanism (ions left out) and point process in it."""
    found = dict.fromkeys(cells, 0.0)
    for section in all_sections() if found else ():
        cell = section_name(section).partition(".")[0]
        if cell in found:
            densities = sum(not mechanism.name().endswith("_ion") for mechanism in section(0.5))
            points = sum(len(list(segment.point_processes())) for segment in section)
            found[cell] += section.nseg * (1 + densities) + points
    return found
