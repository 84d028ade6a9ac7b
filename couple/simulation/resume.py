"""What a checkpoint says of its run, and whether a run may go on from it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from couple.base.errors import InputError
from couple.base.toml import flatten
from couple.base.versions import versions
from couple.components.component import State
from couple.components.state import text
from couple.experiment import Experiment
from couple.storage import checkpoint
from couple.wiring import System

_KEYS = {"experiment", "original", "digest", "path", "model_files", "versions", "cpu_seconds"}


def describe(system: System, cpu_seconds: float) -> State:
    """The part "run" of a checkpoint: the experiment, its model files, versions. cpu_seconds: spent so far."""
    experiment = system.plan.experiment
    return {
        "experiment": json.dumps(experiment.source),
        "original": json.dumps(experiment.original),
        "digest": experiment.digest(),
        "path": str(experiment.path.resolve()) if experiment.path else "",
        "model_files": json.dumps({} if system.electrics is None else system.electrics.model_files),
        "versions": json.dumps(versions()),
        "cpu_seconds": cpu_seconds,
    }


def read(path: Path, until: float | None) -> tuple[Experiment, dict[str, State]]:
    """The experiment of a checkpoint, longer if `until` (ms) is after its end, and the states in the file.

    Raises InputError if the file is damaged, or if versions, the experiment or its model changed since.
    """
    states = checkpoint.read(path)
    run = states.get("run", {})
    if not run.keys() >= _KEYS:
        raise InputError("is not the checkpoint of a run of this version of couple", where=str(path))
    content = json.loads(text(run, "experiment"))
    source = Path(text(run, "path")) if run["path"] else None
    _check_versions(run, path)
    experiment = Experiment.parse(content, path=source, original=json.loads(text(run, "original")))
    if until is not None and until > experiment.experiment.duration:
        content["experiment"]["duration"] = f"{until!r} {experiment.time_unit}"
        experiment = Experiment.parse(content, path=source, original=experiment.original)
    _check_unchanged(experiment, run, path)
    return experiment, states


def _check_versions(run: State, path: Path) -> None:
    then, now = json.loads(text(run, "versions")), versions()
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
    for name, digest in json.loads(text(run, "model_files")).items():
        file = Path(name)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            what = "changed" if file.is_file() else "is gone"
            raise InputError(
                f"{file.name} of the model {what} since this checkpoint ({file}): restore it, or run again",
                where=str(path),
            )
    if experiment.path is None or not experiment.path.is_file():
        return
    then, now = flatten(json.loads(text(run, "original"))), flatten(Experiment.load(experiment.path).original)
    changed = [k for k in sorted({*then, *now}) if then.get(k) != now.get(k)]
    if changed:
        shown = "; ".join(f"{k}: {then.get(k, 'absent')} -> {now.get(k, 'absent')}" for k in changed[:5])
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise InputError(
            f"belongs to another experiment than {experiment.path} is now ({shown}{more}): "
            "undo the change, or run the new experiment from its start",
            where=str(path),
        )
