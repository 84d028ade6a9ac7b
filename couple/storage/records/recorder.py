"""What a run leaves behind: rows while it runs, one HDF5 file at its end.

Rows are collected in memory and closed into numbered segment files at checkpoints and whenever the buffer is
full, so that a killed run loses nothing before its last checkpoint and memory stays flat. `results.h5` is made
from the segments; segments that a checkpoint does not know are dropped on resume.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_disk, check_memory
from couple.base.errors import InputError
from couple.base.paths.whole_file import guarded
from couple.components.component import State
from couple.components.state import text
from couple.files.array_file import read_array
from couple.storage.atomic_file import is_regular, replace
from couple.storage.folder.contents import SEGMENT_END, FolderKind, files_of, is_segment, own_folder

BUFFER_BYTES = 64 * 2**20
LESS = "record less often (record.every), or fewer species"
"""What is said where rows do not fit."""

SEGMENTS = FolderKind("run", {r"[0-9]{6,}\.npy": is_segment}, useful=False)
"""A folder of recorded rows."""


@dataclass(frozen=True)
class Variable:
    """One recorded dataset.

    path:    in the file, "component/quantity". unit: of its values.
    dims:    names of the axes after time; labels: names along each; their lengths are the shape of a row.
    indices: places in the common memory, in C order.
    kind:    "sample" (what is there at that time) or "sum" (the total since the row before); meaning: in words.
    stored:  type of the numbers in the file.
    order:   sorts the labels of the first axis as one process would have them, where ranks share them.
    """

    path: str
    unit: str
    dims: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    indices: tuple[int, ...]
    kind: Literal["sample", "sum"] = "sample"
    meaning: str = "value at the time of the row"
    stored: str = "float64"
    order: tuple[tuple[int, ...], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(len(names) for names in self.labels)


MANY = 2000
"""Names along an axis that the oldest HDF5 format still takes as an attribute."""


def version_for(names: int) -> str | None:
    """The HDF5 format of a file with so many names along an axis: the oldest that takes them."""
    return "v110" if names > MANY else None


def columns(variables: Sequence[Variable]) -> list[slice]:
    """Where each variable stands in a row: sampled ones first, then sums."""
    ends = {"sample": 0, "sum": sum(len(v.indices) for v in variables if v.kind == "sample")}
    found = []
    for v in variables:
        start, ends[v.kind] = ends[v.kind], ends[v.kind] + len(v.indices)
        found.append(slice(start, ends[v.kind]))
    return found


def create(file: h5py.File, v: Variable, leading: Mapping[str, int]) -> h5py.Dataset:
    """The empty dataset of a variable, behind `leading` dimensions of which the last is time."""
    *outer, times = leading.values()
    n = len(v.indices)
    chunk = (*(1 for _ in outer), max(1, min(times, 65536 // max(n, 1))), *v.shape) if n and times else None
    data = file.create_dataset(
        v.path,
        shape=(*leading.values(), *v.shape),
        dtype=v.stored,
        chunks=chunk,
        compression="gzip" if chunk else None,
        compression_opts=4 if chunk else None,
        shuffle=bool(chunk),
    )
    data.attrs.update({"unit": v.unit, "dims": [*leading, *v.dims], "meaning": v.meaning})
    for dim, names in zip(v.dims, v.labels, strict=True):
        if dim != "cell":  # a million numbers do not fit an attribute, and say nothing
            data.attrs[dim] = list(names)
    return data


class Recorder:
    """Collects rows of the given variables in `folder`; all of them in memory if that is None.

    segments: folder in it for rows that leave memory.
    rows: the buffer (n, width) into which the exchange writes; `next_row` is where.
    first: number of the first of all rows; those of a branch begin after its checkpoint.
    state_version: see Component.
    """

    state_version: ClassVar[int] = 1

    def __init__(
        self, folder: Path | None, variables: Sequence[Variable], expected: int, segments: str = "segments"
    ) -> None:
        self.folder, self.variables, self._place = folder, tuple(variables), segments
        self.sampled = [i for v in variables if v.kind == "sample" for i in v.indices]
        self.summed = [i for v in variables if v.kind == "sum" for i in v.indices]
        width = len(self.sampled) + len(self.summed)
        self._width = width
        capacity = expected + 1
        if folder is None:
            check_memory(8.0 * capacity * width, f"{expected:.3g} rows of {width} values", LESS, "record.every")
        else:
            capacity = max(16, min(capacity, BUFFER_BYTES // (8 * max(width, 1))))
        # full, not zeros: pages are touched now, not one by one in the loop
        self.rows: Floats = np.full((capacity, width), 0.0)
        self.next_row, self.first = 0, 0
        self._segments: list[tuple[int, str]] = []

    def check_room(self, rows: int) -> None:
        """Raise InputError if the disk has no room for so many more rows."""
        if self.folder is not None:
            width = self.rows.shape[1]
            check_disk(8.0 * rows * width, self.folder, f"{rows:.3g} rows of {width} values", LESS, "record.every")

    def clear(self) -> None:
        """Forget all rows."""
        self.discard_segments()
        self._segments, self.next_row = [], 0

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / self._place / f"{number:06d}.npy"

    def written(self, rows: int = 1) -> None:
        """So many rows from `next_row` on were written, no more than there is room for."""
        self.next_row += rows
        if self.next_row == len(self.rows):
            self.close_segment()

    def close_segment(self) -> None:
        """Put the rows in memory into a segment file of their own. Raises RunError if the disk refuses."""
        if self.next_row == 0 or self.folder is None:
            return
        rows, head = self.rows[: self.next_row], io.BytesIO()
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(rows))
        parts = (head.getvalue(), rows.view(np.uint8).ravel(), SEGMENT_END)  # no copies: rows may be many
        own_folder(self.folder, *Path(self._place).parts)
        replace(self._path(len(self._segments)), *parts)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        self._segments.append((self.next_row, digest.hexdigest()))
        self.next_row = 0

    def take(self, rows: Floats) -> None:
        """Rows that others have recorded, (n, width), as the first of this recorder."""
        for start in range(0, len(rows), max(len(self.rows) - 1, 1)):
            part = rows[start : start + max(len(self.rows) - 1, 1)]
            self.rows[: len(part)] = part
            self.next_row = len(part)
            self.close_segment()

    def save(self) -> State:
        """Closes the current segment and names all. Raises InputError for a recorder without a folder."""
        if self.folder is None:
            raise InputError("a run without a folder has no checkpoints: give it one")
        self.close_segment()
        return {"segments": json.dumps(self._segments)}

    def restore(self, state: State) -> None:
        """Take up the segments that a checkpoint names; drop later ones. Raises InputError if one is damaged."""
        self._segments = [(int(n), str(digest)) for n, digest in json.loads(text(state, "segments"))]
        self.next_row = 0
        for number, (_, digest) in enumerate(self._segments):
            self._content(number, digest)
        for path in files_of(self._path(0).parent, SEGMENTS):
            if int(path.stem) >= len(self._segments):
                with guarded(path, "removed"):
                    path.unlink()

    @property
    def version(self) -> str | None:
        """The HDF5 format that the file needs."""
        return version_for(max((len(names) for v in self.variables for names in v.labels), default=0))

    def fill(self, file: h5py.File, times: Floats, attributes: Mapping[str, Any], tables: Mapping[str, Any]) -> None:
        """Fill a result file: every variable with `unit` and `dims`, `time`, attributes, JSON tables.

        times: (n_rows,) of all rows. tables: name → attributes of a group, e.g. the ledger and timings.
        """
        self._write(file, times, attributes.get("time_unit", "ms"))
        file.attrs.update(attributes)
        for name, content in tables.items():
            file.require_group(name).attrs.update(content)

    def _write(self, file: h5py.File, times: Floats, unit: str) -> None:
        time = file.create_dataset("time", data=times)
        time.attrs.update({"unit": unit, "dims": ["time"]})
        places = columns(self.variables)
        datasets = [create(file, v, {"time": len(times)}) for v in self.variables]
        start = 0
        for rows in self.chunks():
            for v, data, place in zip(self.variables, datasets, places, strict=True):
                data[start : start + len(rows)] = rows[:, place].reshape(len(rows), *v.shape)
            start += len(rows)

    def chunks(self) -> Iterator[Floats]:
        """All rows, in pieces."""
        for number, (_, digest) in enumerate(self._segments):
            yield read_array(io.BytesIO(self._content(number, digest)), str(self._path(number)))
        yield self.rows[: self.next_row]

    def _content(self, number: int, digest: str) -> bytes:
        """A segment file, as it was written. Raises InputError if it is not."""
        path = self._path(number)
        content = path.read_bytes() if is_regular(path) else b""
        if hashlib.sha256(content).hexdigest() != digest:
            beside = "" if path.exists() else "; a checkpoint goes on in the folder of its run, beside segments/"
            raise InputError(f"a recorded segment is missing or damaged: run again{beside}", where=str(path))
        return content

    @property
    def recorded(self) -> int:
        """Rows so far."""
        return sum(n for n, _ in self._segments) + self.next_row

    def discard_segments(self) -> None:
        """Remove the segment files: their rows are in the result file."""
        with suppress(OSError):  # in use, or gone already
            for number in range(len(self._segments)):
                self._path(number).unlink(missing_ok=True)
            if self._segments:
                self._path(0).parent.rmdir()
                self._path(0).parent.parent.rmdir()  # of all ranks; not that of the run, which holds its results
