"""Particles of lattices over time, from the snapshots that `lattice.snapshots` records, with their places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results


@dataclass(frozen=True)
class Particles:
    """Of one site. species: names of the volume's species, in the order of codes. time: (n_rows,), in `unit`."""

    site: str
    species: tuple[str, ...]
    time: Floats
    unit: str
    _rows: Results
    _component: str
    _row: int
    _shape: tuple[int, ...]
    _spacing: float
    _first: Floats

    def at(self, row: int) -> tuple[Ints, Floats]:
        """(n,) places in `species` and (n, 3) µm of the molecules in a row of the record."""
        cells = self._rows.file[f"{self._component}/snapshot"][row, self._row, : int(np.prod(self._shape))]
        taken = np.flatnonzero((cells > 0) & (cells <= len(self.species)))
        index = np.stack(np.unravel_index(taken, self._shape), axis=1)
        return cells[taken].astype(np.int64) - 1, self._first + self._spacing * index


def particles_of(recording: Recording) -> Iterator[Particles]:
    """Those of every site with snapshots. Raises InputError for an ensemble, and for records without places."""
    if not isinstance(recording, Results):
        raise InputError("particles are those of one run, this is an ensemble", where="--to")
    found = False
    for site, (component, row) in recording.sites().items():
        if f"{component}/snapshot" not in recording.file:
            continue
        attributes = recording.file[component].attrs
        if "first_cell" not in attributes:
            raise InputError(f'"{site}" has snapshots of a lattice without lengths, or of an older version of couple')
        found = True
        rows = [np.asarray(attributes[key]) for key in ("shape", "spacing", "first_cell")]
        shape, spacing, first = (values[min(row, len(values) - 1)] for values in rows)
        names = tuple(str(s) for s in attributes["codes"])[1:]
        yield Particles(
            site, names, recording.time, recording.time_unit, recording, component, row,
            tuple(int(n) for n in shape), float(spacing), np.asarray(first, dtype=np.float64),
        )  # fmt: skip
    if not found:
        raise InputError(
            "no particles were recorded: give the lattice of a site lattice.snapshots = true", where=str(recording.path)
        )
