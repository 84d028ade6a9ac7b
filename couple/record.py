"""What a run leaves behind: rows while it runs, one HDF5 file at its end.

Rows are collected in memory and closed into numbered segment files at checkpoints and whenever the buffer is
full, so that a killed run loses nothing before its last checkpoint and memory stays flat. `results.h5` is made
from the segments; segments that a checkpoint does not know are dropped on resume.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from couple.checkpoint import replace
from couple.component import State
from couple.errors import InputError, RunError

Floats = npt.NDArray[np.float64]

BUFFER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Variable:
    """One recorded dataset.

    path:    in the file, "component/quantity". unit: of its values.
    dims:    names of the axes after time; labels: names along each; their lengths are the shape of a row.
    indices: places in the common memory, in C order.
    kind:    "sample" (what is there at that time) or "sum" (the total since the row before); meaning: in words.
    stored:  type of the numbers in the file.
    """

    path: str
    unit: str
    dims: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    indices: tuple[int, ...]
    kind: Literal["sample", "sum"] = "sample"
    meaning: str = "value at the time of the row"
    stored: str = "float64"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(len(names) for names in self.labels)


class Recorder:
    """Collects rows of the given variables in `folder`.

    rows: the buffer (n, width) into which the exchange writes; `next_row` is where.
    """

    def __init__(self, folder: Path, variables: Sequence[Variable], expected: int) -> None:
        self.folder, self.variables = folder, tuple(variables)
        self.sampled = [i for v in variables if v.kind == "sample" for i in v.indices]
        self.summed = [i for v in variables if v.kind == "sum" for i in v.indices]
        width = len(self.sampled) + len(self.summed)
        self._width = width
        capacity = max(16, min(expected + 1, BUFFER_BYTES // (8 * max(width, 1))))
        # full, not zeros: pages are touched now, not one by one in the loop
        self.rows: Floats = np.full((capacity, width), 0.0)
        self.next_row = 0
        self._segments: list[tuple[int, str]] = []

    def _path(self, number: int) -> Path:
        return self.folder / "segments" / f"{number:06d}.npy"

    def written(self) -> None:
        """The row at `next_row` was written."""
        self.next_row += 1
        if self.next_row == len(self.rows):
            self.close_segment()

    def close_segment(self) -> None:
        """Put the rows in memory into a segment file of their own."""
        if self.next_row == 0:
            return
        buffer = io.BytesIO()
        np.save(buffer, self.rows[: self.next_row])
        content = buffer.getvalue()
        path = self._path(len(self._segments))
        path.parent.mkdir(exist_ok=True)
        replace(path, content)
        self._segments.append((self.next_row, hashlib.sha256(content).hexdigest()))
        self.next_row = 0

    def save(self) -> State:
        """Closes the current segment and names all."""
        self.close_segment()
        return {"segments": json.dumps(self._segments)}

    def restore(self, state: State) -> None:
        """Take up the segments that a checkpoint names; drop later ones. Raises InputError if one is damaged."""
        self._segments = [(int(n), str(digest)) for n, digest in json.loads(str(state["segments"]))]
        self.next_row = 0
        for number, (_, digest) in enumerate(self._segments):
            path = self._path(number)
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                raise InputError("a recorded segment is missing or damaged: run again", where=str(path))
        for path in self.folder.glob("segments/*.npy"):
            if int(path.stem) >= len(self._segments):
                path.unlink()

    def write_results(
        self, path: Path, times: Floats, attributes: Mapping[str, Any], tables: Mapping[str, Any]
    ) -> None:
        """Make the result file: every variable with `unit` and `dims`, `time` (ms), attributes, JSON tables.

        times: (n_rows,) of all rows. tables: name → attributes of a group, e.g. the ledger and timings.
        """
        beside = path.with_name(f".{path.name}")
        try:
            with h5py.File(beside, "w") as file:
                self._write(file, times)
                file.attrs.update(attributes)
                file["time"].attrs["unit"] = attributes.get("time_unit", "ms")
                for name, content in tables.items():
                    file.require_group(name).attrs.update(content)
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error

    def _write(self, file: h5py.File, times: Floats) -> None:
        time = file.create_dataset("time", data=times)
        time.attrs.update({"unit": "ms", "dims": ["time"]})
        begin = {"sample": 0, "sum": len(self.sampled)}
        columns: list[tuple[h5py.Dataset, int, int, tuple[int, ...]]] = []
        for v in self.variables:
            n = len(v.indices)
            chunk = (max(1, min(len(times), 65536 // max(n, 1))), *v.shape) if n and len(times) else None
            data = file.create_dataset(
                v.path,
                shape=(len(times), *v.shape),
                dtype=v.stored,
                chunks=chunk,
                compression="gzip" if chunk else None,
                compression_opts=4 if chunk else None,
                shuffle=bool(chunk),
            )
            data.attrs.update({"unit": v.unit, "dims": ["time", *v.dims], "meaning": v.meaning})
            for dim, names in zip(v.dims, v.labels, strict=True):
                if dim != "cell":  # a million numbers do not fit an attribute, and say nothing
                    data.attrs[dim] = list(names)
            columns.append((data, begin[v.kind], begin[v.kind] + n, v.shape))
            begin[v.kind] += n
        start = 0
        for rows in self._chunks():
            for data, a, b, shape in columns:
                data[start : start + len(rows)] = rows[:, a:b].reshape(len(rows), *shape)
            start += len(rows)

    def _chunks(self) -> Any:
        for number in range(len(self._segments)):
            yield np.load(self._path(number))
        yield self.rows[: self.next_row]

    @property
    def recorded(self) -> int:
        """Rows so far."""
        return sum(n for n, _ in self._segments) + self.next_row

    def discard_segments(self) -> None:
        """Remove the segment files: their rows are in the result file."""
        for number in range(len(self._segments)):
            self._path(number).unlink(missing_ok=True)
        folder = self.folder / "segments"
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
