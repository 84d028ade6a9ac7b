"""Pairwise and K-pairwise maximum entropy models, restricted and semi-restricted Boltzmann machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.rng.streams import generator, stream
from reducers.population.models.energy.energy import Energy
from reducers.population.models.energy.fit import Parts, fit_by_chains, fit_exactly, smoothed_rates
from reducers.population.models.energy.gibbs import anneal, independent_chains, sweep_energy
from reducers.population.models.enumeration import MOST, all_patterns
from reducers.population.models.model import Estimate, FitBlock, PatternModel
from reducers.population.patterns.patterns import Bits

LISTED = 14
"""Neurons up to which patterns are drawn from a list of all."""
BURN, THIN, CHAINS = 200, 10, 1000
"""Sweeps before the first pattern that is drawn, and between two of a chain; chains at most."""


class Machine(PatternModel):
    """energy: of patterns. log_z: ln Z, exact or of annealed importance sampling. rates: (n,) at which chains begin."""

    PARTS: ClassVar[Parts] = ("bias",)

    def __init__(self, energy: Energy, log_z: Estimate, rates: Floats) -> None:
        self.energy, self.log_z, self.rates = energy, log_z, rates
        self.DIRECT = "estimate" if log_z.error else "exact"  # type: ignore[misc]

    @classmethod
    def fit(cls, states: Bits, settings: FitBlock) -> Self:
        """By sums over all patterns of up to `exact` neurons, by Gibbs chains beyond."""
        windows, n = states.shape
        check_memory(8.0 * 6 * windows * n, f"an energy of {n} neurons in {windows} windows", "take fewer windows")
        rates = smoothed_rates(states)
        if states.shape[1] <= settings.exact:
            energy, log_z = fit_exactly(states, cls.PARTS, settings)
            return cls(energy, Estimate(log_z, 0.0), rates)
        energy = fit_by_chains(states, cls.PARTS, settings)
        if states.shape[1] <= MOST - 4:
            log_z = float(np.logaddexp.reduce(energy.log_weight(all_patterns(states.shape[1]))))
            return cls(energy, Estimate(log_z, 0.0), rates)
        return cls(energy, anneal(energy, rates, settings.chains, settings.seed), rates)

    @property
    def n(self) -> int:
        """Neurons."""
        return self.energy.n

    @property
    def parameters(self) -> int:
        """Of all parts; one of p(k) is fixed by the rest."""
        n, hidden = self.n, len(self.energy.hidden)
        each = {"bias": n, "pairs": n * (n - 1) // 2, "count": n - 2, "weights": n * hidden, "hidden": hidden}
        return sum(each[part] for part in self.PARTS)

    def log_probability(self, states: Bits) -> Floats:
        """(m,) natural logarithms, with the error of `log_z`."""
        self.check_states(states)
        return self.energy.log_weight(states) - self.log_z.value

    def sample(self, m: int, seed: int) -> Bits:
        """(m, n): of all patterns where they are listed, else by Gibbs chains."""
        if self.n <= LISTED:
            p = np.exp(self.energy.log_weight(all_patterns(self.n)) - self.log_z.value)
            chosen = generator(seed, "population", "draw", self.KIND).choice(len(p), m, p=p / p.sum())
            return np.ascontiguousarray(all_patterns(self.n)[chosen])
        words, chains = stream(seed, "population", "draw", self.KIND), min(m, CHAINS)
        states = independent_chains(self.rates, chains, seed, self.KIND)
        sweep_energy(self.energy, states, BURN, words)
        out = [states.copy()]
        while len(out) * chains < m:
            sweep_energy(self.energy, states, THIN, words)
            out.append(states.copy())
        return np.concatenate(out)[:m]

    def entropy(self, seed: int = 1) -> Estimate:
        """Bits, with the error of `log_z` in it."""
        found = super().entropy(seed)
        return Estimate(found.value, float(np.hypot(found.error, self.log_z.error / np.log(2))))

    def arrays(self) -> dict[str, Floats]:
        """Those of the energy, log_z with its error, and rates."""
        return {**self.energy.arrays(), "log_z": np.array(self.log_z), "rates": self.rates}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats]) -> Self:
        """Of `arrays`."""
        parts = {key: arrays[key] for key in ("bias", "pairs", "count", "weights", "hidden")}
        return cls(Energy(**parts), Estimate(*arrays["log_z"].tolist()), arrays["rates"])


class Pairwise(Machine):
    """Schneidman, Berry, Segev & Bialek, Nature 440:1007, 2006."""

    KIND, WORDS, PARTS = "pairwise", "pairwise maximum entropy", ("bias", "pairs")


class KPairwise(Machine):
    """Tkačik et al. 2014."""

    KIND, WORDS, PARTS = "k_pairwise", "K-pairwise maximum entropy", ("bias", "pairs", "count")


class Restricted(Machine):
    """Smolensky 1986; Hinton, Neural Comput 14:1771, 2002."""

    KIND, WORDS, PARTS = "rbm", "restricted Boltzmann machine", ("bias", "weights", "hidden")


class SemiRestricted(Machine):
    """Köster et al. 2014."""

    KIND, WORDS, PARTS = "semi_rbm", "semi-restricted Boltzmann machine", ("bias", "pairs", "weights", "hidden")
