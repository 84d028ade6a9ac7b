"""What a summary says of engines that left what they can be trusted with: how often, in all and by site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from couple.components.capabilities import CountsValidity
from couple.components.engine import SiteEngine

ValidityCounts = dict[str, dict[str, dict[str, Any]]]
"""Component → what → {"total": times, "sites": {name: times}}; sites without any are left out."""


def validity_counts_of(engines: Iterable[SiteEngine]) -> ValidityCounts:
    """Counts of all engines that declare `CountsValidity`."""
    found = {
        e.name: {what: _counted(e, times) for what, times in e.validity_counts().items()}
        for e in engines
        if isinstance(e, CountsValidity)
    }
    return {name: entries for name, entries in found.items() if entries}


def joined(parts: Iterable[Mapping[str, Any]]) -> ValidityCounts:
    """Counts of one run from those of its ranks, each of which has sites of its own."""
    found: ValidityCounts = {}
    for part in parts:
        for component, entries in part.items():
            for what, entry in entries.items():
                mine = found.setdefault(component, {}).setdefault(what, {"total": 0, "sites": {}})
                mine["total"] += entry["total"]
                mine["sites"] |= entry["sites"]
    return found


def _counted(engine: SiteEngine, times: np.ndarray[Any, Any]) -> dict[str, Any]:
    names = [site.name for site in engine.sites]
    return {"total": int(times.sum()), "sites": {names[k]: int(times[k]) for k in np.flatnonzero(times).tolist()}}
