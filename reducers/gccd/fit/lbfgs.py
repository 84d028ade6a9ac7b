"""L-BFGS with a backtracking line search, whose whole state can be saved: a resumed descent goes on to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from couple.base.arrays import Floats
from couple.components.component import State

Objective = Callable[[Floats], tuple[float, Floats]]


class LBFGS:
    """x (n,): where it is. value, gradient: there. history: (iterations,) values. stalled: no step lowers the value.

    memory: pairs of changes that the curvature is estimated from. largest: change of an entry in one step.
    """

    def __init__(self, objective: Objective, x: Floats, memory: int = 12, largest: float = 0.5) -> None:
        self._objective, self._memory, self._largest = objective, memory, largest
        self.x = x.astype(float)
        self.value, self.gradient = np.inf, np.zeros_like(self.x)
        self._s, self._y = np.zeros((0, len(x))), np.zeros((0, len(x)))
        self.history: list[float] = []
        self.stalled = False

    @property
    def done(self) -> int:
        """Iterations so far."""
        return len(self.history)

    def step(self) -> float:
        """One iteration; returns the value after it."""
        if not np.isfinite(self.value):
            self.value, self.gradient = self._objective(self.x)
        direction = self._direction()
        if float(direction @ self.gradient) >= 0:
            self._s, self._y = self._s[:0], self._y[:0]
            direction = -self.gradient
        direction *= min(1.0, self._largest / max(float(np.abs(direction).max()), 1e-300))
        self._search(direction)
        self.history.append(self.value)
        return self.value

    def _direction(self) -> Floats:
        """-H g by the two loops over the pairs kept."""
        q = self.gradient.copy()
        inner = []
        for s, y in zip(self._s[::-1], self._y[::-1], strict=True):
            a = float(s @ q) / float(s @ y)
            inner.append(a)
            q -= a * y
        if len(self._s):
            q *= float(self._s[-1] @ self._y[-1]) / float(self._y[-1] @ self._y[-1])
        else:
            q *= 0.1 / max(float(np.abs(q).max()), 1e-300)
        for s, y, a in zip(self._s, self._y, inner[::-1], strict=True):
            q += (a - float(y @ q) / float(s @ y)) * s
        return -q

    def _search(self, direction: Floats) -> None:
        slope, length = float(direction @ self.gradient), 1.0
        for _ in range(12):
            x = self.x + length * direction
            value, gradient = self._objective(x)
            if value <= self.value + 1e-4 * length * slope:
                s, y = x - self.x, gradient - self.gradient
                if float(s @ y) > 1e-12 * float(y @ y):
                    self._s = np.concatenate([self._s, s[None]])[-self._memory :]
                    self._y = np.concatenate([self._y, y[None]])[-self._memory :]
                self.x, self.value, self.gradient = x, value, gradient
                return
            length *= 0.3
        self.stalled = True

    def save(self) -> State:
        """State that going on to the bit needs: x (n,), value, gradient (n,), pairs (≤ memory, n), history."""
        return {
            "x": self.x,
            "value": float(self.value),
            "gradient": self.gradient,
            "s": self._s,
            "y": self._y,
            "history": np.array(self.history),
            "stalled": int(self.stalled),
        }

    def restore(self, state: State) -> None:
        """Take up what `save` gave."""
        arrays = {key: np.asarray(state[key], dtype=float) for key in ("x", "gradient", "s", "y", "history")}
        self.x, self.gradient, self._s, self._y = (arrays[key].copy() for key in ("x", "gradient", "s", "y"))
        self.value, self.history = float(np.asarray(state["value"])), arrays["history"].tolist()
        self.stalled = bool(int(np.asarray(state["stalled"])))
