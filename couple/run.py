"""A run as a user sees it: a folder in which results, checkpoints and a summary appear, whatever happens."""

from __future__ import annotations

import hashlib
import itertools
import json
import platform
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple import checkpoint
from couple.component import State
from couple.errors import InputError, RunError
from couple.experiment import Experiment
from couple.orchestrator import EXCHANGE, Orchestrator
from couple.record import Recorder
from couple.results import FORMAT, Results
from couple.toml import flatten
from couple.wiring import System, wire

CHECKPOINT, RESULTS, SUMMARY, FIGURE = "checkpoint.h5", "results.h5", "summary.json", "figure.png"

_RUN_KEYS = {"experiment", "original", "digest", "path", "model_digest", "versions", "cpu_seconds"}

Progress = Callable[[float, float], None]
"""Called after windows with (simulated ms, ms to reach)."""


class Interrupted(RunError):
    """Ctrl-C or SIGTERM: the state is in a checkpoint."""

    exit_code = 130


class Simulation:
    """An experiment on its way.

    Build one with `Simulation.new` or `Simulation.resumed`; `run()` goes to the end, `step()` one exchange window.
    """

    def __init__(self, experiment: Experiment, folder: Path, system: System) -> None:
        self.experiment, self.folder, self.system = experiment, folder, system
        clock, run = system.clock, experiment.experiment
        self.recorder = Recorder(folder, system.variables, clock.windows // clock.record + 1)
        self.orchestrator = Orchestrator(system, self.recorder, run.scheme, run.max_debt)
        self._last_checkpoint = perf_counter()
        self._cpu = 0.0
        self._stop: str | None = None

    @classmethod
    def new(cls, experiment: Experiment, folder: str | Path | None = None, *, force: bool = False) -> Simulation:
        """A run from t = 0.

        folder: for the results; it must not hold another run unless `force` (which removes that one). By default
        results/NAME-001, or the next number that is free.
        Raises InputError if anything in the experiment does not fit; nothing is written then.
        """
        if folder is not None:
            _check_free(Path(folder), force)
        system = wire(experiment)
        simulation = cls(experiment, _make_folder(experiment.experiment.name, folder), system)
        simulation.orchestrator.start()
        return simulation

    @classmethod
    def resumed(cls, path: str | Path, *, until: float | None = None) -> Simulation:
        """Go on from a checkpoint, in the same folder; an `until` (ms) after the end makes the experiment longer.

        path: the checkpoint, or the folder of the run.
        Raises InputError if the file is damaged, or if the experiment or its model changed since.
        """
        path = Path(path) / CHECKPOINT if Path(path).is_dir() else Path(path)
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
        simulation = cls(experiment, path.parent, wire(experiment))
        simulation.orchestrator.restore(states)
        simulation._cpu = float(str(states["run"]["cpu_seconds"]))
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

    def run(self, progress: Progress | None = None, *, until: float | None = None) -> dict[str, Any]:
        """Go to the end (or to `until` ms), write results and summary, and return the summary.

        On SIGINT or SIGTERM a checkpoint is written and Interrupted raised. On any error what was recorded is
        written to the result file before the error goes on.
        """
        clock = self.system.clock
        end = clock.windows if until is None else min(clock.windows, clock.windows_until(until))
        if end < self.orchestrator.window:
            raise InputError(f"{until:g} ms is before t = {self.time:g} ms, where the run is", where="--until")
        started = process_time()
        before = self._cpu
        wall = self.experiment.checkpoint.wall
        shown = 0.0

        def after_window() -> bool:
            nonlocal shown
            now = perf_counter()
            window = self.orchestrator.window
            due = clock.checkpoint and window % clock.checkpoint == 0
            if due or (wall is not None and now - self._last_checkpoint > wall / 1000):
                self._cpu = before + process_time() - started
                self.write_checkpoint()
            if progress is not None and (now - shown > 0.1 or window == end):
                shown = now
                progress(self.time, clock.time(end))
            return self._stop is not None

        try:
            with self._signals():
                self.orchestrator.run(end, after_window)
        except BaseException:  # whatever it was, what was recorded is kept
            self._cpu = before + process_time() - started
            self._keep_what_there_is("failed")
            raise
        self._cpu = before + process_time() - started
        if self._stop is not None and self.orchestrator.window < end:
            self.write_checkpoint()
            self._keep_what_there_is("interrupted")
            raise Interrupted(
                f"stopped by {self._stop} at t = {self.time:.6g} ms; "
                f"go on with: couple resume {self.folder / CHECKPOINT}"
            )
        if end < clock.windows:
            self.write_checkpoint()  # to go on later
        return self.finish("complete" if end == clock.windows else "partial")

    def write_checkpoint(self) -> Path:
        """Write OUT/checkpoint.h5 and return its path."""
        states = self.orchestrator.save()
        states["run"] = {
            "experiment": json.dumps(self.experiment.source),
            "original": json.dumps(self.experiment.original),
            "digest": self.experiment.digest(),
            "path": str(self.experiment.path.resolve()) if self.experiment.path else "",
            "model_digest": _model_digest(self.experiment),
            "versions": json.dumps(versions()),
            "cpu_seconds": self._cpu,
        }
        path = self.folder / CHECKPOINT
        checkpoint.write(path, states)
        self._last_checkpoint = perf_counter()
        return path

    def finish(self, status: str) -> dict[str, Any]:
        """Write results.h5 and summary.json; returns the summary."""
        summary = self._keep_what_there_is(status)
        if not (self.folder / CHECKPOINT).exists():
            self.recorder.discard_segments()
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
            "engines": {s.name: s.engine for s in self.experiment.site},
            "channel_path": getattr(self.system.electrics, "channel_path", None),
            "ledger": self.orchestrator.ledger().as_dict(),
            "seconds": {k: round(v, 6) for k, v in seconds.items()},
            "cpu_seconds": round(self._cpu, 6),
            "overhead": {
                "us_per_exchange": 1e6 * seconds[EXCHANGE] / max(self.orchestrator.window, 1),
                "share": seconds[EXCHANGE] / spent if spent else 0.0,
            },
            "warnings": self.system.warnings,
            "seed": self.experiment.experiment.seed,
            "versions": versions(),
        }

    # -- inside ----------------------------------------------------------------------------------------------------

    def _write_results(self, summary: dict[str, Any]) -> None:
        clock = self.system.clock
        rows = self.recorder.recorded
        times = np.array([clock.time(k * clock.record) for k in range(rows)])
        attributes = {
            "experiment": json.dumps(self.experiment.source),
            "name": self.experiment.experiment.name,
            "status": summary["status"],
            "seed": self.experiment.experiment.seed,
            "time_unit": self.experiment.time_unit,
            "channel_path": summary["channel_path"] or "",
            "engines": json.dumps(summary["engines"]),
            "format": FORMAT,
        }
        tables = {
            "ledger": {k: json.dumps(v) for k, v in summary["ledger"].items()},
            "timing": {**summary["seconds"], "cpu_seconds": summary["cpu_seconds"]},
            "versions": summary["versions"],
        }
        for engine in self.system.engines:
            tables[engine.name] = {
                "volume_um3": [s.geometry.volume for s in engine.sites],
                "area_um2": [s.geometry.area for s in engine.sites],
                "reservoirs": list(engine.network.reservoirs),
                "membrane": [s.name for s in engine.network.species if s.on == "membrane"],
                "free": list(dict.fromkeys((*engine.setup.injected, *engine.setup.clamped))),
                **engine.attributes(),
            }
        self.recorder.write_results(self.folder / RESULTS, times, attributes, tables)

    def _keep_what_there_is(self, status: str) -> dict[str, Any]:
        summary = self.summary(status)
        self._write_results(summary)
        with Results(self.folder / RESULTS) as results:
            summary["peaks"] = results.peaks()
        checkpoint.replace(self.folder / SUMMARY, (json.dumps(summary, indent=2) + "\n").encode())
        return summary

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a stop after the current window; a second SIGINT interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _frame: object) -> None:
            if self._stop is not None and number == signal.SIGINT:
                raise KeyboardInterrupt
            self._stop = signal.Signals(number).name

        self._stop = None
        old = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def versions() -> dict[str, str]:
    """Versions of what determines the numbers."""
    found = {"python": platform.python_version()}
    for package in ("couple", "neuron", "numba", "numpy", "h5py"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _model_digest(experiment: Experiment) -> str:
    if experiment.neuron is None:
        return ""
    path = experiment.folder / experiment.neuron.model.rpartition(":")[0]
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


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
    if _model_digest(experiment) != run["model_digest"]:
        assert experiment.neuron is not None
        raise InputError(
            f"the model {experiment.neuron.model} changed since this checkpoint: restore it, or run again",
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


def _check_free(folder: Path, force: bool) -> None:
    """Raise InputError if a run in `folder` would overwrite something."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file; the output is a folder", where=str(folder))
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise InputError("the output folder exists and is not empty: give another, or --force", where=str(folder))
    if not any((folder / name).exists() for name in (CHECKPOINT, RESULTS, SUMMARY)):
        raise InputError("--force only replaces an earlier run, and this folder holds none", where=str(folder))


def _make_folder(name: str, folder: str | Path | None) -> Path:
    """The folder of a new run, without what an earlier run left in it."""
    try:
        if folder is None:
            return _fresh_folder(name)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for file in (CHECKPOINT, RESULTS, SUMMARY, FIGURE):
            (folder / file).unlink(missing_ok=True)
        shutil.rmtree(folder / "segments", ignore_errors=True)
        return folder
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", where=str(folder or "results")) from None


def _fresh_folder(name: str) -> Path:
    """results/NAME-001, or the next number; whoever makes the folder has it."""
    for number in itertools.count(1):
        folder = Path("results") / f"{name}-{number:03d}"
        folder.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError
