"""A network that tells two classes apart: valid from invalid simulations, draws of two posteriors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np

from adapters.flows.cpu import jax
from adapters.flows.training import train
from couple.base.arrays import Bools, Floats

jnp = jax.numpy

BATCH, RATE, EPOCHS, PATIENCE = 200, 1e-3, 300, 10


class Perceptron:
    """A `Classifier` with two hidden layers, of ten units for each dimension, at least 50 and at most 200."""

    def __init__(self, dimensions: int) -> None:
        self._d = dimensions
        self._mean, self._sd = np.zeros(dimensions), np.ones(dimensions)
        self._net: Any = None

    def fit(self, x: Floats, label: Bools, seed: int) -> None:
        """See `Classifier`."""
        self._mean, self._sd = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
        width = min(max(10 * self._d, 50), 200)
        net = eqx.nn.MLP(self._d, "scalar", width, 2, jax.nn.relu, key=jax.random.key(seed))
        data = (self._scaled(x), label.astype(np.float32))
        trainable = jax.tree.map(eqx.is_inexact_array, net)
        limits = {"batch": BATCH, "rate": RATE, "epochs": EPOCHS, "patience": PATIENCE}
        self._net, _ = train(net, trainable, _LOSS, data, seed=seed, tell=lambda *_: None, **limits)  # type: ignore[arg-type]

    def probability(self, x: Floats) -> Floats:
        """See `Classifier`."""
        return np.asarray(_probability(self._net, self._scaled(x)), dtype=float)

    def _scaled(self, x: Floats) -> Any:
        return ((x - self._mean) / self._sd).astype(np.float32)


@dataclass(frozen=True)
class _CrossEntropy:
    """(b,) negative log probabilities of labels."""

    def __call__(self, net: Any, _key: Any, x: Any, label: Any) -> Any:
        score = jax.vmap(net)(x)
        return jax.nn.softplus(score) - label * score


_LOSS = _CrossEntropy()


@eqx.filter_jit
def _probability(net: Any, x: Any) -> Any:
    return jax.nn.sigmoid(jax.vmap(net)(x))
