"""A run as a user sees it: a folder in which results, checkpoints and a summary appear, whatever happens."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import platform
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from couple import access, checkpoint
from couple.component import Floats, Port, State
from couple.errors import CoupleError, InputError, Interrupted, RunError
from couple.experiment import Experiment
from couple.folder import CHECKPOINT, FIGURE, RESULTS, SUMMARY, check_free, empty_folder, lock_folder
from couple.layout import attributes_of, component_tables
from couple.lock import FolderLock
from couple.orchestrator import EXCHANGE, Orchestrator
from couple.parallel import world
from couple.ranks import checkpoints
from couple.ranks.costs import Costs, Meter, read_costs, write_costs
from couple.ranks.moving import move, names_of, rows_of
from couple.ranks.pace import WALLTIME, Pace
from couple.ranks.results import merge, merged, orders, rank_file, write_spikes
from couple.record import Recorder, replacing
from couple.results import FORMAT, Results
from couple.stopping import Stop
from couple.toml import flatten
from couple.wiring import System, wire

__all__ = ["CHECKPOINT", "FIGURE", "RESULTS", "SUMMARY", "Interrupted", "Simulation", "versions"]

log = logging.getLogger(__name__)

_RUN_KEYS = {"experiment", "original", "digest", "path", "model_files", "versions", "cpu_seconds"}

Progress = Callable[[float, float], None]
"""Called after windows with (simulated ms, ms to reach)."""


class Simulation:
    """An experiment on its way.

    Build one with `Simulation.new` or `Simulation.resumed`; `run()` goes to the end, `step()` one exchange window.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path | None,
        system: System,
        lock: FolderLock | None = None,
        segments: str = "segments",
        costs: Costs | None = None,
    ) -> None:
        self.experiment, self.folder, self.system, self._lock = experiment, folder, system, lock
        clock, run = system.clock, experiment.experiment
        self.ranks = world()
        self._place, self._left = segments, ""
        place = rows_of(segments, self.ranks.rank, self.ranks.size)
        self.recorder = Recorder(folder, system.variables, clock.windows // clock.record + 1, place)
        self.orchestrator = Orchestrator(system, self.recorder, run.scheme, run.max_debt)
        self._costs = costs
        self._meter, self._metered = Meter(system, self.orchestrator.seconds), 0
        self._last_checkpoint = perf_counter()
        self._cpu = 0.0
        self._stop = Stop()
        self._ending: str | None = None
        self._asked = False
        self._names: State = {}
        self._margin = 1.0
        self._pace = Pace(self.ranks)
        self._checkpoints = 0
        self._watchers: list[Callable[[Simulation], object]] = []

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
        costs = None if balance is None else ranks.from_first(read_costs(Path(balance)) if ranks.first else {})
        if folder is not None and ranks.first:
            check_free(Path(folder), force)
        system = wire(experiment, costs)
        made, lock = Path(), None
        if ranks.first:  # the folder is claimed once
            made, lock = empty_folder(experiment.experiment.name, folder, force)
        try:
            made = ranks.from_first(made)
            simulation = cls(experiment, made, system, lock, costs=costs)
            simulation.orchestrator.start()
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return simulation

    @classmethod
    def in_memory(cls, experiment: Experiment) -> Simulation:
        """A run from t = 0 that leaves no files; `results` has its rows, and it cannot be resumed."""
        simulation = cls(experiment, None, wire(experiment))
        simulation.orchestrator.start()
        return simulation

    @classmethod
    def resumed(cls, path: str | Path, *, until: float | None = None) -> Simulation:
        """Go on from a checkpoint, in the same folder; an `until` (ms) after the end makes the experiment longer.

        path: the checkpoint, or the folder of the run.
        Raises InputError if the file is damaged, or if the experiment or its model changed since.
        """
        path = Path(path) / CHECKPOINT if Path(path).is_dir() else Path(path)
        lock = lock_folder(path.parent) if world().first else None
        try:
            world().gather(None)
            return cls._resumed(path, until, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @classmethod
    def _resumed(cls, path: Path, until: float | None, lock: FolderLock | None) -> Simulation:
        states = checkpoint.read(path)
        if not states.get("run", {}).keys() >= _RUN_KEYS:
            raise InputError("is not the checkpoint of a run of this version of couple", where=str(path))
        content = json.loads(str(states["run"]["experiment"]))
        source = Path(str(states["run"]["path"])) if states["run"]["path"] else None
        _check_versions(states["run"], path)
        experiment = Experiment.parse(content, path=source, original=json.loads(str(states["run"]["original"])))
        if until is not None and until > experiment.experiment.duration:
            content["experiment"]["duration"] = f"{until!r} {experiment.time_unit}"
            experiment = Experiment.parse(content, path=source, original=experiment.original)
        _check_unchanged(experiment, states["run"], path)
        run, ranks = states["run"], world()
        written = int(str(run.get("ranks", 1)))
        here = path.parent
        place = str(run.get("place", "segments"))
        costs = json.loads(str(run["costs"])) if "costs" in run else None
        system = wire(experiment, costs)
        if written != ranks.size:
            simulation = cls(experiment, here, system, lock, f"{place}-{written}", costs)
            parts = [states] if written == 1 else [checkpoints.read(path, run, rank) for rank in range(written)]
            try:
                move(simulation.system, simulation.orchestrator, simulation.recorder, parts, here, place)
            except InputError as error:
                raise error.inside(str(path)) from None
            simulation._left = place
        else:
            simulation = cls(experiment, here, system, lock, place, costs)
            simulation.orchestrator.restore(states if ranks.size == 1 else checkpoints.read(path, run, ranks.rank))
        simulation._cpu = float(str(run["cpu_seconds"])) if ranks.first else 0.0
        simulation._checkpoints = int(str(run.get("number", 0)))
        ranks.gather(None)
        return simulation

    # -- going on ------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Simulated ms."""
        return self.orchestrator.time

    def step(self) -> None:
        """Advance one exchange window. Raises RunError at the end of the experiment."""
        if self.orchestrator.window >= self.system.clock.windows:
            raise RunError(f"the experiment ends at t = {self.time:g} ms; give it a longer duration")
        self.orchestrator.step()
        for watcher in self._watchers:
            watcher(self)

    def after_each_window(self, watcher: Callable[[Simulation], object]) -> None:
        """Have `watcher(simulation)` called after every exchange window from now on; True from it stops `run`."""
        self._watchers.append(watcher)

    def port(self, name: str) -> Port:
        """Unit, shape and columns of a port such as "neuron.v" or "head.counts"."""
        return access.port(self.system, name)

    def read(self, name: str) -> Floats:
        """Values now, a copy: of a port ("neuron.v", "head.counts"), of its unit and shape, or, of shape (), of a
        species ("head.Ca": molecules) or an observable ("head.SK_open": mean over the last window) of a site.
        """
        return access.read(self.system, name)

    def write(self, name: str, values: npt.ArrayLike) -> None:
        """Set an input of the electrical model ("neuron.cai", "neuron.g") for the next window.

        Links write it again at the end of that. Raises InputError for other ports: `send` is for sites.
        """
        access.write(self.system, name, values)

    def send(self, name: str, molecules: float) -> None:
        """Let molecules of a species ("head.Ca") enter its site over the next window, booked in the ledger.

        Negative ones leave. A link or drive has to fill the species (an influx of rate "0 /ms" will do).
        """
        self.orchestrator.exchange.send(*access.species_of(self.system, name), molecules)

    @property
    def results(self) -> Results:
        """What was recorded so far, from memory; close it or use it in a `with` statement."""
        buffer = io.BytesIO()
        done = self.orchestrator.window == self.system.clock.windows
        with h5py.File(buffer, "w") as file:
            self._fill(file, self.summary("complete" if done else "partial"))
        return Results(buffer)

    def run(
        self, progress: Progress | None = None, *, until: float | None = None, deadline: float | None = None
    ) -> dict[str, Any]:
        """Go to the end (or to `until` ms), write results and summary, and return the summary.

        On SIGINT or SIGTERM a checkpoint is written and Interrupted raised; so it is shortly before `deadline`, by
        time.perf_counter. On any error what was recorded is written to the result file before the error goes on.
        """
        if self.ranks.size == 1:
            return self._run(progress, until, deadline)
        begun = self.orchestrator.window
        try:
            return self._run(progress, until, deadline)
        except Interrupted:  # of all ranks
            raise
        except BaseException as error:
            if isinstance(error, InputError) and self.orchestrator.window == begun:
                raise  # what is asked for does not fit: all ranks say so
            # The others wait inside of NEURON, where nothing reaches them.
            if not isinstance(error, CoupleError):
                traceback.print_exc()
            print(f"error: rank {self.ranks.rank}: {str(error) or type(error).__name__}", file=sys.stderr)
            self.ranks.abort(error.exit_code if isinstance(error, CoupleError) else 1)
            raise

    def _run(self, progress: Progress | None, until: float | None, deadline: float | None) -> dict[str, Any]:
        clock = self.system.clock
        end = clock.windows if until is None else min(clock.windows, clock.windows_until(until))
        if end < self.orchestrator.window:
            raise InputError(f"{until:g} ms is before t = {self.time:g} ms, where the run is", where="--until")
        started = process_time()
        before = self._cpu
        self._meter, self._metered = Meter(self.system, self.orchestrator.seconds), self.orchestrator.window
        wall = self.experiment.checkpoint.wall
        shown = 0.0

        def after_window() -> bool:
            nonlocal shown
            now = perf_counter()
            window = self.orchestrator.window
            due = bool(clock.checkpoint and self.folder is not None and window % clock.checkpoint == 0)
            waited = wall is not None and self.folder is not None and now - self._last_checkpoint > wall / 1000
            late = None if deadline is None or now < deadline - self._margin else WALLTIME
            # Only what all ranks know may decide what they do next.
            self._ending, waited, stop = self._pace.agreed(self._stop.signal or late, waited, self._asked)
            if due or waited:
                self._cpu = before + process_time() - started
                self.write_checkpoint()
            if progress is not None and (now - shown > 0.1 or window == end):
                shown = now
                progress(self.time, clock.time(end))
            for watcher in self._watchers:
                self._asked |= watcher(self) is True
            return self._ending is not None or stop or (self._asked and self.ranks.size == 1)

        try:
            if self._lock is not None:
                self._lock.acquire()
            with self._stop.listening():
                self.orchestrator.run(end, after_window)
        except BaseException:  # whatever it was, what was recorded is kept
            self._cpu = before + process_time() - started
            self._keep_if_possible()
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

    def _keep_if_possible(self) -> None:
        """After an error: results as far as there are any. A disk that refuses does not hide the error."""
        try:
            self._keep_what_there_is("failed")
        except RunError as error:
            log.warning("%s", error)
        finally:
            self._unlock()

    def _interrupted(self, signal: str) -> Interrupted:
        """The error to raise, with everything on the disk."""
        message = f"stopped by {signal} at t = {self.time:.6g} ms"
        if self.folder is not None:
            message += f"; go on with: couple resume {self.write_checkpoint()}"
        self._keep_what_there_is("interrupted")
        return Interrupted(message)

    def write_checkpoint(self) -> Path:
        """Write OUT/checkpoint.h5 and return its path. Raises InputError for a run in memory."""
        if self.folder is None:
            raise InputError("a run in memory has no checkpoints: give it a folder, with Simulation.new")
        states = self.orchestrator.save()
        states["run"] = {
            "experiment": json.dumps(self.experiment.source),
            "original": json.dumps(self.experiment.original),
            "digest": self.experiment.digest(),
            "path": str(self.experiment.path.resolve()) if self.experiment.path else "",
            "model_files": json.dumps(getattr(self.system.electrics, "model_files", {})),
            "versions": json.dumps(versions()),
            "cpu_seconds": self._cpu,
        }
        if self._place != "segments":
            states["run"]["place"] = self._place
        if self._costs is not None:  # whoever goes on has to spread cells likewise
            states["run"]["costs"] = json.dumps(self._costs)
        if self.ranks.size > 1 or getattr(self.system.electrics, "spreads", True):
            states["names"] = self._names = self._names or names_of(self.system, self.recorder)
        path, begun = self.folder / CHECKPOINT, perf_counter()
        if self.ranks.size == 1:
            checkpoint.write(path, states)
        else:
            self._checkpoints += 1
            checkpoints.write(path, states, states.pop("run"), self._checkpoints, self.ranks)
        self._last_checkpoint = perf_counter()
        if self._left and self.ranks.first:  # what other ranks have left, which nothing names any more
            checkpoints.clear_others(self.folder, self._left, self.ranks.size)
        self._left = ""
        self._margin = max(self._margin, 1.0 + 3 * (self._last_checkpoint - begun))
        return path

    def finish(self, status: str) -> dict[str, Any]:
        """Write results.h5 and summary.json; returns the summary."""
        summary = self._keep_what_there_is(status)
        if self.folder is not None and not (self.folder / CHECKPOINT).exists():
            self.recorder.discard_segments()
        self._unlock()
        return summary

    def summary(self, status: str) -> dict[str, Any]:
        """Peaks, ledger, seconds per component and overhead, as plain values for JSON."""
        seconds = dict(self.orchestrator.seconds)
        spent = sum(seconds.values())
        return {
            "name": self.experiment.experiment.name,
            "status": status,
            "simulated_ms": self.time,
            "exchanges": self.orchestrator.window,
            "engines": dict(self.system.kinds),
            "channel_path": getattr(self.system.electrics, "channel_path", None),
            "ledger": self.orchestrator.ledger().as_dict(),
            "seconds": {k: round(v, 6) for k, v in seconds.items()},
            "cpu_seconds": round(self._cpu, 6),
            "overhead": {
                "us_per_exchange": 1e6 * seconds[EXCHANGE] / max(self.orchestrator.window, 1),
                "share": seconds[EXCHANGE] / spent if spent else 0.0,
            },
            **self._spent(),
            "warnings": self.system.warnings,
            "seed": self.experiment.experiment.seed,
            "versions": versions(),
        }

    def _spent(self) -> dict[str, Any]:
        """Seconds inside of engines that say more than one number, if there are any."""
        found = {e.name: {k: round(v, 6) for k, v in e.spent().items()} for e in self.system.engines if e.spent()}
        return {"seconds_inside": found} if found else {}

    # -- inside ----------------------------------------------------------------------------------------------------

    def _fill(self, file: h5py.File, summary: dict[str, Any]) -> None:
        clock = self.system.clock
        times = np.array([clock.time(k * clock.record) for k in range(self.recorder.recorded)])
        engines = self.system.engines
        spent = {f"timing/{e.name}": e.spent() for e in engines if e.spent()}
        tables = {**self._tables(summary), **component_tables(self.system), **spent}
        self.recorder.fill(file, times, self._attributes(summary), tables)
        for engine in engines:
            for name, rows in engine.log().items():
                data = file.create_dataset(f"{engine.name}/{name}", data=rows)
                data.attrs.update({"unit": "", "dims": ["row"], "meaning": "a table, one row for each event"})
        spikes = getattr(self.system.electrics, "spikes", None)
        if spikes is not None:
            times, cells = spikes
            write_spikes(file, times, cells, {"populations": json.dumps(self.experiment.populations)})

    def _attributes(self, summary: dict[str, Any]) -> dict[str, Any]:
        return {
            **attributes_of(self.system, self.experiment),
            "engines": json.dumps(summary["engines"]),
            "status": summary["status"],
            "seed": self.experiment.experiment.seed,
            "format": FORMAT,
        }

    def _tables(self, summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {
            "ledger": {k: json.dumps(v) for k, v in summary["ledger"].items()},
            "timing": {**summary["seconds"], "cpu_seconds": summary["cpu_seconds"]},
            "versions": summary["versions"],
        }

    def _keep_what_there_is(self, status: str) -> dict[str, Any]:
        summary = self.summary(status)
        if self.folder is None:
            with self.results as results:
                summary["peaks"] = results.peaks()
            return summary
        if self.ranks.size > 1:
            return self._keep_of_ranks(self.folder, status, summary)
        with replacing(self.folder / RESULTS, self.recorder.version) as file:
            self._fill(file, summary)
        write_costs(self.folder, [self._measured()])
        return self._with_peaks(self.folder, summary)

    def _keep_of_ranks(self, folder: Path, status: str, summary: dict[str, Any]) -> dict[str, Any]:
        """A file of this rank; unless it alone has failed, one over all of them too."""
        with replacing(rank_file(folder, self.ranks.rank), self.recorder.version) as file:
            self._fill(file, summary)
            for path, order in orders(self.system.variables, self.system.order).items():
                file[path].attrs["order"] = order
        if status == "failed":
            return summary
        summaries, costs = self.ranks.gather(summary), self.ranks.gather(self._measured())
        if self.ranks.first:
            write_costs(folder, costs)
            summary = merged(summaries, self.system.order)
            merge(folder / RESULTS, self.ranks.size, self._attributes(summary), self._tables(summary))
            summary = self._with_peaks(folder, summary)
        return self.ranks.from_first(summary)

    def _measured(self) -> Costs:
        """Of the cells on this rank, in this call of `run`."""
        return self._meter.costs(self.orchestrator.seconds, self.orchestrator.window - self._metered)

    def _with_peaks(self, folder: Path, summary: dict[str, Any]) -> dict[str, Any]:
        """The summary, as it is put on the disk."""
        with Results(folder / RESULTS) as results:
            summary["peaks"] = results.peaks()
        checkpoint.replace(folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
        return summary

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()


def versions() -> dict[str, str]:
    """Versions of what determines the numbers."""
    found = {"python": platform.python_version()}
    for package in ("couple", "neuron", "numba", "numpy", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_versions(run: State, path: Path) -> None:
    then, now = json.loads(str(run["versions"])), versions()
    changed = [
        f"{k} {then[k]} -> {now.get(k, 'none')}"
        for k in then
        if then[k] != now.get(k) and k in ("neuron", "couple", "numba")
    ]
    if changed:
        raise InputError(
            f"was written with other versions ({', '.join(changed)}): resume with those, or run again", where=str(path)
        )


def _check_unchanged(experiment: Experiment, run: State, path: Path) -> None:
    """The experiment file and the model may not have changed since the checkpoint."""
    for name, digest in json.loads(str(run["model_files"])).items():
        file = Path(name)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            what = "changed" if file.is_file() else "is gone"
            raise InputError(
                f"{file.name} of the model {what} since this checkpoint ({file}): restore it, or run again",
                where=str(path),
            )
    if experiment.path is None or not experiment.path.is_file():
        return
    then, now = flatten(json.loads(str(run["original"]))), flatten(Experiment.load(experiment.path).original)
    changed = [k for k in sorted({*then, *now}) if then.get(k) != now.get(k)]
    if changed:
        shown = "; ".join(f"{k}: {then.get(k, 'absent')} -> {now.get(k, 'absent')}" for k in changed[:5])
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise InputError(
            f"belongs to another experiment than {experiment.path} is now ({shown}{more}): "
            "undo the change, or run the new experiment from its start",
            where=str(path),
        )
