"""F of a chain that is nearly the same everywhere: to first order in what differs, with arbitrary correlations.

Around an endless homogeneous chain F_i(θ + δ) = F(θ) + Σ_r K(r) δ_{i+r} + O(δ²), a sum over distances whose kernel
decays as correlations do. K is exact: the row of the Jacobian of F in the middle of a row of free sites that is so long
that its ends are not felt.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from reducers.dbd.chains.fluxes import events_of
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.projection import Projection
from reducers.dbd.chains.rule import Rule

LONGEST = 400
"""Sites that a kernel may reach to either side."""


class Perturbation:
    """First-order F around the homogeneous chain at θ (n,) under rules that act everywhere.

    rates: (n,) F of the homogeneous chain. sites: (types, n_species, 2 R + 1) and bonds: (types, n_pairs, 2 R) response
    of F of each type (fields, then couplings, in the order of the chain's parameters) to fields and couplings at a
    distance; for fields distances of sites -R … R and of bonds R - 1 to the left to R - 1 to the right, seen from a
    coupling likewise from the site to its left. accuracy: what correlations have decayed to at the ends.
    Raises RunError where they reach further than 400 sites.
    """

    def __init__(self, chain: Chain, rules: Sequence[Rule], theta: Floats, accuracy: float = 1e-14) -> None:
        self.chain, self.reach = chain, _reach(chain, theta, accuracy)
        size, count = 2 * self.reach + 1, len(chain.species)
        row = InhomogeneousChain(chain.species, size, size)
        fields, couplings = np.repeat(theta[:count], size), np.repeat(theta[count:], size - 1)
        here, events = Projection(row, np.concatenate([fields, couplings])), events_of(rules, size)
        middle = [a * size + self.reach for a in range(count)]
        middle += [count * size + k * (size - 1) + self.reach for k in range(len(chain.pairs))]
        self.rates = here.rates(events)[middle]
        units = np.zeros((len(middle), len(row.parameters)))
        units[np.arange(len(middle)), middle] = 1.0
        found = here.pulled(events, units)
        self.sites = found[:, : count * size].reshape(len(middle), count, size)
        self.bonds = found[:, count * size :].reshape(len(middle), len(chain.pairs), size - 1)

    def change(self, fields: Floats, couplings: Floats) -> tuple[Floats, Floats]:
        """What F gains, of fields (N, n_species) and of couplings (N - 1, n_pairs), by such deviations from θ.

        The chain is endless: beyond the N sites there are none.
        """
        count, pairs = len(self.chain.species), len(self.chain.pairs)
        if fields.shape[1:] != (count,) or couplings.shape != (len(fields) - 1, pairs):
            raise InputError(
                f"deviations of {fields.shape} and {couplings.shape}: give (N, {count}) and (N - 1, {pairs})"
            )
        out = []
        for sites, bonds in zip(self.sites, self.bonds, strict=True):
            gained = np.zeros(len(fields))
            for kernel, values in zip(sites, fields.T, strict=True):
                gained += _correlated(kernel, values, self.reach, len(gained))
            for kernel, values in zip(bonds, couplings.T, strict=True):
                gained += _correlated(kernel, values, self.reach, len(gained))
            out.append(gained)
        return np.stack(out[:count], axis=1), np.stack(out[count:], axis=1)[:-1]


def _reach(chain: Chain, theta: Floats, accuracy: float) -> int:
    """Sites after which correlations of the endless chain are `accuracy` of what they were."""
    weights = np.tensordot(theta, chain.logs, axes=1)
    values = np.sort(np.abs(np.linalg.eigvalsh(np.exp(weights - weights.max()))))
    ratio = values[-2] / values[-1]
    reach = 8 if ratio == 0.0 else 8 + int(np.ceil(np.log(accuracy) / np.log(ratio)))
    if reach > LONGEST:
        raise RunError(f"the chain at {theta} is correlated over {reach} sites: a kernel reaches {LONGEST} at most")
    return reach


def _correlated(kernel: Floats, values: Floats, before: int, size: int) -> Floats:
    """(size,) Σ_d kernel[before + d] values[i + d], values being 0 outside."""
    padded = np.zeros(size + len(kernel) - 1)
    padded[before : before + len(values)] = values
    return np.correlate(padded, kernel, mode="valid")
