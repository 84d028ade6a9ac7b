"""The model in space, coloured by what its segments and sites do over time."""

from __future__ import annotations

from typing import Any

import numpy as np

from couple.analysis.report.numbers import evenly, packed, plain
from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

FRAMES = 240
"""Moments that the slider has."""


def shape_view(recording: Recording) -> dict[str, Any] | None:
    """Frusta, where sites are, and values of each segment at each moment; None if the file has no shape.

    A quantity is V of recorded segments, or a free species of sites, µM; segments without a value are grey.
    """
    if not isinstance(recording, Results) or "morphology" not in recording.file or not len(recording.time):
        return None
    group = recording.file["morphology"]
    names = [name.decode() for name in group["name"][()].tolist()]
    places = {
        site.decode(): int(k)
        for site, k in zip(group["site"][()].tolist(), group["site_segment"][()].tolist(), strict=True)
    } if "site" in group else {}  # fmt: skip
    rows = evenly(len(recording.time), FRAMES)
    quantities = _quantities(recording, names, places, rows)
    return {
        "frusta": packed(group["frusta"][()], "f4"),
        "segment": packed(group["segment"][()], "i4"),
        "names": names,
        "sites": places,
        "time": plain(recording.time[rows], 7),
        "unit": recording.time_unit,
        "quantities": quantities,
    }


def _quantities(
    recording: Recording, names: list[str], places: dict[str, int], rows: list[int]
) -> list[dict[str, Any]]:
    """Each with its segments, (n_rows, n) values, and the range of its colours."""
    number = {name: k for k, name in enumerate(names)}
    voltages = {number[s]: v[rows] for s, v in recording.voltages().items() if s in number}
    found = [_quantity("V", "mV", voltages)] if voltages else []
    species = dict.fromkeys(s for site in places for s in _free(recording, site))
    for one in species:
        values = {
            places[site]: recording.micromolar(site, one)[rows] for site in places if one in _free(recording, site)
        }
        found.append(_quantity(one, "µM", values))
    return found


def _free(recording: Recording, site: str) -> list[str]:
    return recording.free(site) if site in recording.sites() else []


def _quantity(name: str, unit: str, values: dict[int, Floats]) -> dict[str, Any]:
    every = np.array(list(values.values()))
    finite = every[np.isfinite(every)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return {
        "name": name,
        "unit": unit,
        "segments": list(values),
        "values": packed(every.T, "f4"),
        "low": low,
        "high": high if high > low else low + 1.0,
    }
