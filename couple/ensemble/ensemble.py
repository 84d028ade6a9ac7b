"""Reading an ensemble file."""

from __future__ import annotations

from typing import Any

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.base.html.tables import html_table
from couple.ensemble.design import Range
from couple.ensemble.run_to_run import Statistics, statistics
from couple.files.open_hdf5 import FileKind
from couple.storage.records.record_file import Recording

ENSEMBLE, FORMAT = "ensemble.h5", "couple ensemble 1"

KIND = FileKind(
    (FORMAT,),
    "an ensemble",
    "give the ensemble.h5 of couple sample or its folder",
    "the same couple sample again makes its runs anew",
    whole=False,
)


class Ensemble(Recording):
    """Many runs of one experiment: time series are (n_runs, n_rows). `Ensemble("OUT")` opens OUT/ensemble.h5.

    Only what is asked for is read; `file` is the HDF5 file, for datasets too large to be read at once.
    Raises InputError if the file is missing, damaged or of another kind, or for what was not recorded.

    >>> with Ensemble("MANY") as ensemble:
    ...     ensemble["head.Ca"].shape, ensemble.statistics("head.Ca").standard_error.shape
    ((4, 11), (11,))
    """

    KIND, FILE, AXES_BEFORE_ROWS = KIND, ENSEMBLE, 1

    @property
    def runs(self) -> Ints:
        """(n_runs,) numbers of the runs: 0, 1, ... in a complete ensemble."""
        return np.asarray(self.file["run"])

    @property
    def seeds(self) -> Ints:
        """(n_runs,) experiment seeds: `couple run --set experiment.seed=...` repeats a run to the bit."""
        return np.asarray(self.file["seed"])

    @property
    def seed(self) -> int:
        """Seed of the ensemble, from which those of its runs follow."""
        return int(self.file.attrs["seed"])

    @property
    def origin(self) -> str:
        """The checkpoint that runs went on from; "" if they began at t = 0."""
        return str(self.file.attrs.get("from", ""))

    @property
    def experiment(self) -> dict[str, Any]:
        """The experiment as it was understood; its own seed is not used."""
        from couple.experiment.understood.resolved import read_resolved  # with all that makes experiments

        return read_resolved(str(self.file.attrs["experiment"]))

    @property
    def parameters(self) -> dict[str, Floats]:
        """Key of what varies → (n_runs,) values in the units of `parameter_units`; empty if only the seed does."""
        if "parameters" not in self.file:
            return {}
        data = self.file["parameters"]
        return dict(zip(map(str, data.attrs["parameter"]), np.asarray(data).T, strict=True))

    @property
    def parameter_units(self) -> dict[str, str]:
        """Key of what varies → unit, "1" without."""
        if "parameters" not in self.file:
            return {}
        attributes = self.file["parameters"].attrs
        return dict(zip(map(str, attributes["parameter"]), map(str, attributes["units"]), strict=True))

    def _repr_html_(self) -> str:
        time, units = self.time, self.parameter_units
        span = f"{time[-1]:g} {self.time_unit} in {len(time)} rows" if len(time) else "nothing"
        varies = [(k, f"{v.min():.6g} .. {v.max():.6g} {units[k]}") for k, v in self.parameters.items()]
        facts = [("runs", len(self.runs)), ("failed", len(self.failures)), ("simulated", span), *varies]
        return html_table(("", ""), facts, f"{self.name}: ensemble, {self.status}")

    @property
    def failures(self) -> dict[int, str]:
        """Number of a run that failed → the reason; its rows are NaN."""
        if "failure" not in self.file:
            return {}
        reasons = self.file["failure"].asstr()[:]
        return {int(run): str(why) for run, why in zip(self.runs, reasons, strict=True) if why}

    def overrides(self, run: int) -> list[str]:
        """What repeats a run alone, to the bit: `couple run FILE`, with `--set` before each. Raises InputError.

        A branch is repeated by `Simulation.branched(origin, *changes)`.
        """
        at = np.flatnonzero(self.runs == run)
        if not at.size:
            raise InputError(f"there is no run {run}", where=str(self.path))
        k, units = int(at[0]), self.parameter_units
        changes = []
        for key, values in self.parameters.items():
            unit = "" if units[key] == "1" else units[key]
            changes.append(Range(key, unit, (float(values[k]),)).override(float(values[k])))
        return [*changes, f"experiment.seed={self.seeds[k]}"]

    @property
    def imbalance(self) -> Floats:
        """(n_runs,) largest imbalance of the ledger, molecules."""
        return np.asarray(self.file["imbalance"])

    @property
    def cpu_seconds(self) -> Floats:
        """(n_runs,) of each run."""
        return np.asarray(self.file["timing/cpu_seconds"])

    @property
    def parts(self) -> dict[str, Floats]:
        """Component, or the exchange → (n_runs,) seconds of CPU; NaN in ensembles that do not say."""
        if "timing/parts" not in self.file:
            return {}
        data = self.file["timing/parts"]
        return dict(zip(map(str, data.attrs["part"]), np.asarray(data).T, strict=True))

    def statistics(self, name: str, confidence: float = 0.95) -> Statistics:
        """Mean, variance, standard error and confidence band at each time of "head.Ca", "head.SK_open", ...

        Raises InputError if it was not recorded, and for fewer than two runs.
        """
        return statistics(self[name], confidence)
