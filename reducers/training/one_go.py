"""Trainings that are done in one go: what a training file asks for, in a folder of its results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from couple.base.errors import InputError
from couple.experiment import Experiment
from reducers.training.files import LearningFile
from reducers.training.folder import MODEL, refuse_earlier, writing_into
from reducers.training.resumable import Progress, Tell


class OneGoTraining[File: LearningFile](ABC):
    """A training file and the folder of its results.

    Subclasses name the `file_type`, load what the file refers to in `load`, see in `check` whether it fits, and train
    in `train`.
    """

    file_type: ClassVar[type[LearningFile]]
    given: Experiment | None = None
    """In the place of the experiment that a file names, see `of`."""

    def __init__(
        self,
        path: Path,
        folder: Path | None = None,
        overrides: Iterable[str] = (),
        *,
        force: bool = False,
        tell: Tell = lambda text: None,
    ) -> None:
        self.path, self.tell = path, tell
        self.file: File
        self.file, self.content = self.file_type.load(path, overrides)  # type: ignore[assignment]
        self.folder = Path("results") / f"{self.file.train.name}-train" if folder is None else folder
        if not force:
            refuse_earlier(self.folder, MODEL, "holds a model: give --force to train it again")
        self._prepare()

    @classmethod
    def of(cls, content: dict[str, Any], experiment: Experiment, folder: Path, where: str, tell: Tell) -> Self:
        """That of nested tables from Python, with the experiment that they are for; what is in the folder is replaced.

        where: for messages. Raises InputError for what does not fit.
        """
        made = cls.__new__(cls)
        made.path, made.tell, made.folder, made.given = Path(where), tell, folder, experiment
        made.file, made.content = cls.file_type.read(content, where), content  # type: ignore[assignment]
        made._prepare()
        return made

    def _prepare(self) -> None:
        self.load()
        try:
            self.check()
        except InputError as error:
            raise error.inside(str(self.path)) from None

    def experiment_of(self, name: str) -> Experiment:
        """The one that the file names, or that was given in its place. Raises InputError if it cannot be read."""
        return Experiment.load(self.path.parent / name) if self.given is None else self.given

    def load(self) -> None:  # noqa: B027 - some name no files
        """Load the files that the training file names. Raises InputError that names one."""

    @abstractmethod
    def check(self) -> None:
        """Set what follows from the tables. Raises InputError, without the file's name, for what does not fit."""

    @abstractmethod
    def train(self) -> dict[str, Any]:
        """Write the model and its summary, which is returned. Raises InputError or RunError."""

    @property
    def done(self) -> int:
        """There is no going on."""
        return 0

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """To the end; writes the model and returns the summary. Raises what `train` raises."""
        with writing_into(self.folder):
            return self.train()
