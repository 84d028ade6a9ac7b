"""The training of a distribution of copy numbers: runs, regression, refinement, tests.

OUT/model.h5      the block for `engine = "surrogate"`
OUT/summary.json  rates with standard errors, and errors on stimuli of kinds that were not learned from
"""

from __future__ import annotations

import json
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from reducers.copy_numbers.block import CopyNumberBlock
from reducers.copy_numbers.chemistry import Kinetics, kinetics
from reducers.copy_numbers.learning import FreeRuns, LearnedRates, Moments, learn_rates, moments_of
from reducers.copy_numbers.mean_field import mean_field
from reducers.copy_numbers.powers import Powers
from reducers.copy_numbers.sampling import CopyNumberRuns, geometry_of, sample_copy_numbers
from reducers.copy_numbers.settings import CopyNumberFile
from reducers.markov.block import About
from reducers.markov.file import write_block
from reducers.training.folder import MODEL, write_summary
from reducers.training.one_go import OneGoTraining
from reducers.training.verdict import judge

HIGHER = "try copy_numbers.order = {}, or more runs and other stimuli ([sample])"
HIGHEST = (
    "try more runs or other stimuli ([sample]), or take ssa: no distribution of so few potentials has these numbers"
)


class CopyNumberTraining(OneGoTraining[CopyNumberFile]):
    """A training file and the folder of its results.

    geometry: in which molecules are counted, where it is not that of the experiment's first site.
    """

    file_type = CopyNumberFile
    geometry: Geometry | None = None

    def load(self) -> None:
        """Load the experiment."""
        self.experiment: Experiment = self.experiment_of(self.file.experiment)
        self.network = self.experiment.network()

    def check(self) -> None:
        """Choose the species. Raises InputError for a chemistry or an experiment that does not fit."""
        self.species = self.file.copy_numbers.names(self.network.names)
        self.kinetics: Kinetics = kinetics(self.network, self.species, self.file.copy_numbers.drive)
        if self.given is None:
            geometry_of(self.experiment)

    def train(self) -> dict[str, Any]:
        """Sample, learn, test. Raises RunError if the law diverges."""
        cpu, given = process_time(), self.file.sample
        moving = ", ".join(self.kinetics.names)
        self.tell(f"sampling {moving}: {given.runs} runs of {sum(s.count for s in given.stimuli)} stimuli")
        runs = sample_copy_numbers(self.file, self.experiment, self.kinetics, self.geometry)
        learned = learn_rates(self.kinetics, runs.select(test=False), self.file.copy_numbers.order, self.tell)
        block = self._block(runs, learned)
        summary = {
            "rates": self._lines(learned),
            "misfit": learned.misfit,
            "held_out": dict(block.about.held_out),
            "verdict": self.verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
        }
        write_block(block, self.folder / MODEL)
        write_summary(self.folder, summary)
        return summary

    def _block(self, runs: CopyNumberRuns, learned: LearnedRates) -> CopyNumberBlock:
        found, order = self.kinetics, self.file.copy_numbers.order
        per_um = 1e-3 * 602214.076 * runs.geometry.volume
        means = runs.numbers.mean(axis=1) / per_um
        room = found.room(runs.start) / per_um
        tested = runs.select(test=True)
        errors, rest, chance, peers = self._errors(tested, learned)
        allowed = self.file.train.allowed
        on, against = "stimuli not learned from", "moments held at their start"
        advice = HIGHER.format(order + 1) if order < 4 else HIGHEST
        self.verdict = judge(errors, rest, against, on, advice, allowed, chance, peers, "mean field")
        about = About.of(
            self.network,
            self.file.copy_numbers.block,
            self.species,
            found.drive,
            drive_box=(0.0, float(runs.drive.max())),
            box=np.stack([means.min(axis=(0, 1)), means.max(axis=(0, 1))]),
            data_hash=runs.digest(),
            held_out=errors,
            training=json.dumps(self.content),
            verdict=self.verdict.to_json(),
        )
        reactions = [
            replace(r, rate=r.rate * f, text="", warming=1.0)
            for r, f in zip(found.part.reactions, learned.factors.tolist(), strict=True)
        ]
        on_ = [s.on for name in (*self.species, found.drive) for s in found.part.species if s.name == name]
        totals = np.stack([room.min(axis=(0, 1)), room.max(axis=(0, 1))])
        return CopyNumberBlock(about, reactions, on_, order, totals, self._drawn(tested, learned))

    def _errors(self, runs: CopyNumberRuns, learned: LearnedRates) -> tuple[dict[str, float], ...]:
        """NRMSE of means and variances on runs; the same of moments held at their start; their standard errors; those
        of mean field."""
        data, model = self._tested(runs, learned)
        peer = mean_field(self.kinetics, runs, self.file.train.seed)
        out: tuple[dict[str, float], ...] = ({}, {}, {}, {})
        for s, name in enumerate(self.kinetics.names):
            for what in ("mean", "variance"):
                mine, theirs, each = (_of(d, what, s, data) for d in (model, data.mean, data.groups))
                size = float(np.ptp(theirs)) if what == "mean" else float(theirs.mean())
                size = max(size, 1e-300)
                out[0][f"{what} of {name}"] = _rms(mine - theirs) / size
                out[1][f"{what} of {name}"] = _rms(theirs - theirs[:, :1]) / size
                out[3][f"{what} of {name}"] = _rms(peer[what][..., s] - theirs) / size
                out[2][f"{what} of {name}"] = float(np.sqrt(each.var(axis=0, ddof=1).mean() / len(each))) / size
        return out

    def _tested(self, runs: CopyNumberRuns, learned: LearnedRates) -> tuple[Moments, Floats]:
        order = self.file.copy_numbers.order
        data = moments_of(runs, Powers(len(self.kinetics.moving), order))
        return data, FreeRuns(self.kinetics, runs, order, data).run(learned.factors[None])[0]

    def _drawn(self, runs: CopyNumberRuns, learned: LearnedRates) -> dict[str, Floats]:
        """What a report draws: the first test stimulus of each kind."""
        data, model = self._tested(runs, learned)
        out = {"time": runs.every * np.arange(data.mean.shape[1]), "drive": runs.drive[0]}
        for s, name in enumerate(self.kinetics.names):
            for what in ("mean", "variance"):
                out[f"{name} {what} model"] = _of(model, what, s, data)[0]
                out[f"{name} {what} runs"] = _of(data.mean, what, s, data)[0]
        return out

    def _lines(self, learned: LearnedRates) -> list[str]:
        lines = []
        for r, f, e in zip(self.kinetics.part.reactions, learned.factors, learned.errors, strict=True):
            name = f"{' + '.join(r.reactants) or '0'} -> {' + '.join(r.products) or '0'}"
            unit = self.kinetics.part.rate_unit(r)
            lines.append(f"{name}: {r.rate * f:.5g} ± {r.rate * e:.2g} {unit}" if f else f"{name}: not needed")
        return lines


def _of(moments: Floats, what: str, s: int, data: Moments) -> Floats:
    """(…) mean or variance of number s, molecules (²)."""
    powers = Powers(len(data.centre), 2)
    order = next(k for k in (2, 3, 4) if Powers(len(data.centre), k).kept == moments.shape[-1])
    powers = Powers(len(data.centre), order)
    first, second = moments[..., powers.first(s) - 1], moments[..., powers.second(s, s) - 1]
    if what == "mean":
        return np.asarray(data.centre[s] + data.scale[s] * first)
    return np.asarray(data.scale[s] ** 2 * (second - first**2))


def _rms(x: Floats) -> float:
    return float(np.sqrt((x**2).mean()))
