"""Tables with a row for each time: CSV and Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from couple.base.errors import MissingDependencyError
from couple.storage.records.columns import columns_of
from couple.storage.records.record_file import Recording

ROWS = 10_000
"""Rows that are written at a time."""


def write_csv(recording: Recording, path: Path) -> None:
    """Names and units above each column ("head.Ca [molecules]"); every number as it is, to the bit."""
    names, values = _columns(recording)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for start in range(0, len(values[0]), ROWS):
            writer.writerows(zip(*(v[start : start + ROWS].tolist() for v in values), strict=True))


def write_parquet(recording: Recording, path: Path) -> None:
    """The same columns; each with its `unit` as metadata. Raises MissingDependencyError without pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise MissingDependencyError("parquet needs pyarrow, which is not installed: uv pip install pyarrow") from None
    names, values = _columns(recording)
    fields = []
    for name, column in zip(names, values, strict=True):
        plain, _, unit = name.removesuffix("]").partition(" [")
        fields.append(pa.field(plain, pa.from_numpy_dtype(column.dtype), metadata={"unit": unit}))
    parquet.write_table(pa.Table.from_arrays([pa.array(v) for v in values], schema=pa.schema(fields)), path)


def _columns(recording: Recording) -> tuple[list[str], list[Any]]:
    """Names with units, and columns of one length; of an ensemble run, seed and what varies in front."""
    time, found = recording.time, list(columns_of(recording))
    names, values = [f"time [{recording.time_unit}]"], [time]
    if "run" in recording.file:
        runs = np.asarray(recording.file["run"])
        front: dict[str, Any] = {"run [1]": runs, "seed [1]": np.asarray(recording.file["seed"])}
        if "parameters" in recording.file:
            data = recording.file["parameters"]
            keys = zip(map(str, data.attrs["parameter"]), map(str, data.attrs["units"]), strict=True)
            front |= {f"{k} [{unit}]": v for (k, unit), v in zip(keys, np.asarray(data).T, strict=True)}
        names = [*front, *names]
        values = [*(np.repeat(v, len(time)) for v in front.values()), np.tile(time, len(runs))]
    names += [f"{c.name} [{c.unit}]" for c in found]
    return names, [*values, *(np.ravel(c.values) for c in found)]
