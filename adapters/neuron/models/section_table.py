"""The sections of the loaded model for whoever places sites on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import all_sections, find_section, section_name
from adapters.neuron.models.regions import region_of
from couple.components.electrics import Section


def section_table() -> list[Section]:
    """All sections, in the order of their creation; those that nothing connects to the soma are infinitely far."""
    sections = all_sections()
    origin = _origin(sections)
    return [_section(section, origin) for section in sections]


def points_3d(name: str) -> npt.NDArray[np.float64]:
    """(n, 4) x, y, z and diameter of the 3-d points of a section, µm."""
    section = find_section(name)
    rows = [(section.x3d(i), section.y3d(i), section.z3d(i), section.diam3d(i)) for i in range(int(section.n3d()))]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _origin(sections: list[Any]) -> Any:
    """The middle of the soma: of the first section that is called so, else of the first root."""
    somata = [s for s in sections if region_of(section_name(s)) == "soma"]
    roots = [s for s in sections if s.parentseg() is None]
    return (somata or roots)[0](0.5)


def _section(section: Any, origin: Any) -> Section:
    parent = section.parentseg()
    distance = 0.0 if section == origin.sec else float(h.distance(origin, section(0)))
    return Section(
        section_name(section),
        region_of(section_name(section)),
        None if parent is None else section_name(parent.sec),
        float(section.L),
        int(section.nseg),
        distance if distance < 1e9 else math.inf,
        1.0 if parent is None else float(parent.x),
        0.0 if parent is None else float(section.orientation()),
    )
