"""What a checkpoint says of its run, and whether a run, or branches of it, may go on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from couple.base.errors import InputError
from couple.base.paths.whole_file import guarded
from couple.base.versions import versions
from couple.components.component import State
from couple.components.state import text, whole
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.experiment.understood.input_files import (
    InputFile,
    from_json,
    refuse_changed,
    refuse_edited,
    refuse_others,
    to_json,
)
from couple.experiment.understood.state_changes import refuse_invalid_changes
from couple.files.open_hdf5 import open_hdf5
from couple.parallel.communicator import world
from couple.simulation.state_versions import check_versions
from couple.storage import checkpoint
from couple.storage.run.run_folder import CHECKPOINT
from couple.wiring import System, wire

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


@dataclass(frozen=True)
class Origin:
    """The saved moment that branches go on from. path: of a checkpoint. sha256: of its bytes, when it was chosen.

    Raises InputError for what is no checkpoint, damaged, another one than was chosen, or of several ranks.
    """

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """The checkpoint at a path, or of the run whose folder that is."""
        path = Path(path) / CHECKPOINT if Path(path).is_dir() else Path(path)
        made = cls(path.absolute(), _sha256(path))
        made.read()
        return made

    def read(self) -> tuple[Experiment, dict[str, State]]:
        """The experiment of the run, and the states in the file."""
        return self._content

    @cached_property
    def _content(self) -> tuple[Experiment, dict[str, State]]:
        experiment, states = read(self.path, None)
        if _sha256(self.path) != self.sha256:
            raise InputError("is another checkpoint than branches were begun from: restore it", where=str(self.path))
        if (ranks := whole(states["run"], "ranks", 1)) > 1:
            raise InputError(f"is of {ranks} ranks: branch from the checkpoint of one process", where=str(self.path))
        if not states.keys() >= {"clock", "exchange"}:
            raise InputError("is not the checkpoint of a run of this version of couple", where=str(self.path))
        return experiment, states

    @property
    def window(self) -> int:
        """Exchange windows before the moment."""
        return whole(self.read()[1]["clock"], "window")

    def check(self, experiment: Experiment) -> None:
        """Raise InputError for an experiment that cannot go on from here, or that ends before."""
        refuse_invalid_changes(self.read()[0], experiment)
        clock = Clock.of(experiment)
        if clock.windows <= self.window:
            raise InputError(
                f"is at t = {clock.time(self.window):g} {clock.unit}, and the experiment ends at "
                f"{clock.time(clock.windows):g} {clock.unit}: nothing is left, give a later --until",
                where=str(self.path),
            )
        if clock.windows // clock.record <= self.window // clock.record:
            raise InputError("no row is recorded before the end: give a later --until", where=str(self.path))

    def wire(self, experiment: Experiment) -> tuple[System, Mapping[str, State]]:
        """A system that can go on from here, and the states that it has to take up."""
        self.check(experiment)
        states = self.read()[1]
        system = wire(experiment)
        check_same_files(system, states["run"], self.path)
        if reason := unsaved(system):
            raise InputError(f"{reason}: branches would depend on each other", where=str(self.path))
        try:
            check_versions(system, [states])
        except InputError as error:
            raise error.inside(str(self.path)) from None
        return system, states


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise InputError(
            "there is no checkpoint: couple run --until leaves one, or give the experiment a [checkpoint]",
            where=str(path),
        )
    open_hdf5(path, checkpoint.KIND).close()  # what is no checkpoint may be of any size
    with guarded(path, "read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
