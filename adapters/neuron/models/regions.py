"""Regions of a cell by the names of its sections: what SWC types, HOC models and custom call them."""

from __future__ import annotations

import re

REGIONS = ("soma", "axon", "basal", "apical")

_NAMES = {
    "soma": ("soma", "somatic", "cellbody"),
    "axon": ("axon", "axonal", "ais", "hillock", "iseg", "initseg", "myelin", "node", "unmyelin"),
    "basal": ("dend", "dendrite", "basal", "basaldend", "bdend", "dendrites"),
    "apical": ("apic", "apical", "apicaldend", "adend", "tuft", "trunk", "oblique"),
}
_KNOWN = {name: region for region, names in _NAMES.items() for name in names}


def region_of(section: str) -> str:
    """The region of a section by its name: "Cell[0].apic[3]" → "apical", "dend_7[0]" → "dend_7"; "" if unknown."""
    base = re.sub(r"\[\d+\]", "", section.rsplit(".", 1)[-1])
    if re.fullmatch(r"dend_\d+|minus_\d+", base):
        return base
    return _KNOWN.get(base.lower()) or _KNOWN.get(base.lower().rstrip("0123456789_")) or ""
