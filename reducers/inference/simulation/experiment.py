"""Simulations by an experiment: an ensemble with one run at each point, and the experiment's [features] of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from couple.analysis.features import feature, features
from couple.base.errors import InputError
from couple.ensemble.seeds import run_seed
from couple.experiment import Experiment
from couple.storage.records.results import Results
from reducers.inference.problem.prior import Prior
from reducers.inference.simulation.function import Progress
from reducers.inference.simulation.simulations import Simulations


@dataclass(frozen=True)
class ExperimentSimulator:
    """experiment: with [features]. folder: where their paths start."""

    experiment: Experiment
    folder: Path

    @classmethod
    def load(cls, path: Path, prior: Prior) -> ExperimentSimulator:
        """From an experiment's file. Raises InputError for one without [features], and keys that cannot vary."""
        experiment = Experiment.load(path)
        if not experiment.features:
            raise InputError(
                'has no [features] to learn from, as in features.top = { of = "head.Ca", measure = "peak" }',
                where=str(path),
            )
        middle = prior.from_normal(np.zeros((1, len(prior))))[0]
        for one, value in zip(prior.ranges, middle, strict=True):
            try:
                experiment.changed(one.override(float(value))).network()
            except InputError as error:
                raise InputError(f"cannot vary: {error}", where=f'prior."{one.key}"') from None
        return cls(experiment, path.parent)

    @property
    def features(self) -> dict[str, str]:
        """Name → unit."""
        return {name: feature(name, block, self.folder).unit for name, block in self.experiment.features.items()}

    def simulate(
        self, prior: Prior, drawn: Simulations, seed: int, folder: Path, jobs: int, progress: Progress
    ) -> Simulations:
        """What was drawn, with the features of all. folder: of the ensemble. Raises as `couple.ensemble.sample`."""
        from couple.ensemble.sampling import sample_points

        ranges = [
            replace(one, distribution="", numbers=(), values=tuple(drawn.theta[:, k].tolist()))
            for k, one in enumerate(prior.ranges)
        ]
        with sample_points(
            self.experiment, ranges, run_seed(seed, 0), folder, jobs=jobs, progress=progress
        ) as ensemble:
            table = features(ensemble, self.experiment.features, self.folder)
            reasons = tuple(ensemble.failures.values())[:10]
        made = np.stack([table.values[name] for name in self.features], axis=1)
        return Simulations(drawn.theta, made, drawn.rounds, reasons)

    def observed(self, run: Path) -> dict[str, float | str]:
        """Feature → value of the results of a run. Raises InputError if they lack the records."""
        with Results(run) as recording:
            table = features(recording, self.experiment.features, self.folder)
        return {name: float(values[0]) for name, values in table.values.items()}
