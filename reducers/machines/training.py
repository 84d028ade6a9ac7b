"""The training of a machine that a concentration drives: runs, the nearest machine at every time, its law, tests.

OUT/model.h5      the block for `engine = "surrogate"`
OUT/summary.json  errors on stimuli of kinds that were not learned from
"""

from __future__ import annotations

import json
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.experiment import Experiment
from reducers.copy_numbers.sampling import geometry_of
from reducers.machines.block import MachineBlock
from reducers.machines.build import build_machine, held_values
from reducers.machines.kernels.motion import look
from reducers.machines.learning import LearnedLaw, free_run, learn_law
from reducers.machines.paths import follow
from reducers.machines.sampling import UnitRuns, sample_units
from reducers.machines.settings import MachineFile
from reducers.machines.units import Units, units_of
from reducers.markov.block import About
from reducers.markov.file import write_block
from reducers.training.folder import MODEL, write_summary
from reducers.training.one_go import OneGoTraining
from reducers.training.verdict import judge

ADVICE = "try machine.degree = {}, a wider patch (machine.width), more runs or other stimuli ([sample])"
GROUPS = 16
"""Of runs, whose scatter gives standard errors."""
ANCHORS = 400
"""Places on the paths that are kept in the file."""


class MachineTraining(OneGoTraining[MachineFile]):
    """A training file and the folder of its results."""

    file_type = MachineFile

    def load(self) -> None:
        """Load the experiment."""
        self.experiment: Experiment = self.experiment_of(self.file.experiment)
        self.network = self.experiment.network()

    def check(self) -> None:
        """Choose the molecules. Raises InputError for a chemistry or an experiment that does not fit."""
        settings = self.file.machine
        self.species = settings.names(self.network.names)
        self.units: Units = units_of(self.network, self.species, settings.drive)
        if len(self.units.columns) != int(np.prod(settings.shape)):
            raise InputError(
                f"{len(self.units.columns)} molecules do not fill a grid of {list(settings.shape)}",
                where="machine.shape",
            )
        if self.units.states != len(settings.states):
            raise InputError(
                f"a molecule has {self.units.states + 1} species: name all but the first", where="machine.states"
            )
        self.machine = build_machine(settings)
        self.moving, self.fixed = held_values(settings, self.machine.parameters)
        geometry_of(self.experiment)

    def train(self) -> dict[str, Any]:
        """Sample, learn, test. Raises RunError if no law repeats the runs."""
        cpu, given, settings = process_time(), self.file.sample, self.file.machine
        self.tell(f"sampling {len(self.units.columns)} molecules: {given.runs} runs of "
                  f"{sum(s.count for s in given.stimuli)} stimuli")  # fmt: skip
        runs = sample_units(self.file, self.experiment, self.units)
        learned_from = runs.select(test=False)
        start = self.fixed.copy()
        p = learned_from.numbers.mean(axis=(0, 1, 2)) / len(self.units.columns)
        start[: len(p)] = np.log(p / (1.0 - p.sum()))
        start[self.moving & (np.arange(len(start)) >= len(p))] = settings.coupling
        seed = self.file.train.seed
        found = follow(self.machine, learned_from, self.moving, start, settings.prior, seed, self.tell)
        learned = learn_law(found, self.moving, learned_from, settings.degree, self.tell)
        block = self._block(runs, learned)
        summary = {
            "misfit": learned.misfit,
            "parameters": list(np.array(self.machine.parameters)[self.moving]),
            "held_out": dict(block.about.held_out),
            "verdict": self.verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
        }
        write_block(block, self.folder / MODEL)
        write_summary(self.folder, summary)
        return summary

    def _block(self, runs: UnitRuns, learned: LearnedLaw) -> MachineBlock:
        tested = runs.select(test=True)
        errors, rest, chance = self._errors(tested, learned)
        on, against = "stimuli not learned from", "moments held at their start"
        advice = ADVICE.format(self.file.machine.degree + 1)
        self.verdict = judge(errors, rest, against, on, advice, self.file.train.allowed, chance)
        about = About.of(
            self.network,
            self.file.machine.block,
            self.species,
            self.units.drive,
            drive_box=(0.0, float(runs.drive.max())),
            box=np.stack([-np.ones(len(learned.centre)), np.ones(len(learned.centre))]),
            data_hash=runs.digest(),
            held_out=errors,
            training=json.dumps(self.content),
            verdict=self.verdict.to_json(),
        )
        reactions = [replace(r, text="", warming=1.0) for r in self.units.part.reactions]
        on_ = [s.on for name in (*self.species, self.units.drive) for s in self.units.part.species if s.name == name]
        start = learned.start.mean(axis=0)
        _, shares, _ = _looked(learned, start[None])
        kept = np.linspace(0, len(learned.anchors) - 1, min(ANCHORS, len(learned.anchors))).astype(int)
        arrays = {
            "centre": learned.centre,
            "width": learned.width,
            "biases": learned.biases,
            "start": start,
            "anchors": np.concatenate([start[None], learned.anchors[kept]]),
            "shares": np.concatenate([shares, learned.shares[kept]]),
            "volumes": np.full(2, runs.geometry.volume),
        }
        return MachineBlock(
            about, self.file.machine, reactions, on_, learned.model, arrays, self._drawn(tested, learned)
        )

    def _errors(self, runs: UnitRuns, learned: LearnedLaw) -> tuple[dict[str, float], ...]:
        """NRMSE of means and variances on runs; the same of moments held at their start; their standard errors."""
        means, _, spread = _looked(learned, _free(runs, learned))
        n = runs.numbers[:, :, :: runs.keep].astype(float)
        parts = np.stack([n[:, g::GROUPS].mean(axis=1) for g in range(GROUPS)])
        squares = np.stack([n[:, g::GROUPS].var(axis=1, ddof=1) for g in range(GROUPS)])
        out: tuple[dict[str, float], ...] = ({}, {}, {})
        for s, name in enumerate(self.file.machine.states):
            for what, mine, theirs, each in (
                ("mean", means[..., s], n[..., s].mean(axis=1), parts[..., s]),
                ("variance", spread[..., s, s], n[..., s].var(axis=1, ddof=1), squares[..., s]),
            ):
                size = max(float(np.ptp(theirs)) if what == "mean" else float(theirs.mean()), 1e-300)
                key = f"{what} of {name}"
                out[0][key] = _rms(mine - theirs) / size
                out[1][key] = _rms(theirs - theirs[:, :1]) / size
                out[2][key] = float(np.sqrt(each.var(axis=0, ddof=1).mean() / GROUPS)) / size
        return out

    def _drawn(self, runs: UnitRuns, learned: LearnedLaw) -> dict[str, Floats]:
        """What a report draws: the first test stimulus."""
        means, _, spread = _looked(learned, _free(runs, learned)[:1])
        n = runs.numbers[:1, :, :: runs.keep].astype(float)
        time: Floats = runs.every * runs.keep * np.arange(n.shape[2], dtype=np.float64)
        out = {"time": time, "drive": runs.drive[0, :: runs.keep]}
        for s, name in enumerate(self.file.machine.states):
            out[f"{name} mean model"], out[f"{name} variance model"] = means[0, :, s], spread[0, :, s, s]
            out[f"{name} mean runs"], out[f"{name} variance runs"] = n[0, ..., s].mean(axis=0), n[0, ..., s].var(axis=0)
        return out


def _free(runs: UnitRuns, learned: LearnedLaw) -> Floats:
    return free_run(learned.model, np.tile(learned.start.mean(axis=0), (len(runs.drive), 1)), runs)


def _looked(learned: LearnedLaw, x: Floats) -> tuple[Floats, Floats, Floats]:
    """(…, S) means, (…, S) shares of the units, and (…, S, S) covariances at x (…, n)."""
    s, units = int(learned.model.sizes[3]), int(learned.model.sizes[4])
    flat, phi = np.ascontiguousarray(x.reshape(-1, x.shape[-1])), np.empty(len(learned.model.recipe))
    values = np.empty(learned.model.outputs.shape[1])
    means, spread = np.empty((len(flat), s)), np.empty((len(flat), s, s))
    for k, one in enumerate(flat):
        look(learned.model, one, phi, values, means[k], spread[k])
    shape = x.shape[:-1]
    return means.reshape(*shape, s), means.reshape(*shape, s) / units, spread.reshape(*shape, s, s)


def _rms(x: Floats) -> float:
    return float(np.sqrt((x**2).mean()))
