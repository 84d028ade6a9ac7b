"""The training of a field as a user sees it: a folder in which a checkpoint, the model and a figure appear."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, Interrupted, RunError
from couple.base.signals import Stop
from couple.components.component import State
from couple.components.state import number, whole
from reducers.fields.build import build_basis, build_data, build_law, build_priors, build_stepper
from reducers.fields.density.baselines import difference, homogeneous, kernel_density
from reducers.fields.density.estimates import Prior
from reducers.fields.density.particles import ParticleLoads, ParticleRuns, log_likelihoods
from reducers.fields.fit.initial_guess import estimate_all_fields, regress_coefficients
from reducers.fields.fit.learner import LearnedLaw, Learner
from reducers.fields.fit.misfit import ParticleEnsemble
from reducers.fields.model import FieldModel, law_state_of, restore_state
from reducers.fields.settings import FieldTrainingFile
from reducers.training.folder import CHECKPOINT, MODEL, write_summary
from reducers.training.resumable import Progress, Resumable, Tell
from reducers.training.verdict import Verdict, judge

ADVICE = "Give more steps ([fit] steps), more runs, a finer mesh, or another law ([law])"


class FieldTraining(Resumable):
    """Estimates, then a law. Build one with `new` or `resumed`; `run()` goes to the end."""

    File = FieldTrainingFile
    state_version = 2

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        super().__init__(content, source, folder, tell)
        self.file = FieldTrainingFile.read(content, str(source))
        seed = self.file.train.seed
        data = build_data(self.file.data, source.parent, folder, seed, tell)
        held_out = self.file.train.held_out
        try:
            if any(d.species != data[0].species or not np.array_equal(d.time, data[0].time) for d in data):
                raise InputError("ensembles of several initial conditions must have the same times and species")
            split = [d.split(held_out, seed) if held_out else (d, None) for d in data]
            self.data: list[ParticleRuns] = [a for a, _ in split]
            self.test: list[ParticleRuns] = [b for _, b in split if b is not None]
            self.basis = build_basis(self.file.model, source.parent)
            self.law = build_law(self.file.law, self.data[0].species)
            if "hermite" in (self.file.law.F0, self.file.law.F1, self.file.law.F2) and not self.file.fit.ridge:
                raise InputError("Hermite families have coefficients that no data speak of: give a ridge", where="fit")
            self._prepare()
        except InputError as error:
            raise error.inside(str(source)) from None

    def _prepare(self) -> None:
        """Estimate the fields of every time, and begin with the law that fits them best."""
        block, seed, time = self.file.model, self.file.train.seed, self.data[0].time
        self.estimates: list[Floats] = []
        ensembles: list[ParticleEnsemble] = []
        first: list[Prior] = []
        for k, d in enumerate(self.data):
            self.tell(f"estimating fields at {len(time)} times ({k + 1} of {len(self.data)})")
            loads = ParticleLoads.of(d, self.basis)
            total = loads.total()
            priors = build_priors(block, d, self.basis, seed, couple=block.couple)
            first = first or [Prior(p.kind, p.smooth) for p in priors]
            self.estimates.append(estimate_all_fields(self.basis, total, d.runs, priors, time))
            ensembles.append(ParticleEnsemble(time, total, d.runs, self.estimates[-1][0], loads))
        self.priors = first
        stepper = build_stepper(self.file.law, self.basis, self.law)
        self.law.assign(regress_coefficients(stepper, ensembles, self.estimates, self.file.fit.ridge))
        joint = self.file.fit.start == "joint"
        self.learner = Learner(stepper, ensembles, first if joint else None, self.file.fit.ridge)

    @property
    def done(self) -> int:
        """Steps so far."""
        return self.learner.done

    def digest(self) -> str:
        """SHA-256 of the particles that are learned from, for each initial condition."""
        return " ".join(d.digest() for d in self.data)

    def _run(self, progress: Progress | None) -> dict[str, Any]:
        """Learn the law, compare with held-out runs, write model and summary; returns the summary.

        There is a checkpoint after every step. Raises RunError that says where it is if the law does not converge.
        """
        start, cpu = perf_counter(), process_time()
        steps, stop = self.file.fit.steps, Stop()

        def after(step: int, promised: float) -> None:
            self.save()
            if progress is not None:
                progress(step, steps, promised)
            if stop.signal is not None and step < steps:
                raise self.stopped(stop.signal, steps)

        with stop.listening():
            try:
                learned = self.learner.run(after, steps)
            except Interrupted:
                raise
            except RunError as error:
                self.save()
                place = self.folder / CHECKPOINT
                raise RunError(f"{error} (the law of step {self.learner.done} is in {place})") from None
            self.save()
            if stop.signal is not None:
                raise self.stopped(stop.signal, steps)
        model = self._model(learned)
        self.tell("comparing with held-out runs" if self.test else "comparing with the training runs")
        model.held_out, verdict = self._compared(learned)
        model.verdict = verdict.to_json()
        model.write(self.folder / MODEL)
        errors = learned.information if learned.errors is None else learned.errors
        summary = {
            "steps": self.learner.done,
            "coefficients": {
                n: [float(v), float(e)] for n, v, e in zip(learned.names, learned.values, errors, strict=True)
            },
            "likelihood": model.held_out,
            "on": self._on,
            "verdict": verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
            "seconds": perf_counter() - start,
        }
        write_summary(self.folder, summary)
        return summary

    def states(self) -> dict[str, State]:
        """Steps so far and what the last promised, coefficients of the law, and fields at the start."""
        learned: State = {
            "done": self.learner.done,
            "history": np.array(self.learner.history),
            "promised": self.learner.promised,
        }
        start: State = {str(k): x for k, x in enumerate(self.learner.nu0)}
        return {"learner": learned, "law": law_state_of(self.law), "start": start}

    def restore(self, states: dict[str, State]) -> None:
        """Take up what `states` gave."""
        restore_state(self.law, dict(states["law"]))
        self.learner.done = whole(states["learner"], "done")
        self.learner.promised = number(states["learner"], "promised")
        self.learner.history = list(np.asarray(states["learner"]["history"], dtype=float))
        self.learner.nu0 = [np.asarray(states["start"][str(k)], dtype=float).copy() for k in range(len(self.data))]

    def _model(self, learned: LearnedLaw) -> FieldModel:
        unknown = np.full(len(learned.values), np.nan)
        seen = [
            [loads.each[_rows(loads, a)].sum(axis=0) > 0 for a in range(loads.shape[2])]
            for loads in (e.each for e in self.learner.ensembles)
            if loads is not None
        ]
        paths = np.stack(learned.paths)
        box = np.empty((2, paths.shape[2]))
        for a in range(paths.shape[2]):
            values = np.concatenate([p[:, a][:, np.asarray(s[a])].ravel() for p, s in zip(paths, seen, strict=True)])
            box[:, a] = (values.min(), values.max()) if len(values) else (np.nan, np.nan)
        return FieldModel(
            self.content,
            str(self.source.parent),
            self.data[0].species,
            self.basis.places,
            self.basis.cells,
            self.data[0].time,
            paths,
            np.stack(self.estimates),
            box,
            self.law,
            learned.values,
            unknown if learned.errors is None else learned.errors,
            learned.information,
            self.digest(),
            history=np.array(learned.history),
        )

    @property
    def _on(self) -> str:
        return "held-out runs" if self.test else "training runs"

    def _compared(self, learned: LearnedLaw) -> tuple[dict[str, float], Verdict]:
        """Log-likelihood per run of the law, and what it and the estimates are ahead of the baselines."""
        found: dict[str, list[Floats]] = {"law": [], "estimates": [], "homogeneous": []}
        if self.file.report.kernel:
            found["kernel"] = []
        for k, (learn, test) in enumerate(zip(self.data, self.test or self.data, strict=True)):
            loads = ParticleLoads.of(test, self.basis)
            found["law"].append(log_likelihoods(loads, learned.paths[k], self.basis))
            found["estimates"].append(log_likelihoods(loads, self.estimates[k], self.basis))
            found["homogeneous"].append(homogeneous(learn, test, self.basis))
            if self.file.report.kernel:
                found["kernel"].append(kernel_density(learn, test, self.basis)[0])
        logs = {name: np.concatenate(parts) for name, parts in found.items()}
        out = {f"log-likelihood of the {name} per run": float(x.mean()) for name, x in logs.items()}
        for name in ("estimates", "homogeneous", "kernel"):
            if name in logs and len(logs[name]) > 1:
                ahead = difference(logs["law"], logs[name])
                out[f"law ahead of {name}"], out[f"law ahead of {name}, error"] = ahead.mean, ahead.error
        return out, _judged(logs, self._on, self.file.train.allowed)


def _judged(logs: dict[str, Floats], on: str, allowed: float) -> Verdict:
    """How far law and homogeneous density are behind fields that are estimated at every time by itself."""
    behind = {name: logs["estimates"] - logs[name] for name in ("law", "homogeneous")}
    law, even = (float(x.mean()) for x in behind.values())
    x = behind["homogeneous"]
    chance = float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else 0.0
    name, against = "log-likelihood behind the estimates", "a homogeneous density"
    return judge({name: law}, {name: max(even, 0.0)}, against, on, ADVICE, allowed, {name: chance})


def _rows(loads: ParticleLoads, a: int) -> Any:
    """Rows of `each` of one species."""
    return np.arange(a, loads.each.shape[0], loads.shape[2])
