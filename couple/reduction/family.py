"""What a family of reduced models is: the contract behind `couple.reduce`; entry points are `couple.reductions`.

`couple` imports no reducer: a family is loaded when a model is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from couple.experiment import Experiment

GROUP = "couple.reductions"
"""Entry points: name of a family → class of a `ReductionFamily`, made without arguments."""

Tell = Callable[[str], None]
"""Takes a line for the user."""


@dataclass(frozen=True)
class ReductionRequest:
    """What is to be reduced, and how.

    species: that the model stands for, by name or with a * at the end. drive: the species that drives them. site: whose
    shape and start count. drive_range: least and largest mM of the drive. duration, every: of runs and of their rows,
    ms. runs, order, seed: None for what the family takes. name: of the model. folder: of what is written.
    """

    experiment: Experiment
    species: tuple[str, ...]
    drive: str
    site: str
    drive_range: tuple[float, float]
    duration: float
    every: float
    name: str
    folder: Path
    runs: int | None = None
    order: int | None = None
    seed: int | None = None


class LearnedModel(Protocol):
    """A model that was learned.

    path: of its file, for `engine = "surrogate"`. name: of the model. summary: of its training. good: the verdict.
    """

    @property
    def path(self) -> Path:
        """Of its file."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def summary(self) -> dict[str, Any]:
        """Of its training, with the verdict."""

    @property
    def good(self) -> bool:
        """Whether it passed: its errors on stimuli that it did not see, beside those of baselines."""

    def report(self) -> str:
        """What it is, its rates and errors, and the verdict, as text."""

    def draw(self, path: str | Path) -> list[Path]:
        """Pictures that were drawn; path: of the first."""


class Reduction(Protocol):
    """A model to be learned. family: its name. content: the training file as nested tables."""

    @property
    def family(self) -> str:
        """Its name."""

    @property
    def content(self) -> dict[str, Any]:
        """The training file."""

    def fit(self, *, force: bool = False, tell: Tell | None = None) -> LearnedModel:
        """Sample, learn, test. A model that this very training made before is taken as it is.

        force: replace what the folder holds. tell: takes lines that say how far it is (default: standard error).
        Raises InputError for a folder that holds another model, RunError if the law diverges.
        """


class ReductionFamily(Protocol):
    """preference: families with smaller numbers are tried first by `family = "auto"`."""

    preference: int

    def refusal(self, request: ReductionRequest) -> str:
        """Why this family cannot stand for the species, "" if it can."""

    def prepare(self, request: ReductionRequest) -> Reduction:
        """Raises InputError for what does not fit."""
