"""What a law of motion is, and where its coefficients live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.components.component import State

AUTONOMOUS: Floats = np.zeros((1, 0))
"""The drive of a law without inputs."""


class CoefficientTable:
    """Rows of numbers to learn beside their gradient; rows can be added, new ones hold zeros.

    values, gradient: (n_rows, width). touched: (n_rows,) whether a gradient was added to the row since `clear`.
    """

    def __init__(self, rows: int, width: int) -> None:
        self._values, self._gradient = np.zeros((max(rows, 1), width)), np.zeros((max(rows, 1), width))
        self._touched = np.zeros(max(rows, 1), dtype=np.bool_)
        self.rows = rows

    @property
    def values(self) -> Floats:
        """(rows, width) live."""
        return self._values[: self.rows]

    @property
    def gradient(self) -> Floats:
        """(rows, width) live: what was added since `clear`."""
        return self._gradient[: self.rows]

    @property
    def touched(self) -> npt.NDArray[np.bool_]:
        """(rows,) live: rows whose gradient was added to since `clear`."""
        return self._touched[: self.rows]

    def grow(self, rows: int) -> None:
        """Have at least `rows` rows."""
        if rows > len(self._values):
            capacity = max(rows, 2 * len(self._values))
            for name in ("_values", "_gradient", "_touched"):
                old = getattr(self, name)
                new = np.zeros((capacity, *old.shape[1:]), dtype=old.dtype)
                new[: len(old)] = old
                setattr(self, name, new)
        self.rows = max(rows, self.rows)

    def clear(self) -> None:
        """Set the gradient to zero."""
        self._gradient[self._touched] = 0.0
        self._touched[:] = False


class Law(ABC):
    """dθ/dt = F(θ, drive; u) for a batch of states.

    Shapes: theta (batch, n), drive (batch or 1, n_inputs), weights and results (batch, n).
    parameters: names of θ. inputs: names of the drive. `F` may be evaluated anywhere; before a gradient is taken
    along a path, `reserve` makes room for the coefficients that the path touches.
    """

    parameters: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    separable: bool = False
    """Whether all components are linear combinations, each with its own coefficients, of the same functions of θ."""

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """The coefficients u; none by default."""
        return ()

    @abstractmethod
    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F(θ, drive; u), per time unit of the data."""

    @abstractmethod
    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ."""

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_k ∂F_k/∂u (summed over the batch) to the gradient of the coefficients."""
        return

    def reserve(self, theta: Floats) -> None:
        """Make room for the coefficients that matter at θ (batch, n), with zeros in them."""
        return

    def jacobian(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n, n) of ∂F_k/∂θ_j at [:, k, j]."""
        n = theta.shape[1]
        unit = np.eye(n)
        return np.stack([self.vjp(theta, np.tile(unit[k], (len(theta), 1)), drive) for k in range(n)], axis=1)

    def first_touched(self, theta: Floats) -> int:
        """First state of a path (T, n) at which F depends on a touched coefficient; T if none does."""
        return 0 if any(table.touched.any() for table in self.tables) else len(theta)

    def parts(self) -> Sequence[Law]:
        """The laws this one is made of."""
        return ()

    def save_places(self, prefix: str = "") -> State:
        """Where coefficients belong, for laws whose number of coefficients grows."""
        state: State = {}
        for k, law in enumerate(self.parts()):
            state.update(law.save_places(f"{prefix}part{k}_"))
        return state

    def restore_places(self, state: State, prefix: str = "") -> None:
        """Make the coefficients that `save_places` described."""
        for k, law in enumerate(self.parts()):
            law.restore_places(state, f"{prefix}part{k}_")

    def clear(self) -> None:
        """Set all gradients to zero."""
        for table in self.tables:
            table.clear()


def law_state(law: Law) -> State:
    """Coefficients and, where their number grows, their places."""
    values: State = {f"table{k}": table.values.copy() for k, table in enumerate(law.tables)}
    return {**values, **law.save_places()}


def restore_law(law: Law, state: State) -> None:
    """Put saved coefficients into a law that was built alike."""
    law.restore_places(state)
    for k, table in enumerate(law.tables):
        values = np.asarray(state[f"table{k}"], dtype=float)
        table.grow(len(values))
        table.values[:] = values
