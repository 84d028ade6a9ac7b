"""What a checkpoint says of its run, and whether a run may go on from it."""

from __future__ import annotations

import json
from pathlib import Path

from couple.base.errors import InputError
from couple.base.versions import versions
from couple.components.component import State
from couple.components.state import text
from couple.experiment import Experiment
from couple.experiment.understood.input_files import (
    InputFile,
    from_json,
    refuse_changed,
    refuse_edited,
    refuse_others,
    to_json,
)
from couple.parallel.communicator import world
from couple.storage import checkpoint
from couple.wiring import System

_KEYS = {"experiment", "digest", "inputs", "versions", "cpu_seconds"}
SINCE, ADVICE = "since this checkpoint", "restore it, or run again"


def describe(system: System, cpu_seconds: float) -> State:
    """The part "run" of a checkpoint: the experiment, the files it reads, versions. cpu_seconds: spent so far."""
    experiment = system.plan.experiment
    return {
        "experiment": json.dumps(experiment.stored()),
        "digest": experiment.digest(),
        "inputs": to_json(system.inputs),
        "versions": json.dumps(versions()),
        "cpu_seconds": cpu_seconds,
    }


def unsaved(system: System) -> str:
    """What of a system no checkpoint would hold, on any rank; "" if nothing. All ranks together."""
    here = next((reason for component in system.components if (reason := component.unsaved())), "")
    return next(filter(None, world().gather(here)), "")


def refuse_unsaved(system: System) -> None:
    """Raises InputError, before a run that is to be resumed, for what no checkpoint would hold. All ranks together."""
    if reason := unsaved(system):
        raise InputError(
            f"{reason}: a resumed run would be another one. Or leave out [checkpoint], and run to the end",
            where="checkpoint",
        )


def read(path: Path, until: float | None) -> tuple[Experiment, dict[str, State]]:
    """The experiment of a checkpoint, longer if `until` (ms) is after its end, and the states in the file.

    Raises InputError if the file is damaged, or if versions, the experiment or a file that it reads changed since.
    """
    states = checkpoint.read(path)
    run = states.get("run", {})
    if not run.keys() >= _KEYS:
        raise InputError("is not the checkpoint of a run of this version of couple", where=str(path))
    _check_versions(run, path)
    experiment = Experiment.from_stored(json.loads(text(run, "experiment")))
    if until is not None and until > experiment.experiment.duration:
        experiment = experiment.changed(f"experiment.duration={until!r} {experiment.time_unit}")
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


def check_same_files(system: System, run: State, path: Path) -> None:
    """Raise InputError if a wired system reads other files than that of a checkpoint did."""
    refuse_others(_inputs(run), system.inputs, SINCE, ADVICE, str(path))


def _check_unchanged(experiment: Experiment, run: State, path: Path) -> None:
    """The experiment and the files that it reads may not have changed since the checkpoint."""
    refuse_edited(experiment, "undo the change, or run the new experiment from its start", str(path))
    refuse_changed(_inputs(run), SINCE, ADVICE, str(path))


def _inputs(run: State) -> tuple[InputFile, ...]:
    return from_json(text(run, "inputs"))
