"""Masked autoregressive and neural spline flows of flowjax (Papamakarios et al. 2017; Durkan et al. 2019)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
import paramax
from flowjax.bijections import RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import masked_autoregressive_flow

from adapters.flows.cpu import jax
from adapters.flows.training import train
from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError
from reducers.inference.density.flow import Arrays, Losses, Tell
from reducers.inference.problem.settings import FlowBlock

jnp = jax.numpy

SMALL, AT_ONCE = 1 << 10, 1 << 14
"""Points of an evaluation: more are done one lot after the other."""
INTERVAL = 5.0
"""Splines bend within it, in standard deviations of the prior; beyond they are straight."""


class FlowjaxFlow:
    """A `ConditionalFlow`: autoregressive, with affine ("maf") or spline ("nsf") transformations, base N(0, 1)."""

    def __init__(self, dimensions: int, conditions: int, settings: FlowBlock, seed: int) -> None:
        self._settings = settings
        form = (
            dimensions,
            conditions,
            settings.family,
            settings.layers,
            settings.width,
            settings.depth,
            settings.knots,
        )
        rest = eqx.partition(_untrained(0, *form), eqx.is_array)[
            1
        ]  # one for all of a form: they share what is compiled
        self._flow: Any = eqx.combine(eqx.filter(_untrained(seed, *form), eqx.is_array), rest)

    def fit(
        self, z: Floats, x: Floats, seed: int, *, atoms: int = 0, from_prior: Bools | None = None, tell: Tell
    ) -> Losses:
        """See `ConditionalFlow`."""
        plain = np.ones(len(z)) if from_prior is None else from_prior.astype(float)
        data = tuple(np.asarray(a, dtype=np.float32) for a in (z, x, plain))
        s = self._settings

        loss = _Atomic(min(atoms, s.batch)) if atoms else _PLAIN
        limits = {"batch": s.batch, "rate": s.rate, "epochs": s.epochs, "patience": s.patience}
        self._flow, losses = train(self._flow, self._trainable, loss, data, seed=seed, tell=tell, **limits)  # type: ignore[arg-type]
        return losses

    def log_density(self, z: Floats, x: Floats) -> Floats:
        """See `ConditionalFlow`."""
        return np.asarray(self._in_lots(_density, z, x), dtype=float)

    def gradient(self, z: Floats, x: Floats) -> Floats:
        """See `ConditionalFlow`."""
        return np.asarray(self._in_lots(_gradient, z, x), dtype=float)

    def draw(self, x: Floats, n: int, seed: int) -> Floats:
        """See `ConditionalFlow`."""
        made, key = [], jax.random.key(seed)
        for lot in range(-(-n // AT_ONCE)):
            size = _size(min(AT_ONCE, n - lot * AT_ONCE))
            made.append(
                np.asarray(_draw(self._flow, jax.random.fold_in(key, lot), np.asarray(x, dtype=np.float32), size))
            )
        return np.concatenate(made)[:n].astype(float)

    def arrays(self) -> Arrays:
        """See `ConditionalFlow`."""
        leaves = jax.tree.leaves(eqx.filter(self._flow, eqx.is_array))
        return {f"{k:03d}": np.asarray(leaf) for k, leaf in enumerate(leaves)}

    def restore(self, arrays: Arrays) -> None:
        """See `ConditionalFlow`."""
        ours, rest = eqx.partition(self._flow, eqx.is_array)
        leaves, form = jax.tree.flatten(ours)
        given = [arrays.get(f"{k:03d}") for k in range(len(leaves))]
        if len(arrays) != len(leaves) or any(
            g is None or g.shape != leaf.shape for g, leaf in zip(given, leaves, strict=True)
        ):
            raise InputError("holds a flow of another form, or of another version of flowjax: infer again")
        new = [jnp.asarray(g, leaf.dtype) for g, leaf in zip(given, leaves, strict=True)]
        self._flow = eqx.combine(jax.tree.unflatten(form, new), rest)

    @property
    def _trainable(self) -> Any:
        """Filter of what training adjusts."""
        return jax.tree.map(
            lambda leaf: eqx.is_inexact_array(leaf),
            self._flow,
            is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable),
        )

    def _in_lots(self, function: Any, z: Floats, x: Floats) -> Any:
        """Values at (n, d) points, in lots of few sizes, since each size is compiled anew."""
        x = np.broadcast_to(x, (len(z), x.shape[-1]))
        made = []
        for at in range(0, len(z), AT_ONCE):
            part = slice(at, at + AT_ONCE)
            rows = len(z[part])
            padded = [np.resize(a[part], (_size(rows), a.shape[1])).astype(np.float32) for a in (z, x)]
            made.append(np.asarray(function(self._flow, *padded))[:rows])
        return np.concatenate(made) if made else np.zeros(0)


def _size(n: int) -> int:
    """One of two sizes that is not less: each is compiled."""
    return SMALL if n <= SMALL else AT_ONCE


@functools.lru_cache(maxsize=64)
def _untrained(
    seed: int, dimensions: int, conditions: int, family: str, layers: int, width: int, depth: int, knots: int
) -> Any:
    """A flow of flowjax, of parameters that the seed decides."""
    return masked_autoregressive_flow(
        jax.random.key(seed),
        base_dist=Normal(jnp.zeros(dimensions)),
        transformer=RationalQuadraticSpline(knots=knots, interval=INTERVAL) if family == "nsf" else None,
        cond_dim=conditions,
        flow_layers=layers,
        nn_width=width,
        nn_depth=depth,
    )


@eqx.filter_jit
def _density(flow: Any, z: Any, x: Any) -> Any:
    return flow.log_prob(z, x)


@eqx.filter_jit
def _gradient(flow: Any, z: Any, x: Any) -> Any:
    made = paramax.unwrap(flow)
    return jax.vmap(jax.grad(lambda a, b: made.log_prob(a, b)))(z, x)


@eqx.filter_jit
def _draw(flow: Any, key: Any, x: Any, n: int) -> Any:
    return flow.sample(key, (n,), x)


@dataclass(frozen=True)
class _Plain:
    """(b,) negative log densities."""

    def __call__(self, flow: Any, key: Any, z: Any, x: Any, plain: Any) -> Any:
        return -flow.log_prob(z, x)


_PLAIN = _Plain()


@dataclass(frozen=True)
class _Atomic:
    """(b,) losses: of telling the z that made x from others of the batch, and of the density where `plain` is 1."""

    atoms: int

    def __call__(self, flow: Any, key: Any, z: Any, x: Any, plain: Any) -> Any:
        made, b = paramax.unwrap(flow), len(z)
        keys = jax.random.split(key, b)
        others = jax.vmap(lambda k: jax.random.choice(k, b - 1, (self.atoms - 1,), replace=False))(keys)
        others = others + (others >= jnp.arange(b)[:, None])
        chosen = jnp.concatenate([jnp.arange(b)[:, None], others], axis=1)
        density = made.log_prob(z[chosen], jnp.repeat(x[:, None], self.atoms, axis=1))
        score = density - jnp.sum(jax.scipy.stats.norm.logpdf(z[chosen]), axis=-1)
        told = score[:, 0] - jax.scipy.special.logsumexp(score, axis=1)
        return -told - plain * density[:, 0]
