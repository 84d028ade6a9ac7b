"""One system that runs again and again with other seeds, to the bit as if it had been built with each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time

import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import CannotRestart, CoupleError, InputError, RunError
from couple.components.component import State
from couple.experiment import Experiment
from couple.simulation.orchestrator import Orchestrator
from couple.simulation.results.result_layout import ResultLayout
from couple.simulation.resume import Origin
from couple.storage.records.recorder import LESS, Recorder
from couple.wiring import wire


@dataclass(frozen=True)
class SampledRun:
    """rows: (n_rows, width) of the recorder. imbalance: largest of the ledger, molecules. seconds: of CPU.

    parts: (n_parts,) of those, by component and for the exchange (in proportion to wall-clock time).
    failure: why there are no rows but NaN; "" for a whole run.
    """

    rows: Floats
    imbalance: float
    seconds: float
    parts: tuple[float, ...] = ()
    failure: str = ""

    @classmethod
    def none(cls, layout: ResultLayout, failure: str) -> SampledRun:
        """In the place of a run that failed."""
        width = sum(len(v.indices) for v in layout.variables)
        parts = len(json.loads(layout.attributes.get("parts", "[]")))
        return cls(np.full((len(layout.times), width), np.nan), np.nan, np.nan, (np.nan,) * parts, failure)


class Stopped(Exception):
    """A run was given up half-way."""


class Sampler:
    """Wires an experiment once.

    once: for one run only, of the experiment's own seed, without setting back.
    layout: of the rows. start: digest of the system at t = 0 with seed 0, equal in every process; "" with `once`
    or an origin.
    Raises InputError for what does not fit in the experiment, also a run whose rows do not fit into memory, and
    CannotRestart if the system cannot be set back to the bit: then only `once`, in another process, is exact.
    origin: the saved moment that all runs go on from; they begin at t = 0 without.
    """

    def __init__(self, experiment: Experiment, *, once: bool = False, origin: Origin | None = None) -> None:
        run = experiment.experiment
        self._seed = run.seed
        self._branch_from: Mapping[str, State] | None = None
        if origin is None:
            system = wire(experiment)
        else:
            system, self._branch_from = origin.wire(experiment)
        clock = system.plan.clock
        first = 0 if origin is None else origin.window // clock.record + 1
        rows, width = clock.windows // clock.record + 1 - first, sum(len(v.indices) for v in system.variables)
        try:  # the rows of a run, a copy of them on their way to the disk, and their times
            check_memory(16.0 * rows * width + 32 * rows, f"{rows:.3g} rows of {width} values", LESS, "record.every")
            self.layout = ResultLayout.of(system, first)
            self._recorder = Recorder(None, system.variables, rows)
        except InputError as error:
            raise error.inside(experiment.where) from None
        self._loop = Orchestrator(system, self._recorder, run.scheme, run.max_debt)
        self._memory = system.memory.block.copy()
        self._starts: dict[str, State] = {}
        self.start, self._once = "", once
        if self._branch_from is not None:
            return  # every run takes all up from the file
        if not once:
            self._starts = self._states()
            self.start = self._try_restart()

    def run(self, seed: int, given_up: Callable[[], bool] | None = None) -> SampledRun:
        """A whole run. Raises RunError, and Stopped if `given_up` becomes true."""
        if self._branch_from is not None:
            self._loop.branch(self._branch_from, seed)
        elif not self._once:
            self._loop.restart(self._starts, self._memory, seed)
        elif self._loop.window or seed != self._seed:
            raise CannotRestart("this system was built for one run")
        else:
            self._loop.start()
        before, parts = process_time(), dict(self._loop.seconds)
        windows = self._loop.system.plan.clock.windows
        self._loop.run(windows, given_up)
        if self._loop.window < windows:
            raise Stopped
        rows = self._recorder.rows[: self._recorder.next_row].copy()
        seconds = process_time() - before
        wall = [self._loop.seconds[k] - parts[k] for k in parts]
        shares = tuple(seconds * w / max(sum(wall), 1e-12) for w in wall)
        return SampledRun(rows, self._loop.ledger().max_imbalance, seconds, shares)

    def _states(self) -> dict[str, State]:
        try:
            return {c.name: c.save() for c in self._loop.system.components}
        except RunError:
            raise
        except CoupleError as error:
            raise CannotRestart(str(error)) from error

    def _try_restart(self) -> str:
        """The digest. Raises CannotRestart unless setting back gives the start to the bit."""
        first = self._digest(self._starts)
        self._loop.restart(self._starts, self._memory, self._seed)
        if self._digest(self._states()) != first:
            raise CannotRestart("the model does not start twice in the same state")
        self._loop.restart(self._starts, self._memory, 0)
        return self._digest(self._states())

    def _digest(self, states: dict[str, State]) -> str:
        return " ".join(c.digest(states[c.name]) for c in self._loop.system.components)


def failed(run: int, seed: int, error: CoupleError, origin: Origin | None) -> RunError:
    """The error of one run of an ensemble, with what repeats it."""
    repeat = f"couple run FILE --set experiment.seed={seed}"
    if origin is not None:
        repeat = f'Simulation.branched("{origin.path}", seed={seed}), with the same changes'
    return RunError(f"run {run}: {error} (repeat it with: {repeat})")
