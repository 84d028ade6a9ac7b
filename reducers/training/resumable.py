"""What all trainings have in common that go on after a kill: a file, a folder, a checkpoint."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from couple.base.errors import InputError, Interrupted
from couple.base.signals import StoppedBySignal
from couple.components.component import State
from couple.components.state import text, whole
from couple.experiment.understood.input_files import InputFile, from_json, refuse_changed, to_json
from couple.storage import checkpoint
from reducers.training.files import LearningFile
from reducers.training.folder import CHECKPOINT, folder_for, refuse_earlier, writing_into
from reducers.training.inputs import training_inputs

Progress = Callable[[int, int, float], None]
"""Called with (step, of, gap)."""
DATA_ROLES = ("ensemble", "particles")
"""Files of which only the numbers that are learned from matter."""
Tell = Callable[[str], None]


class Resumable(ABC):
    """A training on its way. Build one with `new` or `resumed`; `run()` goes to the end.

    content: the training file as nested tables; source: its path. tell: takes a line for the user. inputs: all files
    that it reads.
    state_version: of what `states` gives, to be raised whenever that changes its form or meaning.
    """

    File: ClassVar[type[LearningFile]]
    state_version: ClassVar[int] = 1

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        self.content, self.source, self.folder, self.tell = content, source, folder, tell
        self.inputs: tuple[InputFile, ...] = ()

    @classmethod
    def new(
        cls,
        path: Path,
        folder: Path | None = None,
        overrides: Iterable[str] = (),
        *,
        force: bool = False,
        tell: Tell = lambda text: None,
    ) -> Self:
        """A training from its start, in a new folder (by default results/NAME-train); runs that are there are kept.

        Raises InputError for what does not fit, and for a folder that holds a training already unless `force`.
        """
        file, content = cls.File.load(path, overrides)
        with folder_for(file.train.name, folder) as place:
            if not force:
                advice = f"holds a training: continue it with couple train --resume {place}, or give --force"
                refuse_earlier(place, CHECKPOINT, advice)
            inputs = training_inputs(file, path)
            made = cls(content, path.absolute(), place, tell)
            made.inputs = inputs
            return made

    @classmethod
    def resumed(cls, folder: Path, *, tell: Tell = lambda text: None) -> Self:
        """Go on from the checkpoint in a folder. Raises InputError if it is damaged or its data changed since."""
        path = folder / CHECKPOINT if folder.is_dir() else folder
        states = checkpoint.read(path)
        if "training" not in states:
            raise InputError("is not the checkpoint of a training", where=str(path))
        head = states.pop("training")
        then = whole(head, "version", 0)
        if then != cls.state_version:
            raise InputError(
                f"has its state in another form ({then}, now {cls.state_version}): resume with the version of couple "
                "that wrote it, or train again",
                where=str(path),
            )
        inputs = from_json(text(head, "inputs"))
        others = [file for file in inputs if file.role not in DATA_ROLES]
        refuse_changed(others, "since this training began", "restore it, or train again", str(path))
        made = cls(json.loads(str(head["content"])), Path(str(head["source"])), path.parent, tell)
        made.inputs = inputs
        if made.digest() != str(head["data"]):
            changed = ", ".join(file.path.name for file in inputs if file.hashed() != file)
            named = f" ({changed})" if changed else ""
            raise InputError(f"the data of this training have changed{named}: start it again", where=str(path))
        made.restore(states)
        return made

    @property
    @abstractmethod
    def done(self) -> int:
        """Steps so far."""

    @abstractmethod
    def digest(self) -> str:
        """Hash of the data that are learned from."""

    @abstractmethod
    def states(self) -> dict[str, State]:
        """What going on to the bit needs."""

    @abstractmethod
    def restore(self, states: dict[str, State]) -> None:
        """Take up what `states` gave."""

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """To the end; writes model and summary, and returns the summary. Raises InputError if another process writes
        into the folder.
        """
        with writing_into(self.folder):
            try:
                return self._run(progress)
            except StoppedBySignal as stop:  # while it is tested what was learned, which is in the checkpoint
                raise Interrupted(
                    f"stopped by {stop.name} after step {self.done}; go on with: couple train --resume {self.folder}",
                    stop.name,
                ) from None

    @abstractmethod
    def _run(self, progress: Progress | None) -> dict[str, Any]:
        """See `run`."""

    def save(self) -> None:
        """Write a checkpoint."""
        head: State = {
            "content": json.dumps(self.content),
            "source": str(self.source),
            "data": self.digest(),
            "version": self.state_version,
            "inputs": to_json(self.inputs),
        }
        checkpoint.write(self.folder / CHECKPOINT, {"training": head, **self.states()})

    def stopped(self, signal: str, steps: int) -> Interrupted:
        """What to raise after a signal; the checkpoint is written."""
        at = f"at step {self.done} of {steps}"
        return Interrupted(f"stopped by {signal} {at}; go on with: couple train --resume {self.folder}", signal)
