"""All features of a file: a row for each run, a column for each feature, with what varies in front."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from couple.analysis.features.feature import feature
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.experiment.features import FeatureBlock
from couple.storage.records.record_file import Recording


@dataclass(frozen=True)
class FeatureTable:
    """values: name → (n_runs,). units: name → unit. runs: (n_runs,) their numbers. parameters: of what varies."""

    runs: Ints
    values: Mapping[str, Floats]
    units: Mapping[str, str]
    parameters: Mapping[str, Floats]

    def summary(self, name: str) -> tuple[float, float, int]:
        """Mean of a feature over the runs that have it, its standard error, and how many they are."""
        there = self.values[name][np.isfinite(self.values[name])]
        n = there.size
        error = float(there.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        return (float(there.mean()) if n else float("nan")), error, n

    def to_csv(self) -> str:
        """A header with units, then a line for each run; what is not there is empty."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        names = [
            f"{k} [{u}]" if (u := self.units.get(k, "")) not in ("", "1") else k
            for k in (*self.parameters, *self.values)
        ]
        lines.writerow(["run", *names])
        columns = [*self.parameters.values(), *self.values.values()]
        for k, run in enumerate(self.runs.tolist()):
            lines.writerow([run, *("" if np.isnan(c[k]) else repr(float(c[k])) for c in columns)])
        return text.getvalue()


def features(recording: Recording, blocks: Mapping[str, FeatureBlock], folder: Path = Path()) -> FeatureTable:
    """Features of a result or an ensemble. blocks: by name. folder: where paths in them start.

    Raises InputError that names the feature.
    """
    values, units = {}, {}
    for name, block in blocks.items():
        try:
            made = feature(name, block, folder)
            values[name], units[name] = made.of(recording), made.unit
        except InputError as error:
            raise InputError(error.message, where=f"features.{name}") from None
    n = len(next(iter(values.values()))) if values else 0
    runs = np.asarray(recording.file["run"]) if "run" in recording.file else np.arange(n)
    parameters: dict[str, Floats] = {}
    if "parameters" in recording.file:
        data = recording.file["parameters"]
        parameters = dict(zip(map(str, data.attrs["parameter"]), np.asarray(data).T, strict=True))
        units |= dict(zip(map(str, data.attrs["parameter"]), map(str, data.attrs["units"]), strict=True))
    return FeatureTable(runs, values, units, parameters)
