"""Particles of a lattice in space over time, from the snapshots that `lattice.snapshots` records."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from couple.analysis.report.numbers import evenly, packed, plain
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

FRAMES = 120
MOST = 1_500_000
"""Particles of all frames together; with more there are fewer frames."""

OUTSIDE = 255
"""The code of a cell outside of a mask."""


def particle_view(recording: Recording) -> dict[str, Any] | None:
    """Cells taken by each species at each moment, of the first site with snapshots; None without."""
    if not isinstance(recording, Results):
        return None
    for site, (component, row) in recording.sites().items():
        if f"{component}/snapshot" in recording.file:
            return _view(recording, site, recording.file[component], row)
    return None


def _view(recording: Results, site: str, group: h5py.Group, row: int) -> dict[str, Any]:
    data, codes = group["snapshot"], [str(s) for s in group.attrs["codes"]]
    shapes = np.atleast_2d(group.attrs["shape"])
    shape = [int(n) for n in shapes[min(row, len(shapes) - 1)]]
    cells = int(np.prod(shape))
    first = data[0, row, :cells]
    each = max(int(np.count_nonzero((first > 0) & (first < OUTSIDE))), 1)
    rows = evenly(len(data), max(min(FRAMES, MOST // each), 1))
    frames = []
    for k in rows:
        snapshot = data[k, row, :cells]
        frames.append([packed(np.flatnonzero(snapshot == c), "i4") for c in range(1, len(codes))])
    seen = [c for c in range(len(codes) - 1) if any(frame[c]["shape"][0] for frame in frames)]
    return {
        "site": site,
        "shape": ([1, 1, 1] + shape)[-3:],
        "spacing": _spacing(recording, site),
        "species": [codes[c + 1] for c in seen],
        "frames": [[frame[c] for c in seen] for frame in frames],
        "time": plain(recording.time[rows], 7),
        "unit": recording.time_unit,
        "outline": packed(_outline(first.reshape(shape)), "i4"),
    }


def _outline(cells: Any) -> Any:
    """Numbers of cells inside of a mask that touch its outside; none without a mask."""
    inside = cells != OUTSIDE
    if inside.all() or cells.ndim != 3:
        return np.zeros(0, dtype=np.int64)
    around = np.pad(inside, 1)
    core = tuple(slice(1, -1) for _ in range(3))
    closed = inside.copy()
    for axis in range(3):
        for by in (1, -1):
            closed &= np.roll(around, by, axis)[core]
    found = np.flatnonzero(inside & ~closed)
    return found[:: max(len(found) // 4000, 1)]


def _spacing(recording: Results, site: str) -> float:
    """µm of an edge of a cell; 1 of lattices without units, or where the experiment does not say."""
    from couple.base.units import quantity
    from couple.experiment.understood.resolved import read_resolved

    blocks = read_resolved(str(recording.file.attrs["experiment"])).get("site", [])
    for block in blocks:
        if block.get("name") == site and (text := block.get("lattice", {}).get("spacing")):
            return quantity(text, "length")
    return 1.0
