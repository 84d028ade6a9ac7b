"""Problems whose posteriors are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats

D = 8
NOISE = 0.5
MIXING = np.random.default_rng(8).normal(0, 0.5, (D, D)) + np.eye(D)


def linear_gaussian(theta: Floats, seed: int) -> Floats:
    """x = A theta + noise, of the prior N(0, 1) in 8 directions."""
    return MIXING @ theta + NOISE * np.random.default_rng(seed).standard_normal(D)


def linear_gaussian_posterior(x: Floats, n: int, rng: np.random.Generator) -> Floats:
    """(n, 8) exact draws."""
    precision = np.eye(D) + MIXING.T @ MIXING / NOISE**2
    covariance = np.linalg.inv(precision)
    return rng.multivariate_normal(covariance @ MIXING.T @ x / NOISE**2, covariance, n)


def two_moons(theta: Floats, seed: int) -> Floats:
    """Of Greenberg et al. 2019, as in Lueckmann et al. 2021 (T.8); prior uniform in -1 .. 1."""
    rng = np.random.default_rng(seed)
    x = _crescent(1, rng)[0]
    return x + np.array([-abs(theta[0] + theta[1]), -theta[0] + theta[1]]) / np.sqrt(2)


def two_moons_posterior(x: Floats, n: int, rng: np.random.Generator) -> Floats:
    """(n, 2) exact draws: the crescent taken back from x, in either branch, within the prior."""
    moved = x - _crescent(20 * n, rng)
    moved = moved[moved[:, 0] <= 0]
    total = np.sqrt(2) * np.abs(moved[:, 0]) * rng.choice([-1, 1], len(moved))
    difference = np.sqrt(2) * moved[:, 1]
    theta = np.stack([total - difference, total + difference], axis=1) / 2
    return theta[np.all(np.abs(theta) <= 1, axis=1)][:n]


def _crescent(n: int, rng: np.random.Generator) -> Floats:
    angle, radius = rng.uniform(-np.pi / 2, np.pi / 2, n), rng.normal(0.1, 0.01, n)
    return np.stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)], axis=1)


@dataclass(frozen=True)
class Case:
    """prior: of each parameter. features: how many. exact: (x, n, rng) → draws. family: of the flow."""

    name: str
    prior: Mapping[str, str]
    features: int
    observation: Floats
    exact: Callable[[Floats, int, np.random.Generator], Floats]
    family: str

    def file(self, method: str, simulations: int, rounds: int, **flow: object) -> str:
        """A file of an inference, beside simulator.py."""
        values = ", ".join(f"x{k} = {float(v)!r}" for k, v in enumerate(self.observation))
        return "\n".join(
            [
                "[infer]",
                f'name = "{self.name}"',
                f'method = "{method}"',
                f'simulator = "simulator.py:{self.name}"',
                f"simulations = {simulations}",
                f"rounds = {rounds}",
                "[prior]",
                *(f'{k} = "{v}"' for k, v in self.prior.items()),
                "[features]",
                *(f'x{k} = "1"' for k in range(self.features)),
                "[observation]",
                f"values = {{ {values} }}",
                "[diagnostics]",
                "predictive = 0",
                "[flow]",
                f'family = "{self.family}"',
                *(f"{k} = {v}" for k, v in flow.items()),
            ]
        )


SIMULATOR = "from support.inference_cases import linear_gaussian, two_moons\n"
CASES = {
    "linear_gaussian": Case(
        "linear_gaussian",
        {f"t{k}": "normal 0 1" for k in range(D)},
        D,
        linear_gaussian(np.linspace(-1, 1, D), 1),
        linear_gaussian_posterior,
        "maf",
    ),
    "two_moons": Case(
        "two_moons", {"a": "uniform -1 .. 1", "b": "uniform -1 .. 1"}, 2, np.zeros(2), two_moons_posterior, "nsf"
    ),
}
