"""Mixtures of Boltzmann machines: latent classes for configurations from which species have disappeared.

p(s; Θ) = Σ_k π_k p(s; θ_k), machines of one architecture with π = softmax(0, η_1, …). Class 0 has all species, class k
has lost one: what is lost does not come back, and the rest of the lattice goes its own way. A single machine shows such
an ensemble only where it has two phases, and there no sampler mixes. In data the class is seen, not inferred.

Moments obey the closure of a machine to which the class is one more unit (arXiv:1905.12122, eq. 14):
d⟨Y⟩/dt = Σ_k π_k Σ_ζ F_kζ Cov_k(Y, X_ζ) + Σ_k dη_k/dt π_k (⟨Y⟩_k - ⟨Y⟩).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, nearest
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer

FORBIDDEN = -30.0
"""Bias of a species that a class lacks; thresholds of 32 bits make its probability zero."""


class Mixture:
    """Parameters: those of `machine`, then for each class k "noX" (η_k) and "noX_NAME" (θ_k).

    absent: a species for each class that lacks it. Raises InputError for what is no visible species, or twice.
    """

    sign = 1

    def __init__(self, machine: DeepBoltzmann, absent: Sequence[str]) -> None:
        for name in absent:
            if name not in machine.visible.species:
                raise InputError(f'no visible species "{name}"; {nearest(name, machine.visible.species)}')
        if not absent or len(set(absent)) < len(absent):
            raise InputError("give the species that classes lack, each once")
        self.machine, self.absent = machine, tuple(absent)
        self.parameters = machine.parameters
        for name in absent:
            self.parameters += (f"no{name}", *(f"no{name}_{parameter}" for parameter in machine.parameters))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the machine, which all classes share."""
        return self.machine.layers

    @property
    def visible(self) -> Layer:
        """The layer that data are seen in."""
        return self.machine.visible

    def split(self, theta: Floats) -> tuple[Floats, Floats]:
        """π (…, K) and θ (…, K, n) of the classes."""
        n = len(self.machine.parameters)
        rest = theta[..., n:].reshape(*theta.shape[:-1], len(self.absent), n + 1)
        odds = np.concatenate([np.zeros((*theta.shape[:-1], 1)), rest[..., 0]], axis=-1)
        weight = np.exp(odds - odds.max(axis=-1, keepdims=True))
        machines = np.concatenate([theta[..., None, :n], rest[..., 1:]], axis=-2)
        return np.asarray(weight / weight.sum(axis=-1, keepdims=True)), machines

    def joined(self, weights: Floats, machines: Floats) -> Floats:
        """(…, N) Θ of π (…, K) > 0 and θ (…, K, n)."""
        odds = np.log(weights[..., 1:] / weights[..., :1])
        rest = np.concatenate([odds[..., None], machines[..., 1:, :]], axis=-1)
        return np.concatenate([machines[..., 0, :], rest.reshape(*rest.shape[:-2], -1)], axis=-1)

    def pinned(self, theta: Floats) -> Floats:
        """(K, n) the parameters θ (n,) of one machine for every class, lost species forbidden."""
        out = np.tile(theta, (1 + len(self.absent), 1))
        for k, name in enumerate(self.absent, start=1):
            out[k, self.machine.parameters.index(f"a0_{name}")] = FORBIDDEN
        return out

    def labels(self, counts: Floats) -> Ints:
        """(…,) class of configurations with the given numbers (…, n_species); the first that applies."""
        out = np.zeros(counts.shape[:-1], dtype=np.int64)
        for k, name in reversed(list(enumerate(self.absent, start=1))):
            out[counts[..., self.visible.species.index(name)] == 0] = k
        return out

    def independent(self, densities: Sequence[float]) -> Floats:
        """(N,) Θ of uncorrelated visible units: a share of 1e-3 in each class but class 0, which has the rest."""
        machines = self.pinned(self.machine.independent(densities))
        weights = np.full(len(machines), 1e-3)
        weights[0] = 1 - weights[1:].sum()
        return self.joined(weights, machines)


AnyDeep = DeepBoltzmann | Mixture


def components(model: AnyDeep, theta: Floats) -> tuple[DeepBoltzmann, Floats, Floats]:
    """The architecture, π (…, K) and θ (…, K, n); a machine by itself is a mixture of one class."""
    if isinstance(model, Mixture):
        return model.machine, *model.split(theta)
    return model, np.ones((*theta.shape[:-1], 1)), theta[..., None, :]


def class_rates(weights: Floats, odds_rates: Floats) -> npt.NDArray[np.float64]:
    """(…, K) dπ/dt from π (…, K) and dη/dt (…, K - 1)."""
    rates = np.concatenate([np.zeros((*odds_rates.shape[:-1], 1)), odds_rates], axis=-1)
    return np.asarray(weights * (rates - (weights * rates).sum(axis=-1, keepdims=True)))
