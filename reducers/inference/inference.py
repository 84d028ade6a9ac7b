"""An inference from its file to its posterior: rounds of simulations, training between them, diagnostics at the end."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError, RunError
from couple.ensemble.sampling import cores
from couple.ensemble.seeds import run_seed
from couple.storage.folder.contents import own_folder, refuse_taken
from couple.storage.folder.lock import locked
from couple.storage.run.run_folder import claim_folder
from reducers.inference.density.file import POSTERIOR, Found, read_posterior, write_posterior
from reducers.inference.density.flow import new_flow
from reducers.inference.density.posterior import Posterior
from reducers.inference.density.scaling import Scaling
from reducers.inference.diagnostics.misspecification import misfit
from reducers.inference.diagnostics.simulation_based_calibration import Calibration, calibrate
from reducers.inference.folder import INFERENCE, ROUNDS, claim_request, request
from reducers.inference.methods.abc import accept
from reducers.inference.methods.point import climb
from reducers.inference.methods.proposals import Inside, from_posterior, from_prior, support_of
from reducers.inference.methods.restriction import learn_restriction
from reducers.inference.problem.observation import observed, read_observation
from reducers.inference.problem.prior import Prior
from reducers.inference.problem.settings import InferenceFile
from reducers.inference.simulation.experiment import ExperimentSimulator
from reducers.inference.simulation.function import FunctionSimulator
from reducers.inference.simulation.parts import simulate_function
from reducers.inference.simulation.simulations import Simulations

log = logging.getLogger(__name__)

ATOMS = 10
TRUTHS, PREDICTIVE = 1000, 1001
"""Numbers of rounds, for their seeds, of simulations that are not trained on."""

Progress = Callable[[str, int, int, str], None]
"""Called with (what is done, done, of how many, more)."""


def _silent(_what: str, _done: int, _all: int, _more: str) -> None:
    return


@dataclass
class Inference:
    """file: what is asked, read from `content`. folder: where paths in it start. out: of all that is written.

    jobs: processes at a time. `run` goes on where an earlier one stopped.
    """

    file: InferenceFile
    content: Mapping[str, Any]
    folder: Path
    out: Path
    jobs: int
    progress: Progress = _silent

    def __post_init__(self) -> None:
        ask = self.file.infer
        self.prior = Prior.read(self.file.prior)
        self._experiment: ExperimentSimulator | None = None
        if ask.experiment is not None:
            self._experiment = ExperimentSimulator.load(self.folder / ask.experiment, self.prior)
        self.features = dict(self.file.features) if self._experiment is None else self._experiment.features
        self.observation = self._observation()

    @classmethod
    def load(
        cls,
        path: Path,
        out: Path | None = None,
        overrides: list[str] | None = None,
        jobs: int | None = None,
        progress: Progress = _silent,
    ) -> Inference:
        """From a TOML file. out: results/NAME-infer if not given. Raises InputError that names file and key."""
        file, content = InferenceFile.load(path, overrides or ())
        place = Path("results") / f"{file.infer.name}-infer" if out is None else out
        try:
            return cls(file, content, path.parent, place, jobs or cores(), progress)
        except InputError as error:
            raise error.inside(str(path)) if not error.where.startswith(str(path.parent) + "/") else error from None

    def run(self) -> Found:
        """All of it; posterior.h5 is written after each round. Raises InputError, RunError and Interrupted."""
        with self._claimed():
            ask = self.file.infer
            found = Found(
                self.file, self.content, self.prior, self.features, self._none(), observation=self.observation
            )
            if ask.method == "cma":
                return self._kept(self._climbed(found))
            there = self._earlier()
            for number in range(1, ask.rounds + 1):
                found = self._round(number, found, there)
            if ask.method == "abc":
                assert found.observation is not None
                found = replace(found, samples=accept(self.prior, found.simulations, found.observation))
            return self._kept(self._diagnosed(found))

    def _climbed(self, found: Found) -> Found:
        """With the best point. A tenth of the simulations is drawn from the prior, to scale features by."""
        ask = self.file.infer
        assert found.observation is not None
        pilot = self.simulations("001", 1, lambda: self.prior.draw(max(ask.simulations // 10, 10), self._rng(1)))
        self._check(pilot)

        def simulate(number: int, theta: Floats) -> Simulations:
            return self.simulations(f"{number:03d}", number, lambda: theta)

        made, point = climb(self.prior, pilot, found.observation, ask.simulations - len(pilot), ask.seed, simulate)
        return replace(found, simulations=made, point=point)

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng(run_seed(self.file.infer.seed, number))

    # -- rounds ----------------------------------------------------------------------------------------------------

    def _round(self, number: int, before: Found, there: Found | None) -> Found:
        """The simulations of a round, and what is learned from them and those before.

        there: of an earlier run. Nothing is learned again where the next round was drawn already.
        """
        made = self.simulations(f"{number:03d}", number, lambda: self._proposed(number, before))
        found = replace(before, simulations=Simulations.join([before.simulations, made]))
        self._check(found.simulations)
        if self.file.infer.method == "abc":
            return found
        if there is not None and there.posterior is not None and there.digest == self._digest(found):
            posterior = replace(there.posterior, observation=self.observation)
            return replace(found, posterior=posterior, losses=there.losses, digest=there.digest)
        if number < self.file.infer.rounds and self._path(f"{number + 1:03d}").exists():
            return found
        return self._kept(self._learn(number, found))

    def _earlier(self) -> Found | None:
        """What an earlier run has left; None if it is none, or cannot be read."""
        path = self.out / POSTERIOR
        if not path.exists():
            return None
        try:
            return read_posterior(path)
        except InputError as error:
            log.warning("%s; it is learned again", error)
            return None

    def _proposed(self, number: int, before: Found) -> Floats:
        """(n, d) parameters of a round."""
        ask, d = self.file.infer, len(self.prior)
        seed = run_seed(ask.seed, number)
        if number == 1:
            return self.prior.draw(ask.simulations, self._rng(1))
        inside = self._restricted(before.simulations, seed)
        posterior = before.posterior
        if ask.method == "npe" or posterior is None:
            return self.prior.from_normal(from_prior(d, ask.simulations, inside, None, seed))
        if ask.method == "apt":
            return self.prior.from_normal(from_posterior(posterior, ask.simulations, inside, seed))
        support = support_of(posterior, seed)
        z = from_prior(
            d,
            ask.simulations,
            lambda z: support(z) & inside(z),
            lambda n: posterior.flow.draw(posterior.condition, n, seed),
            seed,
        )
        return self.prior.from_normal(z)

    def _restricted(self, made: Simulations, seed: int) -> Inside:
        """Where a simulation may be valid: everywhere, if most are."""
        restriction = learn_restriction(self.prior, made, seed % 2**31) if self.file.infer.restrict else None
        return restriction if restriction is not None else _anywhere

    def _learn(self, number: int, found: Found) -> Found:
        """With the flow trained on all simulations, from where it stood."""
        made = found.simulations.where(found.simulations.valid)
        before = found.posterior
        if before is None:
            flow = new_flow(len(self.prior), len(self.features), self.file.flow, self.file.infer.seed)
            before = Posterior(self.prior, self.features, Scaling.of(made.features), flow, self.observation)
        atoms = ATOMS if self.file.infer.method == "apt" and number > 1 else 0

        def tell(epoch: int, epochs: int, loss: float) -> None:
            self.progress(f"round {number}, training", epoch, epochs, f"loss {loss:.3f}")

        losses = before.flow.fit(
            self.prior.to_normal(made.theta),
            before.scaling(made.features),
            run_seed(self.file.infer.seed, number) % 2**31,
            atoms=atoms,
            from_prior=made.rounds == 1,
            tell=tell,
        )
        return replace(found, posterior=before, losses=(*found.losses, losses), digest=self._digest(found))

    def _digest(self, found: Found) -> str:
        """Of the simulations and the settings that a flow is learned from."""
        made, settings = found.simulations, (self.file.flow.model_dump(), self.file.infer.method)
        text = json.dumps(settings).encode() + made.theta.tobytes() + made.features.tobytes()
        return hashlib.sha256(text).hexdigest()

    def _check(self, made: Simulations) -> None:
        """Raise RunError if too few simulations are valid to learn from."""
        valid = int(made.valid.sum())
        why = f' (the first reason: "{made.reasons[0]}")' if made.reasons else ""
        if not valid:
            raise RunError(
                f"none of {len(made)} simulations gives all features{why}: change the prior, or what "
                "features need; what was simulated is kept"
            )
        if valid <= len(self.features):
            raise RunError(
                f"{valid} of {len(made)} simulations give all features, fewer than the {len(self.features)} features"
                f"{why}: give more simulations, or another prior"
            )

    # -- simulations -----------------------------------------------------------------------------------------------

    def simulations(self, name: str, number: int, propose: Callable[[], Floats]) -> Simulations:
        """Of a round, all of them; what is there is not made again.

        number: of the round, for seeds. propose: (n, d) parameters, called if none were drawn yet.
        """
        path, ask = self._path(name), self.file.infer
        drawn = Simulations.read(path) if path.exists() else None
        if drawn is None or self._grown(drawn, number):
            theta = propose()
            drawn = self._of(theta, number, drawn)
            drawn.write(path)
        missing = np.isneginf(drawn.features).all(axis=1)
        if not missing.any():
            return drawn

        def progress(done: int, n: int) -> None:
            self.progress(f"round {number}, simulating" if number < TRUTHS else "checking", done, n, "")

        part = own_folder(self.out, ROUNDS, name)
        if self._experiment is not None:
            made = self._experiment.simulate(self.prior, drawn, run_seed(ask.seed, -number), part, self.jobs, progress)
        else:
            what = FunctionSimulator(str(ask.simulator), self.folder, len(self.features))
            made = simulate_function(what, drawn, missing, run_seed(ask.seed, -number), part, self.jobs, progress)
        made.write(path)
        return made

    def _grown(self, drawn: Simulations, number: int) -> bool:
        """Whether more simulations are asked for of a first round, which goes on as it began."""
        ask = self.file.infer
        return (
            number == 1 and self._experiment is None and ask.method in ("npe", "abc") and len(drawn) < ask.simulations
        )

    def _of(self, theta: Floats, number: int, there: Simulations | None) -> Simulations:
        """Nothing made yet (-inf), but what is there already."""
        features = np.full((len(theta), len(self.features)), -np.inf)
        if there is not None and np.array_equal(there.theta, theta[: len(there)]):
            features[: len(there)] = there.features
        return Simulations(theta, features, np.full(len(theta), number, dtype=np.int64))

    def _path(self, name: str) -> Path:
        return self.out / ROUNDS / f"{name}.h5"

    def _none(self) -> Simulations:
        return Simulations.none(len(self.prior), len(self.features))

    # -- diagnostics -----------------------------------------------------------------------------------------------

    def _diagnosed(self, found: Found) -> Found:
        """With calibration, predictive simulations, and a warning if the observation is unlike what is simulated."""
        ask, tables = self.file.diagnostics, dict[str, Floats]()
        if found.observation is not None:
            self._warn(found)
            if ask.predictive:
                made = self.simulations("predictive", PREDICTIVE, lambda: _draws(found, ask.predictive, 1))
                tables |= {"predictive/theta": made.theta, "predictive/features": made.features}
        if ask.truths and self.file.infer.method == "npe" and found.posterior is not None:
            calibration = self._calibrated(found.posterior)
            tables |= {f"calibration/{k}": np.asarray(v) for k, v in vars(calibration).items()}
        return replace(found, tables=tables)

    def _calibrated(self, posterior: Posterior) -> Calibration:
        ask = self.file.diagnostics
        made = self.simulations("truths", TRUTHS, lambda: self.prior.draw(ask.truths, self._rng(TRUTHS)))
        made = made.where(made.valid)
        self.progress("calibrating", 0, 1, "")
        return calibrate(posterior, made.theta, made.features, ask.draws, self.file.infer.seed % 2**31)

    def _warn(self, found: Found) -> None:
        made = found.simulations.where(found.simulations.valid & (found.simulations.rounds == 1))
        scaling = Scaling.of(made.features)
        assert found.observation is not None
        text = misfit(scaling(made.features), scaling(found.observation), [*self.features]).text
        if text:
            log.warning("%s", text)

    # -- files -----------------------------------------------------------------------------------------------------

    def _observation(self) -> Floats | None:
        block = self.file.observation
        if block is None:
            return None
        if block.file is not None:
            return read_observation(self.folder / block.file, self.features)
        if block.run is not None:
            assert self._experiment is not None
            return observed(self._experiment.observed(self.folder / block.run), self.features)
        assert block.values is not None
        return observed(block.values, self.features)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        claim_folder(self.file.infer.name, self.out)
        with locked(self.out):
            refuse_taken(self.out, INFERENCE).sweep()
            seen = (
                None if self.observation is None else dict(zip(self.features, self.observation.tolist(), strict=True))
            )
            claim_request(self.out, request(self.file, self.prior, self.folder, seen))
            own_folder(self.out, ROUNDS)
            yield

    def _kept(self, found: Found) -> Found:
        write_posterior(found, self.out / POSTERIOR)
        return found


def _draws(found: Found, n: int, seed: int) -> Floats:
    """(n, d) of the posterior."""
    if found.samples is not None:
        return found.samples[np.random.default_rng(seed).integers(0, len(found.samples), n)]
    assert found.posterior is not None
    return found.posterior.draw(n, seed)


def _anywhere(z: Floats) -> Bools:
    return np.ones(len(z), dtype=bool)
