"""Gradient descent on tables of coefficients: SGD with momentum, and Adam; only touched rows move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from couple.base.arrays import Floats
from couple.base.arrays import Ints as Rows
from couple.base.errors import InputError
from couple.components.component import State
from reducers.dbd.laws.law import CoefficientTable


@dataclass(frozen=True)
class Schedule:
    """Learning rate over a training of `steps`: factor 1 at the start, `end` at the end (constant: 1)."""

    kind: Literal["constant", "exponential", "cosine", "linear"] = "constant"
    end: float = 0.01

    def factor(self, done: float) -> float:
        """done: share of the training, 0 … 1."""
        if self.kind == "exponential":
            return float(self.end**done)
        if self.kind == "cosine":
            return float(self.end + (1 - self.end) * 0.5 * (1 + np.cos(np.pi * min(done, 1.0))))
        return 1.0 + (self.end - 1.0) * done if self.kind == "linear" else 1.0


class Optimiser(ABC):
    """rate: learning rate, one for all or (n,) one per parameter θ_k."""

    def __init__(self, rate: float | Floats) -> None:
        self.rate = np.asarray(rate, dtype=float)
        if not (np.isfinite(self.rate).all() and (self.rate >= 0).all()):
            raise InputError(f"needs learning rates of 0 or more, not {rate}", where="rate")
        self._memory: list[Floats] = []

    def _rates(self, table: CoefficientTable, factor: float) -> Floats:
        width = table.values.shape[1]
        if self.rate.ndim and width % len(self.rate) == 0:
            return factor * np.tile(self.rate, width // len(self.rate))
        return np.full(width, factor * float(self.rate.max()))

    def step(self, tables: Sequence[CoefficientTable], factor: float) -> None:
        """Move the touched rows of every table against its gradient."""
        for k, table in enumerate(tables):
            rows = np.flatnonzero(table.touched)
            if len(rows):
                table.values[rows] -= self._rates(table, factor) * self._direction(k, table, rows)

    @abstractmethod
    def _direction(self, k: int, table: CoefficientTable, rows: Rows) -> Floats:
        """(rows, width) what to subtract, for rate 1."""

    def _remembered(self, slot: int, table: CoefficientTable, width: int) -> Floats:
        """Memory of a table, grown with it."""
        while len(self._memory) <= slot:
            self._memory.append(np.zeros((0, width)))
        old = self._memory[slot]
        if len(old) < table.rows:
            self._memory[slot] = np.zeros((max(table.rows, 2 * len(old)), width))
            self._memory[slot][: len(old)] = old
        return self._memory[slot]

    def save(self) -> State:
        """What resuming needs."""
        return {f"memory{k}": m.copy() for k, m in enumerate(self._memory)}

    def restore(self, state: State) -> None:
        """Take up what `save` gave."""
        self._memory = [np.asarray(state[f"memory{k}"], dtype=float).copy() for k in range(len(state))]


class SGD(Optimiser):
    """Plain gradient descent, with momentum if above 0."""

    def __init__(self, rate: float | Floats, momentum: float = 0.0) -> None:
        super().__init__(rate)
        self.momentum = momentum

    def _direction(self, k: int, table: CoefficientTable, rows: Rows) -> Floats:
        gradient = table.gradient[rows]
        if not self.momentum:
            return gradient
        memory = self._remembered(k, table, table.values.shape[1])
        memory[rows] = self.momentum * memory[rows] + gradient
        return memory[rows]


class Adam(Optimiser):
    """Kingma & Ba 2015 (arXiv:1412.6980); moments of a row move, and are counted, when it is touched."""

    def __init__(self, rate: float | Floats, first: float = 0.9, second: float = 0.999, floor: float = 1e-8) -> None:
        super().__init__(rate)
        self.first, self.second, self.floor = first, second, floor

    def _direction(self, k: int, table: CoefficientTable, rows: Rows) -> Floats:
        gradient, width = table.gradient[rows], table.values.shape[1]
        m, v = self._remembered(3 * k, table, width), self._remembered(3 * k + 1, table, width)
        seen = self._remembered(3 * k + 2, table, 1)
        m[rows] = self.first * m[rows] + (1 - self.first) * gradient
        v[rows] = self.second * v[rows] + (1 - self.second) * gradient**2
        seen[rows] += 1
        mean, square = m[rows] / (1 - self.first ** seen[rows]), v[rows] / (1 - self.second ** seen[rows])
        return np.asarray(mean / (np.sqrt(square) + self.floor))


OPTIMISERS = {"sgd": SGD, "adam": Adam}
