"""The posterior of parameters, given features: what `couple posterior` and scripts use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.base.html.tables import html_table
from reducers.inference.density.flow import ConditionalFlow
from reducers.inference.density.scaling import Scaling
from reducers.inference.problem.prior import EDGE, Prior

SHOWN = 2_000
"""Draws from which a notebook shows medians."""


def parameters_html(theta: Floats | None, prior: Prior) -> str:
    """Median and central 95 % of each parameter with its unit. theta: (n, d); None shows their names."""
    said = {} if theta is None else summary(theta, prior.names)
    rows = [
        (name, *(said[name][key] if said else None for key in ("median", "low", "high")), "" if unit == "1" else unit)
        for name, unit in zip(prior.names, prior.units, strict=True)
    ]
    return html_table(("parameter", "median", "2.5 %", "97.5 %", "unit"), rows)


@dataclass(frozen=True)
class Posterior:
    """p(theta | x), in the units of the prior.

    features: name → unit. scaling: of features. flow: over the normal coordinates of the prior. observation: (f,) at
    which it is taken if no other is given; None without.
    """

    prior: Prior
    features: Mapping[str, str]
    scaling: Scaling
    flow: ConditionalFlow
    observation: Floats | None = None

    def at(self, observation: Floats) -> Posterior:
        """The same at another observation, (f,). Raises InputError if it is of another shape, or not finite."""
        observation = np.asarray(observation, dtype=float)
        if observation.shape != (len(self.features),):
            raise InputError(f"an observation of shape {observation.shape}: give {len(self.features)} features")
        if not np.isfinite(observation).all():
            name = [*self.features][int(np.flatnonzero(~np.isfinite(observation))[0])]
            raise InputError(f"{name} of the observation is not finite")
        return replace(self, observation=observation)

    def _repr_html_(self) -> str:
        if self.observation is None:
            seen = "no observation yet: at(...)"
        else:
            seen = ", ".join(f"{k} = {v:.6g}" for k, v in zip(self.features, self.observation.tolist(), strict=True))
        theta = self.draw(SHOWN) if self.observation is not None else None
        return html_table(("at",), [(seen,)], "posterior") + parameters_html(theta, self.prior)

    @property
    def condition(self) -> Floats:
        """(f,) of the flow. Raises InputError without an observation."""
        if self.observation is None:
            raise InputError("there is no observation: give one (--observation FILE)")
        return self.scaling(self.observation)

    def draw(self, n: int, seed: int = 0) -> Floats:
        """(n, d) independent parameters."""
        return self.prior.from_normal(self.flow.draw(self.condition, n, seed))

    def log_density(self, theta: Floats) -> Floats:
        """(n,) of (n, d) parameters, in the inverse of their units; -inf outside of the prior."""
        found = np.full(len(theta), -np.inf)
        inside = self.prior.inside(theta)
        z = self.prior.to_normal(theta[inside])
        found[inside] = self.flow.log_density(z, self.condition) + self.prior.log_volume(z)
        return found

    def entropy(self, z: Floats) -> float:
        """Differential entropy in nats, less that of the prior, by Monte Carlo over z (n, d) that the flow drew.

        -E[log q(z) + log |dz/dtheta|] where z was drawn: parameters are not taken back to z, which at the bounds of a
        prior they do not tell. Draws beyond the last quantile that is told from 1 (|z| > 8.1) are errors of the flow,
        at which the Jacobian would count for more than all others; they are left out.
        """
        known = z[(np.abs(z) <= -ndtri(EDGE)).all(axis=1)]
        return float(-np.mean(self.height(known))) - self.prior.entropy if len(known) else float("nan")

    def mode(self, seed: int = 0, draws: int = 10_000, steps: int = 200) -> Floats:
        """(d,) where the density is highest, climbed to from the best of so many draws."""
        z = self.flow.draw(self.condition, draws, seed)
        height = self.height(z)
        z, step = z[np.argsort(height)[-10:]], 0.05
        best = self.height(z)
        for _ in range(steps):
            slope = (
                self.flow.gradient(z, self.condition) + z
            )  # of log q(z) - log N(z): theta's density if it is uniform
            tried = z + step * slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
            now = self.height(tried)
            better = now > best
            z, best = np.where(better[:, None], tried, z), np.where(better, now, best)
            step *= 1.1 if better.any() else 0.5
            if step < 1e-4:
                break
        return np.asarray(self.prior.from_normal(z[[np.argmax(best)]])[0])

    def height(self, z: Floats) -> Floats:
        """(n,) of (n, d) z: log of the density over parameters."""
        return self.flow.log_density(z, self.condition) + self.prior.log_volume(z)

    def conditioned(self, given: Mapping[str, float], n: int, seed: int = 0) -> Floats:
        """(n, d) draws of the others, with some parameters held: by resampling a chain in each direction (slices).

        Raises InputError for a name that is none, a value outside of the prior, and if nothing is left to vary.
        """
        held = self._held(given)
        free = [k for k in range(len(self.prior)) if k not in held]
        if not free:
            raise InputError("all parameters are held: leave one out", where="--condition")
        rng = np.random.default_rng(seed)
        chains = min(n, 500)
        z = self._start(held, chains, seed)
        kept: list[Floats] = []
        sweeps, warm = -(-n // chains), 100
        height = self.height(z)
        width = np.full(len(self.prior), 1.0)
        for sweep in range(warm + 5 * sweeps):
            for k in free:
                z, height = self._slice(z, height, k, width[k], rng)
            if sweep < warm:
                width = np.maximum(2 * z.std(axis=0), 0.02)
            elif (sweep - warm) % 5 == 4:
                kept.append(z.copy())
        return self.prior.from_normal(np.concatenate(kept)[:n])

    def _held(self, given: Mapping[str, float]) -> dict[int, float]:
        """Index of a parameter → its z."""
        held = {}
        for name, value in given.items():
            if name not in self.prior.names:
                raise InputError(
                    f'there is no parameter "{name}"; {nearest(name, self.prior.names)}', where="--condition"
                )
            k = self.prior.names.index(name)
            low, high = self.prior.bounds[k]
            if not low <= value <= high:
                raise InputError(
                    f"{name} = {value:g} is outside of the prior, {low:g} .. {high:g}", where="--condition"
                )
            held[k] = float(self.prior.to_normal(np.full((1, len(self.prior)), value))[0, k])
        return held

    def _start(self, held: Mapping[int, float], chains: int, seed: int) -> Floats:
        """(chains, d) draws near the plane that is held."""
        z = self.flow.draw(self.condition, 20 * chains, seed)
        plane, values = [*held], np.array([*held.values()])
        near = np.argsort(np.linalg.norm((z[:, plane] - values) / z[:, plane].std(axis=0), axis=1))[:chains]
        z = z[near]
        z[:, plane] = values
        return z

    def _slice(
        self, z: Floats, height: Floats, k: int, width: float, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """One update of coordinate k in every chain (Neal 2003, with an interval that only shrinks)."""
        level = height + np.log(rng.random(len(z)))
        low = z[:, k] - width * rng.random(len(z))
        high = low + width
        open_, made, best = np.ones(len(z), dtype=bool), z.copy(), height.copy()
        for _ in range(50):
            tried = made.copy()
            tried[open_, k] = low[open_] + (high - low)[open_] * rng.random(int(open_.sum()))
            now = self.height(tried)
            took = open_ & (now >= level)
            made[took, k], best[took] = tried[took, k], now[took]
            open_ &= ~took
            if not open_.any():
                break
            below = open_ & (tried[:, k] < z[:, k])
            above = open_ & ~below
            low[below], high[above] = tried[below, k], tried[above, k]
        return made, best


def summary(theta: Floats, names: Sequence[str]) -> dict[str, Any]:
    """Mean, standard deviation and central 95 % of each parameter. theta: (n, d)."""
    low, middle, high = np.quantile(theta, [0.025, 0.5, 0.975], axis=0)
    return {
        name: {
            "mean": float(theta[:, k].mean()), "sd": float(theta[:, k].std(ddof=1)),
            "low": float(low[k]), "median": float(middle[k]), "high": float(high[k]),
        }
        for k, name in enumerate(names)
    }  # fmt: skip
