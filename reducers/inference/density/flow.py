"""The port to libraries of normalising flows and classifiers; adapters register in the groups below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from couple.base import registry
from couple.base.arrays import Bools, Floats
from couple.base.errors import MissingDependencyError
from reducers.inference.problem.settings import FlowBlock

FLOWS, CLASSIFIERS = "couple.flows", "couple.classifiers"
"""Entry points: name of a library → `FlowLibrary`, `ClassifierLibrary`."""

EXTRA = "uv pip install 'couple[infer]'"

Arrays = Mapping[str, npt.NDArray[Any]]
Tell = Callable[[int, int, float], None]
"""Called with (epoch, epochs at most, validation loss)."""


@dataclass(frozen=True)
class Losses:
    """Negative log densities per simulation, of each epoch: (n_epochs,). best: epoch that was kept. seconds: of CPU."""

    training: Floats
    validation: Floats
    best: int
    seconds: float


class ConditionalFlow(Protocol):
    """A density q(z | x) over unbounded z (d,), given conditions x (f,) near 0 with scale 1."""

    def fit(
        self, z: Floats, x: Floats, seed: int, *, atoms: int = 0, from_prior: Bools | None = None, tell: Tell
    ) -> Losses:
        """Maximise the density of (n, d) z given (n, f) x, from where the flow stands.

        atoms: 0 for the plain loss; or so many candidates, of which q / N(0, 1) has to tell the one that made x (APT:
        Greenberg et al. 2019, eq. 5, with the prior N(0, 1)), beside the plain loss of simulations `from_prior`, (n,).
        """

    def log_density(self, z: Floats, x: Floats) -> Floats:
        """(n,) of (n, d) z; x: (n, f), or (f,) for all."""

    def gradient(self, z: Floats, x: Floats) -> Floats:
        """(n, d) of log q along z; x: (f,)."""

    def draw(self, x: Floats, n: int, seed: int) -> Floats:
        """(n, d) independent draws at x (f,)."""

    def arrays(self) -> Arrays:
        """All that `restore` needs."""

    def restore(self, arrays: Arrays) -> None:
        """Set back to what `arrays` said."""


class FlowLibrary(Protocol):
    """Makes flows."""

    def __call__(self, dimensions: int, conditions: int, settings: FlowBlock, seed: int) -> ConditionalFlow:
        """A flow that is not trained."""


class Classifier(Protocol):
    """Tells two classes of points apart."""

    def fit(self, x: Floats, label: Bools, seed: int) -> None:
        """From (n, d) points and (n,) labels; the probability is that of the label True."""

    def probability(self, x: Floats) -> Floats:
        """(n,) of (n, d) points."""


class ClassifierLibrary(Protocol):
    """Makes classifiers."""

    def __call__(self, dimensions: int) -> Classifier:
        """A network with two hidden layers that is not trained."""


def new_flow(dimensions: int, conditions: int, settings: FlowBlock, seed: int) -> ConditionalFlow:
    """A flow of the library that the settings name. Raises InputError with the line that installs it."""
    library: FlowLibrary = _load(FLOWS, settings.library)
    return library(dimensions, conditions, settings, seed)


def new_classifier(dimensions: int, library: str = "flowjax") -> Classifier:
    """A classifier. Raises as `new_flow`."""
    made: ClassifierLibrary = _load(CLASSIFIERS, library)
    return made(dimensions)


def _load(group: str, name: str) -> Any:
    try:
        return registry.load(group, name)
    except MissingDependencyError as error:
        missing = str(error).partition('module "')[2].partition('"')[0]
        raise MissingDependencyError(
            f'inference needs the module "{missing}", which is not installed: {EXTRA}', where="flow.library"
        ) from error
