"""Gradient descent with early stopping, in compiled runs of steps that later trainings of the same form use again."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time
from typing import Any, Protocol

import equinox as eqx
import numpy as np
import optax

from adapters.flows.cpu import jax
from couple.base.errors import RunError
from reducers.inference.density.flow import Losses, Tell

jnp = jax.numpy

HELD_OUT = 0.1
"""Share of the data by which the best epoch is chosen."""
FALLS, FALL = 2, 0.3
"""Times that the rate falls before training ends, and to what share."""
STEPS, LOT = 16, 2048
"""Steps of a compiled run, and rows of a validation: fixed, since each size is compiled anew."""

RULE = optax.chain(optax.clip_by_global_norm(5.0), optax.scale_by_adam())


class Loss(Protocol):
    """Hashable and equal to those that compute the same, by which compiled steps are found again."""

    def __call__(self, model: Any, key: Any, *rows: Any) -> Any:
        """(b,) losses of rows of the data."""


def train(
    model: Any,
    trainable: Any,
    loss: Loss,
    data: tuple[Any, ...],
    *,
    seed: int,
    batch: int,
    rate: float,
    epochs: int,
    patience: int,
    tell: Tell,
) -> tuple[Any, Losses]:
    """The model of the best epoch, and the losses of all.

    trainable: filter of what is adjusted. data: arrays of n rows each, a tenth of which is held out for validation.
    Adam; whenever `patience` epochs were no better the best is taken up again at a lower rate. Raises RunError if the
    loss is not finite.
    """
    begun, rng = process_time(), np.random.default_rng(seed)
    order, held = rng.permutation(len(data[0])), max(1, int(HELD_OUT * len(data[0])))
    ours, theirs = (tuple(np.asarray(a)[part] for a in data) for part in (order[held:], order[:held]))
    parameters, rest = eqx.partition(model, trainable)
    state, best, key = RULE.init(parameters), parameters, jax.random.key(seed)
    curves, at, falls, since = list[tuple[float, float]](), 0, 0, 0
    for k in range(epochs):
        values = []
        for rows in _runs(ours, batch, rng):
            key, now = jax.random.split(key)
            parameters, state, value = _steps(loss, rest, parameters, state, now, rate, rows)
            values.append(value)
        curves.append((float(np.mean(values)), _validation(loss, rest, parameters, theirs)))
        tell(k + 1, epochs, curves[-1][1])
        better = k == 0 or curves[-1][1] < curves[at][1]
        best, at, since = (parameters, k, 0) if better else (best, at, since + 1)
        if since >= patience or not np.isfinite(curves[-1][1]):
            if falls == FALLS:
                break
            parameters, state = best, RULE.init(best)
            rate, falls, since = rate * FALL, falls + 1, 0
    training, validation = np.array(curves).T
    if not np.isfinite(validation[at]):
        raise RunError("training gives no finite loss: lower flow.rate, or look at features with extreme values")
    return eqx.combine(best, rest), Losses(training, validation, at, process_time() - begun)


def _runs(data: tuple[Any, ...], batch: int, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """The rows of an epoch, shuffled, in arrays (steps, batch, ...); a rest of less than a run is left for another."""
    n = len(data[0])
    batch = min(batch, n)
    steps = n // batch
    length = min(steps, STEPS)
    order = rng.permutation(n)[: steps // length * length * batch].reshape(-1, length, batch)
    for rows in order:
        yield tuple(a[rows] for a in data)


@eqx.filter_jit
def _steps(loss: Loss, rest: Any, parameters: Any, state: Any, key: Any, rate: Any, data: tuple[Any, ...]) -> Any:
    """Parameters and state after a run of steps, and the mean loss in it."""

    def mean(parameters: Any, key: Any, rows: tuple[Any, ...]) -> Any:
        return jnp.mean(loss(eqx.combine(parameters, rest), key, *rows))

    def step(carry: Any, rows: Any) -> Any:
        parameters, state, key = carry
        key, now = jax.random.split(key)
        value, slope = jax.value_and_grad(mean)(parameters, now, rows)
        change, state = RULE.update(slope, state)
        moved = jax.tree.map(lambda p, c: p - rate * c, parameters, change)
        return (moved, state, key), value

    (parameters, state, _), values = jax.lax.scan(step, (parameters, state, key), data)
    return parameters, state, jnp.mean(values)


def _validation(loss: Loss, rest: Any, parameters: Any, data: tuple[Any, ...]) -> float:
    """Mean loss of held-out rows."""
    n, total = len(data[0]), 0.0
    size = LOT if n > LOT // 4 else LOT // 4
    for at in range(0, n, size):
        rows = tuple(np.resize(a[at : at + size], (size, *a.shape[1:])) for a in data)
        total += float(np.sum(_losses(loss, rest, parameters, rows)[: n - at]))
    return total / n


@eqx.filter_jit
def _losses(loss: Loss, rest: Any, parameters: Any, rows: tuple[Any, ...]) -> Any:
    return loss(eqx.combine(parameters, rest), jax.random.key(0), *rows)
