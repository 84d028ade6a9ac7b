"""Priors of independent parameters, and the coordinates in which each of them is a standard normal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError
from couple.ensemble.design import Range, read_range

EDGE = 2.0**-52
"""Least distance of a quantile from 0 and 1: z is at most 8.1."""


@dataclass(frozen=True)
class Prior:
    """One distribution for each parameter.

    In the coordinates z = Phi^-1(F(theta)), with F the distribution function of the prior and Phi that of the standard
    normal, the prior is N(0, 1) in every direction. A density over all z is one over the support of the prior: nothing
    leaks beyond its bounds.
    """

    ranges: tuple[Range, ...]

    @classmethod
    def read(cls, table: Mapping[str, object]) -> Prior:
        """From name → "uniform 0 .. 1 mV" and the like. Raises InputError that names the parameter."""
        ranges = []
        for name, text in table.items():
            try:
                one = read_range(name, text)
            except InputError as error:
                raise InputError(error.message, where=f'prior."{name}"') from None
            if not one.distribution:
                raise InputError(
                    "is a list of values, not a distribution: uniform, loguniform, normal or truncnormal",
                    where=f'prior."{name}"',
                )
            ranges.append(one)
        if not ranges:
            raise InputError('is empty: give name = "uniform 0 .. 1 mV"', where="prior")
        return cls(tuple(ranges))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters."""
        return tuple(one.key for one in self.ranges)

    @property
    def units(self) -> tuple[str, ...]:
        """Of the parameters; "" without."""
        return tuple(one.unit for one in self.ranges)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self.ranges)

    @property
    def bounds(self) -> Floats:
        """(d, 2) support; infinite of normals."""
        return np.array(
            [one.numbers[-2:] if one.distribution != "normal" else (-np.inf, np.inf) for one in self.ranges]
        )

    @property
    def scale(self) -> Floats:
        """(d,) standard deviations."""
        return np.array([float(_distribution(one).std()) for one in self.ranges])

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """(n, d) independent parameters."""
        return self.from_normal(rng.standard_normal((n, len(self))))

    def inside(self, theta: Floats) -> Bools:
        """(n,) whether each of (n, d) is in the support."""
        low, high = self.bounds.T
        return np.asarray(np.all((theta >= low) & (theta <= high), axis=1))

    def log_density(self, theta: Floats) -> Floats:
        """(n,) of (n, d) parameters in their units; -inf outside."""
        found = np.full(len(theta), -np.inf)
        inside = self.inside(theta)
        found[inside] = np.sum([_log_density(r, theta[inside, k]) for k, r in enumerate(self.ranges)], axis=0)
        return found

    def to_normal(self, theta: Floats) -> Floats:
        """(n, d) z of parameters inside of the support."""
        columns = []
        for k, one in enumerate(self.ranges):
            if one.distribution == "normal":
                mean, sd = one.numbers
                columns.append((theta[:, k] - mean) / sd)
            else:
                columns.append(special.ndtri(np.clip(_quantiles(one, theta[:, k]), EDGE, 1 - EDGE)))
        return np.stack(columns, axis=1)

    def from_normal(self, z: Floats) -> Floats:
        """(n, d) parameters."""
        quantiles = np.clip(special.ndtr(z), EDGE, 1 - EDGE)
        columns = []
        for k, one in enumerate(self.ranges):
            if one.distribution == "normal":
                mean, sd = one.numbers
                columns.append(mean + sd * z[:, k])
            else:
                columns.append(one.at(quantiles[:, k]))
        return np.stack(columns, axis=1)

    def log_volume(self, z: Floats) -> Floats:
        """(n,) of log |dz/dtheta|, which makes a density over z one over parameters."""
        theta = self.from_normal(z)
        height = np.sum([_log_density(one, theta[:, k]) for k, one in enumerate(self.ranges)], axis=0)
        return np.asarray(height + 0.5 * np.sum(z**2 + np.log(2 * np.pi), axis=1))

    @property
    def entropy(self) -> float:
        """Differential entropy, nats, of parameters in their units."""
        return float(sum(_entropy(one) for one in self.ranges))

    def differences(self, then: Sequence[Mapping[str, object]]) -> list[str]:
        """What changed since a prior was stored, one text for each parameter."""
        before = {str(one["key"]): one for one in then}
        now = {str(one["key"]): one for one in self.to_json()}
        return [
            f"{k}: {_text(before.get(k))} -> {_text(now.get(k))}"
            for k in {**before, **now}
            if before.get(k) != now.get(k)
        ]

    def to_json(self) -> list[dict[str, object]]:
        """For files."""
        return [
            {"key": r.key, "unit": r.unit, "distribution": r.distribution, "numbers": list(r.numbers)}
            for r in self.ranges
        ]

    @classmethod
    def from_json(cls, content: Sequence[Mapping[str, object]]) -> Prior:
        """What `to_json` made."""
        return cls(
            tuple(
                Range(str(c["key"]), str(c["unit"]), (), str(c["distribution"]), tuple(c["numbers"]))  # type: ignore[arg-type]
                for c in content
            )
        )


def _text(stored: Mapping[str, object] | None) -> str:
    if stored is None:
        return "absent"
    numbers = " ".join(f"{x:g}" for x in stored["numbers"])  # type: ignore[attr-defined]
    return f"{stored['distribution']} {numbers} {stored['unit']}".strip()


def _log_density(one: Range, values: Floats) -> Floats:
    """(n,) of values inside of the bounds."""
    if one.distribution == "uniform":
        return np.full(len(values), -np.log(one.numbers[1] - one.numbers[0]))
    if one.distribution == "loguniform":
        return np.asarray(-np.log(values) - np.log(np.log(one.numbers[1] / one.numbers[0])))
    return np.asarray(_distribution(one).logpdf(values))


def _entropy(one: Range) -> float:
    """Nats: -E log p."""
    if one.distribution == "loguniform":
        low, high = np.log(one.numbers[-2:])
        return float((low + high) / 2 + np.log(high - low))
    return float(_distribution(one).entropy())


def _quantiles(one: Range, values: Floats) -> Floats:
    """(n,) in 0 .. 1."""
    low, high = one.numbers[-2:]
    if one.distribution == "uniform":
        return np.asarray((values - low) / (high - low))
    if one.distribution == "loguniform":
        return np.asarray(np.log(values / low) / np.log(high / low))
    return np.asarray(_distribution(one).cdf(values))


def _distribution(one: Range) -> Any:
    """As SciPy has it."""
    numbers = one.numbers
    if one.distribution == "normal":
        return stats.norm(*numbers)
    low, high = numbers[-2:]
    if one.distribution == "uniform":
        return stats.uniform(low, high - low)
    if one.distribution == "loguniform":
        return stats.loguniform(low, high)
    mean, sd = numbers[:2]
    return stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)
