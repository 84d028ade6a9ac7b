"""A training as a user sees it: a folder in which checkpoints, the model and a figure appear, whatever happens."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.base.signals import Stop
from couple.components.component import State
from reducers.data.moments import data_moments
from reducers.data.sources import load_data
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.mixture import Mixture, components
from reducers.dbd.energy.sufficient_statistics import exact_moments
from reducers.dbd.fit.fit import Fit
from reducers.dbd.fit.rates import estimate_rates
from reducers.dbd.fit.tracking_fit import TrackingFit
from reducers.dbd.laws.combination import Combination
from reducers.dbd.model.build import (
    build_comparison,
    build_model,
    build_optimiser,
    build_recipe,
    build_solver,
    build_start,
    build_tracking_fit,
    check_periodic,
)
from reducers.dbd.model.build_law import build_law
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.model.settings import TrainingFile
from reducers.dbd.report import predator_prey
from reducers.dbd.report.likelihood import likelihoods
from reducers.dbd.report.mixing import mixing
from reducers.dbd.report.moment_errors import checked_errors, held_out_errors, judged, reference_moments
from reducers.training.folder import MODEL, write_summary
from reducers.training.resumable import Progress, Resumable, Tell


class DistributionTraining(Resumable):
    """A recipe on its way. Build one with `Training.new` or `Training.resumed`; `run()` goes to the end."""

    File = TrainingFile
    state_version = 2

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        super().__init__(content, source, folder, tell)
        self.file = TrainingFile.read(content, str(source))
        data = load_data(self.file.data, source.parent, folder, self.file.train.seed, tell)
        self.data, self.held_out = _split(data, self.file.train.held_out, self.file.train.seed)
        try:
            self.fit = self._fit()
        except InputError as error:
            raise error.inside(str(source)) from None

    def _fit(self) -> Fit | TrackingFit:
        file, data = self.file, self.data
        check_periodic(file.model, file.data.periodic)
        self.model = build_model(file.model, data.species, data.shape)
        theta0 = build_start(file.model, self.model, data, file.data.periodic, file.train.seed)
        law = build_law(file.law, self.model, theta0[0], data.species)
        if file.follow is not None:
            return build_tracking_fit(file, self.model, data, law)
        comparison = build_comparison(file, self.model, data)
        solver, optimiser = build_solver(file.fit, data.dt), build_optimiser(file.fit, self.model.parameters)
        return Fit(law, comparison, solver, theta0, optimiser, build_recipe(file.fit, file.train.seed))

    @property
    def done(self) -> int:
        """Optimisation steps so far."""
        return self.fit.done

    def digest(self) -> str:
        """SHA-256 of the runs that are learned from."""
        return self.data.digest()

    def states(self) -> dict[str, State]:
        """State of the fit, by part."""
        return self.fit.save()

    def restore(self, states: dict[str, State]) -> None:
        """Take up what `states` gave."""
        self.fit.restore(states)

    def _run(self, progress: Progress | None) -> dict[str, Any]:
        """Go to the end of the recipe, then compare with the held-out runs; returns the summary.

        A checkpoint and the model are written at the start and every `train.checkpoint` steps. If the model diverges
        the last one that did not is written and RunError raised. SIGINT, SIGTERM and SIGHUP leave a checkpoint and
        raise Interrupted.
        """
        start, cpu = perf_counter(), process_time()
        stop = Stop()
        with stop.listening():
            try:
                self._learn(stop, progress)
            except RunError as error:
                self.fit.revert()
                kept = self._write_what_is_good()
                raise RunError(f"{error} (step {self.fit.done}{kept})") from None
            self.save()
            if stop.signal is not None:
                raise self.stopped(stop.signal, self.fit.steps)
        return self._finish(cpu, start)

    def _learn(self, stop: Stop, progress: Progress | None) -> None:
        """Steps until the end, or until a signal asks to stop."""
        if not self.fit.done:
            self.save()
        while self.fit.done < self.fit.steps and stop.signal is None:
            gap = self.fit.step()
            if progress is not None:
                progress(self.fit.done, self.fit.steps, gap)
            if self.fit.done % self.file.train.checkpoint == 0:
                self.save()

    def _finish(self, cpu: float, start: float) -> dict[str, Any]:
        """Compare with the held-out runs, and write model and summary."""
        rates = self._rates()
        model = self.reduced()
        model.rates, model.peers = rates, self._peers(model)
        model.held_out, model.checked = held_out_errors(model), checked_errors(model)
        model.likelihoods, model.mixing = self._likelihoods(), self._mixing()
        model.verdict = judged(model)
        model.write(self.folder / MODEL)
        summary = {
            "steps": self.fit.done,
            "gap": self.fit.history[-1],
            "rates": {name: list(found) for name, found in rates.items()},
            "likelihoods": model.likelihoods.tolist(),
            "mixing": model.mixing.tolist(),
            "nrmse": model.held_out,
            "checked": model.checked,
            "peers": model.peers,
            "on": "held-out runs" if self.held_out else "training runs",
            "verdict": model.verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
            "seconds": perf_counter() - start,
        }
        write_summary(self.folder, summary)
        return summary

    def _rates(self) -> dict[str, tuple[float, float]]:
        """name → rate and standard error of each reaction of a law made of them; the last steps are Gauss-Newton's."""
        fit, law, model = self.fit, self.fit.law, self.model
        if not (isinstance(fit, Fit) and isinstance(law, Combination)) or isinstance(model, DeepBoltzmann | Mixture):
            return {}
        before = law.coefficients.values.copy()
        try:
            moments, fitted = exact_moments(model, self.data, self.file.data.periodic), self.file.model.start is None
            found = estimate_rates(
                law, model, fit.solver, fit.theta0, moments, self.data.conditions, fitted_start=fitted
            )
        except (InputError, RunError) as error:
            law.coefficients.values[:] = before
            self.tell(f"no standard errors of the rates: {error}")
            return {}
        labels = [term.label for term in self.file.law.reactions]
        if not law.shared:
            labels = [f"{label} on {name}" for label in labels for name in law.parameters]
        return dict(zip(labels, zip(found.values.tolist(), found.errors.tolist(), strict=True), strict=True))

    def _likelihoods(self) -> Floats:
        """(n, 4) as in ReducedModel."""
        rows, model = self.file.report.likelihood, self.model
        if not rows or not isinstance(model, DeepBoltzmann) or self.held_out is None:
            return np.zeros((0, 4))
        theta = self.fit.trajectory()[:, 0]
        found = likelihoods(model, theta, rows, self.data, self.held_out, self.file.train.seed)
        return np.array([[f.time, f.value, f.error, f.independent] for f in found])

    def _mixing(self) -> Floats:
        """(n, 5) as in ReducedModel."""
        rows, model = self.file.report.mixing, self.model
        if not rows or not isinstance(model, DeepBoltzmann | Mixture):
            return np.zeros((0, 5))
        machine, _, thetas = components(model, self.fit.trajectory()[:, 0])
        return mixing(machine, thetas[:, 0], rows, self.data, self.file.train.seed)

    def _write_what_is_good(self) -> str:
        """Write the last model that did not fail; what to say about it."""
        try:
            self.reduced().write(self.folder / MODEL)
        except RunError:
            return ""
        return f"; the model of the step before is in {self.folder / MODEL}"

    def save(self) -> None:
        """Write a checkpoint and the model as it is."""
        super().save()
        if self.fit.ready:
            self.reduced().write(self.folder / MODEL)

    @cached_property
    def _reference(self) -> dict[str, Floats]:
        block = self.file.report
        every = block.every if isinstance(self.model, DeepBoltzmann | Mixture) else 1
        runs = self.held_out or self.data
        return reference_moments(self.model, runs, self.file.data.periodic, every, block.distances)

    def _peers(self, model: ReducedModel) -> dict[str, float]:
        """Closures by hand, if asked for, on the same data. Raises InputError for data of another system."""
        block, data = self.file.report.predator_prey, self.data
        if block is None:
            return {}
        if data.species != ("H", "P") or len(data.shape) != 2 or not self.file.data.periodic or data.snapshots is None:
            raise InputError("needs snapshots of H and P on a periodic square lattice", where="report.predator_prey")
        rates = predator_prey.PredatorPreyRates(block.birth, block.death, block.hop, sites=int(np.prod(data.shape)))
        learned = {name: values.mean(axis=0) for name, values in data_moments(data).items()}
        test = {name: model.reference[f"{name} mean"] for name in predator_prey.MOMENTS}
        times = model.reference["time mean"]
        found = predator_prey.compare(rates, learned, test, data.time / data.dt, times / data.dt)
        return {f"{label}, k3 = {k3:.4f}": error for label, (k3, error) in found.items()}

    def reduced(self) -> ReducedModel:
        """The model as it is now."""
        path = self.fit.trajectory()
        return ReducedModel(
            self.content,
            self.data.species,
            self.data.shape,
            self.fit.theta0,
            self.data.dt,
            len(self.data.time),
            np.stack([path.min(axis=(0, 1)), path.max(axis=(0, 1))]),
            self.data.digest(),
            self.fit.law,
            self.model,
            history=np.array(self.fit.history),
            reference=self._reference,
        )


def _split(data: Trajectories, held_out: int, seed: int) -> tuple[Trajectories, Trajectories | None]:
    """`held_out` runs of each initial condition apart."""
    if not held_out:
        return data, None
    learn, test = [], []
    for c in np.unique(data.conditions):
        a, b = data.select(np.flatnonzero(data.conditions == c)).split(held_out, seed)
        learn.append(a)
        test.append(b)
    if len(learn) == 1:
        return learn[0], test[0]
    return Trajectories.join(learn), Trajectories.join(test)
