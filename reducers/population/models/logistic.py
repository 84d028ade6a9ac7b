"""Logistic regressions of neurons on others: those before it in a list (cascade), or earlier windows (GLM)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from couple.base.arrays import Bools, Floats, Words
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.rng.streams import stream, uniform
from reducers.population.models.model import FitBlock, PatternModel
from reducers.population.patterns.patterns import Bits


def fit_logistic(x: Floats, y: Floats, allowed: Bools, settings: FitBlock) -> tuple[Floats, Floats]:
    """bias (n,) and weights (f, n) of p(y_i) = 1/(1 + exp(-b_i - Σ x_f w_fi)), most likely less `ridge` Σ w².

    x (m, f), y (m, n), allowed (f, n): which weights there are.
    """
    m, n = y.shape
    rates, ridge = (y.sum(axis=0) + 0.5) / (m + 1.0), settings.ridge / m

    def loss(vector: Floats) -> tuple[float, Floats]:
        bias, weights = vector[:n], np.zeros(allowed.shape)
        weights[allowed] = vector[n:]
        logits = x @ weights + bias
        value = float((np.logaddexp(0.0, logits) - y * logits).sum()) / m
        off = (1.0 / (1.0 + np.exp(-np.clip(logits, -700, 700))) - y) / m
        slope = np.concatenate([off.sum(axis=0), (x.T @ off)[allowed] + 2 * ridge * vector[n:]])
        return value + ridge * float(vector[n:] @ vector[n:]), slope

    start = np.concatenate([np.log(rates) - np.log1p(-rates), np.zeros(int(allowed.sum()))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": settings.iterations, "gtol": 1e-8})
    weights = np.zeros(allowed.shape)
    weights[allowed] = found.x[n:]
    return found.x[:n], weights


class CascadedLogistic(PatternModel):
    """bias (n,) and weights (n, n), [of, on]: x_i given x_1 … x_{i-1} (Park, Archer, Latimer & Pillow, NIPS 2013)."""

    KIND, WORDS = "cascade", "cascaded logistic"

    def __init__(self, bias: Floats, weights: Floats) -> None:
        if weights.shape != (len(bias), len(bias)) or np.tril(weights).any():
            raise InputError(f"weights {weights.shape} of {len(bias)} neurons have to lead from earlier to later ones")
        self.bias, self.weights = bias, weights

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.bias)

    @property
    def parameters(self) -> int:
        """n (n + 1) / 2."""
        return self.n * (self.n + 1) // 2

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """In the order of the neurons."""
        n = states.shape[1]
        check_memory(
            8.0 * 5 * states.size, f"regressions of {n} neurons in {len(states)} windows", "take fewer windows"
        )
        x = states.astype(np.float64)
        return cls(*fit_logistic(x, x, np.triu(np.ones((n, n), dtype=bool), 1), settings))

    def log_probability(self, states: Bits) -> Floats:
        """(m,) natural logarithms."""
        self.check_states(states)
        x = states.astype(np.float64)
        return log_bernoulli(x @ self.weights + self.bias, states)

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n), neuron by neuron."""
        out: Bits = np.empty((m, self.n), dtype=np.uint8)
        _draw_cascade(self.bias, np.ascontiguousarray(self.weights), stream(seed, "population", "draw", self.KIND), out)
        return out

    def arrays(self) -> dict[str, Floats]:
        """bias and weights."""
        return {"bias": self.bias, "weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        return cls(arrays["bias"], arrays["weights"])


class HistoryGLM(PatternModel):
    """bias (n,) and weights (history, n, n), [lag, of, on]: x_i given earlier windows (Pillow et al., Nature 454:995,
    2008); neurons of one window are independent of each other. Probabilities are of successive windows.
    """

    KIND, WORDS, ORDERED = "glm", "GLM with history", True

    def __init__(self, bias: Floats, weights: Floats) -> None:
        if weights.ndim != 3 or weights.shape[1:] != (len(bias), len(bias)):
            raise InputError(f"weights {weights.shape} do not fit {len(bias)} neurons")
        self.bias, self.weights = bias, weights

    @property
    def n(self) -> int:
        """Neurons."""
        return len(self.bias)

    @property
    def parameters(self) -> int:
        """n + history n²."""
        return self.n + self.weights.size

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """To windows in the order of time."""
        n, lags = states.shape[1], settings.history
        if len(states) <= lags:
            raise InputError(f"{len(states)} windows are too few for a history of {lags}")
        check_memory(
            16.0 * len(states) * n * (lags + 2), f"{lags} windows of history of {n} neurons", "take fewer windows"
        )
        x = earlier(states, lags)[lags:]
        allowed = np.ones((n * lags, n), dtype=bool)
        bias, weights = fit_logistic(x, states[lags:].astype(np.float64), allowed, settings)
        return cls(bias, weights.reshape(lags, n, n))

    def log_probability(self, states: Bits) -> Floats:
        """(m,) of each window given those before it in `states`; before the first, nothing was active."""
        self.check_states(states)
        flat = self.weights.reshape(-1, self.n)
        return log_bernoulli(earlier(states, len(self.weights)) @ flat + self.bias, states)

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n) successive windows, after ten times the history."""
        lags = len(self.weights)
        out: Bits = np.zeros((m + 10 * lags, self.n), dtype=np.uint8)
        _draw_history(self.bias, np.ascontiguousarray(self.weights), stream(seed, "population", "draw", self.KIND), out)
        return out[10 * lags :]

    def arrays(self) -> dict[str, Floats]:
        """bias and weights."""
        return {"bias": self.bias, "weights": self.weights}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        return cls(arrays["bias"], arrays["weights"])


def earlier(states: Bits, lags: int) -> Floats:
    """(m, lags n): the windows before each, nearest first."""
    m, n = states.shape
    x = np.zeros((m, lags, n))
    for lag in range(1, lags + 1):
        x[lag:, lag - 1] = states[: m - lag]
    return x.reshape(m, lags * n)


def log_bernoulli(logits: Floats, states: npt.NDArray[np.uint8]) -> Floats:
    """(m,) Σ_i ln p(x_i) of neurons with these logits (m, n)."""
    return np.asarray((states * logits - np.logaddexp(0.0, logits)).sum(axis=1))


@njit(cache=True)
def _draw_cascade(bias: Floats, weights: Floats, words: Words, out: Bits) -> None:
    m, n = out.shape
    logits = np.empty(n)
    for r in range(m):
        logits[:] = bias
        for i in range(n):
            out[r, i] = uniform(words) * (1.0 + np.exp(-logits[i])) <= 1.0
            if out[r, i]:
                for j in range(i + 1, n):
                    logits[j] += weights[i, j]


@njit(cache=True)
def _draw_history(bias: Floats, weights: Floats, words: Words, out: Bits) -> None:
    m, n = out.shape
    logits = np.empty(n)
    for r in range(m):
        logits[:] = bias
        for lag in range(min(len(weights), r)):
            for j in range(n):
                if out[r - lag - 1, j]:
                    for i in range(n):
                        logits[i] += weights[lag, j, i]
        for i in range(n):
            out[r, i] = uniform(words) * (1.0 + np.exp(-logits[i])) <= 1.0
