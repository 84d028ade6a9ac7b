"""A training of a block of independent molecules: sample, learn, test on kinds of stimuli not learned from."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import numpy as np
from scipy.linalg import expm

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.markov.block import About
from reducers.markov.chemistry import own_reactions
from reducers.markov.file import write_block
from reducers.markov.generator import candidates, matrices
from reducers.markov.learning import LearnedTransitions, learn_transitions
from reducers.markov.markov import MarkovBlock
from reducers.markov.sampling import StimulusRuns, sample_runs
from reducers.markov.settings import DrivenFile
from reducers.training.folder import MODEL, write_summary
from reducers.training.one_go import OneGoTraining
from reducers.training.verdict import judge

ADVICE = "Give more molecules, longer runs or other stimuli ([sample]), and see whether driven.species is complete"


class DrivenTraining(OneGoTraining[DrivenFile]):
    """A training file and the folder of its results."""

    file_type = DrivenFile

    def load(self) -> None:
        """Load the experiment's chemistry."""
        self.network = self.experiment_of(self.file.experiment).network()

    def check(self) -> None:
        """Choose the species. Raises InputError for a chemistry that does not fit."""
        self.species = self.file.driven.names(self.network)
        own_reactions(self.network, self.species, self.file.driven.drive)

    def train(self) -> dict[str, Any]:
        """Sample, learn, test. Raises InputError for a chemistry that does not fit."""
        cpu, driven = process_time(), self.file.driven
        named = {s.name: s for s in self.network.species}
        substance = next(iter(named[driven.drive].contains), None)
        if substance is None:
            raise InputError(f"{driven.drive} holds nothing: say what it contains", where=f"{self.path}: driven.drive")
        held = [named[s].contains.get(substance, 0) for s in self.species]
        self.tell(f"sampling {len(self.species)} states under {len(self.file.sample.stimuli)} kinds of stimuli")
        runs = sample_runs(self.file, self.network, self.species)
        learned = learn_transitions(self.file, runs.select(test=False), candidates(held), self.tell)
        block = self._block(runs, learned)
        summary = {
            "transitions": self._lines(learned),
            "error": learned.error,
            "held_out": dict(block.about.held_out),
            "cpu_seconds": process_time() - cpu,
        }
        summary["verdict"] = self.verdict.as_dict()
        write_block(block, self.folder / MODEL)
        write_summary(self.folder, summary)
        return summary

    def _block(self, runs: StimulusRuns, learned: LearnedTransitions) -> MarkovBlock:
        base, slope = matrices(len(self.species), learned.transitions, learned.rates)
        about = About.of(
            self.network,
            self.file.driven.block,
            self.species,
            self.file.driven.drive,
            drive_box=(0.0, float(runs.drive.max())),
            box=np.stack([runs.shares.min(axis=(0, 1)), runs.shares.max(axis=(0, 1))]),
            data_hash=runs.digest(),
            training=json.dumps(self.content),
        )
        tested = runs.select(test=True)
        errors, held = (held_out(tested, f * base, f * slope, about) for f in (1.0, 0.0))
        against, on = "shares held at their start", "stimuli not learned from"
        self.verdict = judge(errors, held, against, on, ADVICE, self.file.train.allowed)
        judged = {"held_out": errors, "verdict": self.verdict.to_json()}
        return MarkovBlock(About(**{**vars(about), **judged}), base, slope)

    def _lines(self, learned: LearnedTransitions) -> list[str]:
        unit = {True: "/ms/uM", False: "/ms"}
        return [
            f"{self.species[t.source]} -> {self.species[t.target]}: {rate:.6g} {unit[t.driven]}"
            for t, rate in zip(learned.transitions, learned.rates.tolist(), strict=True)
        ]


def held_out(runs: StimulusRuns, base: Floats, slope: Floats, about: About) -> dict[str, float]:
    """Free runs of the law against runs: NRMSE (by the range) of each observable, the ions held and the worst state."""
    found = np.empty_like(runs.shares)
    found[:, 0] = runs.shares[:, 0]
    for k in range(runs.drive.shape[1]):
        for r, u in enumerate(runs.drive[:, k].tolist()):
            found[r, k + 1] = expm(runs.every * (base + u * slope)) @ found[r, k]
    weights = {**about.observables, **{f"{k} held": w for k, w in about.contents.items()}}
    errors = {key: _nrmse(found @ np.array(w), runs.shares @ np.array(w)) for key, w in weights.items()}
    worst = max(_nrmse(found[..., i], runs.shares[..., i]) for i in range(found.shape[-1]))
    return {**errors, "worst state": worst}


def _nrmse(a: Floats, b: Floats) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)) / max(float(np.ptp(b)), 1e-300))
