"""A run as a user sees it: a folder in which results, checkpoints and a summary appear, whatever happens."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import CoupleError, InputError, Interrupted, RunError
from couple.base.signals import Stop
from couple.components.component import Port
from couple.components.state import number, text, whole
from couple.experiment import Experiment
from couple.files.open_hdf5 import reading
from couple.files.write_hdf5 import new_in_memory
from couple.parallel.communicator import world
from couple.parallel.stop_agreement import WALLTIME, StopAgreement
from couple.simulation import port_access, resume
from couple.simulation.checkpoint_writer import SEGMENTS, CheckpointWriter
from couple.simulation.notebook import live_progress, simulation_html
from couple.simulation.orchestrator import Orchestrator
from couple.simulation.repartition import move, rows_of
from couple.simulation.results.cell_costs import CostMeter, Costs, read_costs
from couple.simulation.results.live_rows import LiveRows
from couple.simulation.results.run_writer import RunWriter, found_in
from couple.simulation.state_versions import check_versions
from couple.simulation.summary import run_summary
from couple.storage.folder.lock import FolderLock
from couple.storage.records.recorder import Recorder
from couple.storage.records.results import Results
from couple.storage.run import rank_checkpoints
from couple.storage.run.run_folder import CHECKPOINT, check_free, empty_folder, reopen_folder
from couple.wiring import System, wire

log = logging.getLogger(__name__)

Progress = Callable[[float, float], None]
"""Called after windows with (simulated ms, ms to reach)."""

_SAVED = "the checkpoint of this experiment"


class Simulation:
    """An experiment on its way.

    Build one with `Simulation.new`, `Simulation.in_memory` or `Simulation.resumed`; `run()` goes to the end,
    `step()` one exchange window. `read` and `write` look into ports, whose unit and shape `port` says; times are in ms.
    Raises InputError for what does not fit in the experiment, RunError for a run that cannot go on.

    >>> from couple import Experiment, Simulation
    >>> box = Experiment.build(
    ...     experiment={"name": "box", "duration": "1 ms", "exchange": "0.1 ms"},
    ...     chemistry={
    ...         "species": {"A": {}},
    ...         "reactions": [{"equation": "A -> 0", "forward": "1 /ms"}],
    ...         "initial": {"A": {"count": 100}},
    ...     },
    ...     site=[{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    ...     record={"species": "all"},
    ... )
    >>> simulation = Simulation.in_memory(box)
    >>> simulation.step()
    >>> round(float(simulation.read("head.A")), 2), simulation.port("head.counts").unit
    (90.48, 'count')
    >>> simulation.run()["status"]
    'complete'
    >>> with simulation.results as results:
    ...     results["head.A"].shape  # (n_rows,)
    (11,)
    """

    def __init__(
        self,
        folder: Path | None,
        system: System,
        lock: FolderLock | None = None,
        segments: str = SEGMENTS,
        costs: Costs | None = None,
    ) -> None:
        self.folder, self.system, self._lock = folder, system, lock
        self.experiment, clock = system.plan.experiment, system.plan.clock
        run = self.experiment.experiment
        self.ranks = world()
        place = rows_of(segments, self.ranks.rank, self.ranks.size)
        self.recorder = Recorder(folder, system.variables, clock.windows // clock.record + 1, place)
        self.orchestrator = Orchestrator(system, self.recorder, run.scheme, run.max_debt)
        self._writer = RunWriter(system, self.recorder, self.ranks)
        self._meter, self._metered = CostMeter(system, self.orchestrator.seconds), 0
        self._cpu = 0.0
        self._stop = Stop()
        self._ending: str | None = None
        self._asked = False
        self._agreement = StopAgreement(self.ranks)
        self._checkpoints = (
            None if folder is None else CheckpointWriter(folder, system, self.recorder, self.ranks, segments, costs)
        )
        self._watchers: list[Callable[[Simulation], object]] = []
        self._live = None
        if folder is not None and self.ranks.first:
            self._live = LiveRows(folder, system, self.recorder)

    @classmethod
    def new(
        cls,
        experiment: Experiment,
        folder: str | Path | None = None,
        *,
        force: bool = False,
        balance: str | Path | None = None,
    ) -> Simulation:
        """A run from t = 0.

        folder: for the results; it must not hold another run unless `force` (which removes that one). By default
        results/NAME-001, or the next number that is free.
        balance: folder of an earlier run, by whose costs the cells of a [network] are spread over ranks.
        Raises InputError if anything in the experiment does not fit; nothing is written then.
        """
        ranks = world()
        costs = None if balance is None else ranks.broadcast(read_costs(Path(balance)) if ranks.first else {})
        if folder is not None and ranks.first:
            check_free(Path(folder), force)
        system = wire(experiment, costs)
        if experiment.checkpoint.every is not None or experiment.checkpoint.wall is not None:
            resume.refuse_unsaved(system)
        made, lock = Path(), None
        if ranks.first:  # the folder is claimed once
            made, lock = empty_folder(experiment.experiment.name, folder, force)
        try:
            made = ranks.broadcast(made)
            simulation = cls(made, system, lock, costs=costs)
            simulation.orchestrator.start()
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return simulation

    @classmethod
    def in_memory(cls, experiment: Experiment) -> Simulation:
        """A run from t = 0 that leaves no files; `results` has its rows, and it cannot be resumed."""
        simulation = cls(None, wire(experiment))
        simulation.orchestrator.start()
        return simulation

    @classmethod
    def branched(
        cls, path: str | Path, *changes: str, seed: int | None = None, until: float | None = None
    ) -> Simulation:
        """A run that goes on from a checkpoint with changes, as "drive.0.influx.rate=5 /ms"; it leaves no files.

        path: the checkpoint, or the folder of the run. seed: of new random numbers from there on, by default that of
        the run. until: ms, instead of the end of the experiment. `results` has the rows after the checkpoint; the
        ledger goes on.
        Raises InputError, besides what `resumed` does, for a change after which the state is none any more.
        """
        if world().size > 1:
            raise InputError("a branch runs in one process: leave out mpiexec, or make many with couple branch")
        origin = resume.Origin.of(path)
        experiment = origin.read()[0].changed(*changes)
        if until is not None:
            experiment = experiment.changed(f"experiment.duration={until!r} {experiment.time_unit}")
        if seed is not None:
            experiment = experiment.changed(f"experiment.seed={seed}")
        system, states = origin.wire(experiment)
        simulation = cls(None, system)
        with reading(origin.path, _SAVED):
            simulation.orchestrator.branch(states, experiment.experiment.seed)
        return simulation

    def reseed(self, seed: int) -> None:
        """From here on random numbers of another seed; what they are depends on the moment too."""
        self.orchestrator.reseed(seed)

    @classmethod
    def resumed(cls, path: str | Path, *, until: float | None = None) -> Simulation:
        """Go on from a checkpoint, in the same folder; an `until` (ms) after the end makes the experiment longer.

        path: the checkpoint, or the folder of the run.
        Raises InputError if the file is damaged, or if the experiment or a file that it reads changed since.
        """
        path = Path(path) / CHECKPOINT if Path(path).is_dir() else Path(path)
        lock = reopen_folder(path) if world().first else None
        try:
            world().gather(None)
            return cls._resumed(path, until, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def _resumed(cls, path: Path, until: float | None, lock: FolderLock | None) -> Simulation:
        experiment, states = resume.read(path, until)
        run, ranks = states["run"], world()
        written = whole(run, "ranks", 1)
        here = path.parent
        place = text(run, "place", SEGMENTS)
        costs = json.loads(text(run, "costs")) if "costs" in run else None
        system = wire(experiment, costs)
        resume.check_same_files(system, run, path)
        wanted = (ranks.rank,) if written == ranks.size else range(written)
        left = ""
        parts = [states] if written == 1 else [rank_checkpoints.read(path, run, rank) for rank in wanted]
        try:
            check_versions(system, parts)
            if written != ranks.size:
                simulation = cls(here, system, lock, f"{place}-{written}", costs)
                with reading(path, _SAVED):
                    move(simulation.system, simulation.orchestrator, simulation.recorder, parts, here, place)
                left = place
            else:
                simulation = cls(here, system, lock, place, costs)
                with reading(path, _SAVED):
                    simulation.orchestrator.restore(parts[0])
        except InputError as error:
            raise error.inside(str(path)) from None
        simulation._cpu = number(run, "cpu_seconds") if ranks.first else 0.0
        assert simulation._checkpoints is not None
        simulation._checkpoints.number, simulation._checkpoints.left = whole(run, "number", 0), left
        ranks.gather(None)
        return simulation

    # -- going on ------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        return simulation_html(self.system.plan, self.time)

    @property
    def time(self) -> float:
        """Simulated ms."""
        return self.orchestrator.time

    def step(self) -> None:
        """Advance one exchange window. Raises RunError at the end of the experiment."""
        if self.orchestrator.window >= self.system.plan.clock.windows:
            raise RunError(
                f"the experiment ends at t = {self.time:g} {self.experiment.time_unit}; give it a longer duration"
            )
        self.orchestrator.step()
        for watcher in self._watchers:
            watcher(self)

    def after_each_window(self, watcher: Callable[[Simulation], object]) -> None:
        """Have `watcher(simulation)` called after every exchange window from now on; True from it stops `run`."""
        self._watchers.append(watcher)

    def port(self, name: str) -> Port:
        """Unit, shape and columns of a port such as "neuron.v" or "head.counts"."""
        return port_access.port(self.system, name)

    def read(self, name: str) -> Floats:
        """Values now, a copy: of a port ("neuron.v", "head.counts"), of its unit and shape, or, of shape (), of a
        species ("head.Ca": molecules) or an observable ("head.SK_open": mean over the last window) of a site.
        """
        return port_access.read(self.system, name)

    def write(self, name: str, values: npt.ArrayLike) -> None:
        """Set an input of the electrical model ("neuron.cai", "neuron.g") for the next window.

        Links write it again at the end of that. Raises InputError for other ports, for which `send` is, and with the
        schemes "extrapolated" and "iterated", which find all inputs of the model themselves.
        """
        if self.orchestrator.scheme is not None:
            scheme = self.experiment.experiment.scheme
            raise InputError(f'"{name}": scheme = "{scheme}" finds what the model gets; write with "staggered"')
        port_access.write(self.system, name, values)

    def send(self, name: str, molecules: float) -> None:
        """Let molecules of a species ("head.Ca") enter its site over the next window, booked in the ledger.

        Negative ones leave. A link or drive has to fill the species (an influx of rate "0 /ms" will do).
        """
        self.orchestrator.exchange.send(*port_access.species_of(self.system, name), molecules)

    @property
    def results(self) -> Results:
        """Results so far, from memory; close them or use them in a `with` statement."""
        buffer = io.BytesIO()
        done = self.orchestrator.window == self.system.plan.clock.windows
        with new_in_memory(buffer) as file:
            self._writer.fill(file, self.summary("complete" if done else "partial"), self._lengths)
        return Results(buffer)

    def run(
        self, progress: Progress | None = None, *, until: float | None = None, deadline: float | None = None
    ) -> dict[str, Any]:
        """Go to the end (or to `until` ms), write results and summary, and return the summary. In a notebook a bar
        below the cell shows how far it is, unless `progress` does.

        On SIGINT, SIGTERM or SIGHUP a checkpoint is written and Interrupted raised; so it is shortly before `deadline`,
        by time.perf_counter. Signals that come while it is written change nothing. On any error what was recorded is
        written to the result file before the error goes on.
        """
        begun, agreed = self.orchestrator.window, CoupleError()
        progress = progress or live_progress(self.experiment.experiment.name, self.experiment.time_unit)
        with self._stop.listening():
            with self.ranks.waiting():  # others wait inside of NEURON, or of what they solve together
                try:
                    return self._run(progress, until, deadline)
                except (Interrupted, InputError) as error:
                    if isinstance(error, InputError) and self.orchestrator.window > begun:
                        raise
                    agreed = error  # of all ranks, as is what is asked for and does not fit
            raise agreed

    def _run(self, progress: Progress | None, until: float | None, deadline: float | None) -> dict[str, Any]:
        clock = self.system.plan.clock
        end = clock.windows if until is None else min(clock.windows, clock.windows_until(until))
        if end < self.orchestrator.window:
            raise InputError(
                f"{until:g} {clock.unit} is before t = {self.time:g} {clock.unit}, where the run is", where="--until"
            )
        if self.folder is not None and end < clock.windows:
            resume.refuse_unsaved(self.system)
        rows = (end - self.orchestrator.window) // clock.record
        self.recorder.check_room(rows)
        started = process_time()
        before = self._cpu
        self._meter, self._metered = CostMeter(self.system, self.orchestrator.seconds), self.orchestrator.window
        wall, writer = self.experiment.checkpoint.wall, self._checkpoints
        shown, live = 0.0, self._live
        if live is not None:
            live.begin(self.time)

        def after_window() -> bool:
            nonlocal shown
            now = perf_counter()
            window = self.orchestrator.window
            due = bool(clock.checkpoint and writer is not None and window % clock.checkpoint == 0)
            waited = writer is not None and writer.due(wall)
            late = None if deadline is None or now < deadline - (1.0 if writer is None else writer.margin) else WALLTIME
            # Only what all ranks know may decide what they do next.
            self._ending, waited, stop = self._agreement.agree(self._stop.signal or late, waited, self._asked)
            if due or waited:
                self._cpu = before + process_time() - started
                self.write_checkpoint()
            if progress is not None and (now - shown > 0.1 or window == end):
                shown = now
                progress(self.time, clock.time(end))
            if live is not None and now > live.due:
                live.look(self.time, clock.time(end))
            for watcher in self._watchers:
                self._asked |= watcher(self) is True
            return self._ending is not None or stop or (self._asked and self.ranks.size == 1)

        try:
            if self._lock is not None:
                self._lock.acquire()
            self.orchestrator.run(end, after_window, self._pause)
        except BaseException:  # whatever it was, what was recorded is kept
            self._cpu = before + process_time() - started
            self._write_results_if_possible()
            raise
        self._cpu = before + process_time() - started
        try:
            if self._ending is not None and self.orchestrator.window < end:
                raise self._interrupted(self._ending)
            if self.folder is not None and self.orchestrator.window < clock.windows:
                self.write_checkpoint()  # to go on later
            return self.finish("complete" if self.orchestrator.window == clock.windows else "partial")
        finally:
            self._unlock()

    def _pause(self) -> int:
        """The window after which to look at what is due by its number; what is due by time is looked at often."""
        window, every = self.orchestrator.window, self.system.plan.clock.checkpoint
        if self._watchers or self.ranks.size > 1:
            return window + 1
        return window - window % every + every if every else self.system.plan.clock.windows

    def _write_results_if_possible(self) -> None:
        """After an error: results as far as there are any. A disk that refuses does not hide the error."""
        try:
            self._write_results("failed")
        except (CoupleError, OSError) as error:
            log.warning("%s", error)
        finally:
            self._unlock()

    def _interrupted(self, signal: str) -> Interrupted:
        """The error to raise, with everything on the disk."""
        message = f"stopped by {signal} at t = {self.time:.6g} {self.experiment.time_unit}"
        if unsaved := resume.unsaved(self.system):
            message += f"; it cannot go on, since {unsaved}"
        elif self.folder is not None:
            message += f"; go on with: couple resume {self.write_checkpoint()}"
        self._write_results("interrupted")
        return Interrupted(message, None if signal == WALLTIME else signal)

    def write_checkpoint(self) -> Path:
        """Write OUT/checkpoint.h5 and return its path. Raises InputError for a run in memory."""
        if self._checkpoints is None:
            raise InputError("a run in memory has no checkpoints: give it a folder, with Simulation.new")
        if self._live is not None:
            self._live.take()  # rows that leave memory
        return self._checkpoints.write(self.orchestrator.save(), self._cpu)

    def _say_what_is_open(self) -> None:
        """A line on windows that were not converged."""
        scheme = self.orchestrator.scheme
        for what, n in ({} if scheme is None else scheme.validity_counts()).items():
            log.warning("%d of %d %s", n, self.orchestrator.exchanges, what)

    def finish(self, status: str) -> dict[str, Any]:
        """Write results.h5 and summary.json; returns the summary."""
        summary = self._write_results(status)
        self._say_what_is_open()
        if self.folder is not None and not (self.folder / CHECKPOINT).exists():
            self.recorder.discard_segments()
        self._unlock()
        return summary

    def summary(self, status: str) -> dict[str, Any]:
        """Peaks, ledger, seconds per component and overhead, as plain values for JSON."""
        return run_summary(self.system, self.orchestrator, status, self._cpu)

    @property
    def _lengths(self) -> list[int]:
        return [] if self.orchestrator.scheme is None else self.orchestrator.scheme.lengths()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _write_results(self, status: str) -> dict[str, Any]:
        summary = self.summary(status)
        if self.folder is None:
            with self.results as results:
                return summary | found_in(results)
        costs = self._meter.costs(self.orchestrator.seconds, self.orchestrator.window - self._metered)
        return self._writer.write(self.folder, status, summary, costs, self._lengths)

    def _unlock(self) -> None:
        if self._live is not None:
            self._live.end()
        if self._lock is not None:
            self._lock.release()
