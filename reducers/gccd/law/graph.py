"""Markov random fields of one molecule: cliques of sites, features that are independent, all states listed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.dbd.energy.family import Enumerated
from reducers.gccd.law.molecule import LEVELS, SITES, STATES

GRAPHS: dict[str, tuple[str, ...]] = {
    "independent": ("C", "N", "B", "P", "D"),
    "pairs": ("CB", "NB", "CP", "NP", "BP", "BD", "PD"),
    "all pairs": ("CN", "CB", "NB", "CP", "NP", "CD", "ND", "BP", "BD", "PD"),
    "triples": ("CNB", "CNP", "BPD"),
    "full": ("CNBPD",),
}
"""pairs: those that share a reaction's rate. triples: those that a bimolecular rule couples; binding to K reads both
lobes (CNB), phosphorylation too (CNP), pairing reads neither (BPD)."""


class SiteGraph(Enumerated):
    """p(s; μ) ∝ exp(Σ μ_a V_a(s)) over the states that can be; V_a are products of indicators [site = level > 0].

    Features of all subsets of the cliques, without those that impossible states make redundant.
    states: (n_states, n_sites). Raises InputError for a clique with a site that is not there.
    """

    def __init__(
        self,
        cliques: Sequence[str],
        sites: Sequence[str] = SITES,
        levels: Sequence[int] = LEVELS,
        states: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = STATES,
    ) -> None:
        self.cliques, self.states = tuple(cliques), states
        unknown = {letter for clique in cliques for letter in clique} - set(sites)
        if unknown:
            raise InputError(f"cliques name sites {', '.join(sorted(unknown))}; there are {', '.join(sites)}")
        names, columns = ["1"], [np.ones(len(states))]
        for subset in _subsets(cliques, sites):
            at = [sites.index(letter) for letter in subset]
            for chosen in product(*(range(1, levels[k]) for k in at)):
                column = (states[:, at] == np.array(chosen)).all(axis=1).astype(float)
                if np.linalg.matrix_rank(np.stack([*columns, column])) > len(columns):
                    columns.append(column)
                    names.append(" ".join(_label(s, a, levels[k]) for s, a, k in zip(subset, chosen, at, strict=True)))
        super().__init__(names[1:], np.stack(columns[1:], axis=1))

    @classmethod
    def named(cls, name: str) -> SiteGraph:
        """One of `GRAPHS`, of calmodulin."""
        return cls(GRAPHS[name])


def _subsets(cliques: Sequence[str], sites: Sequence[str]) -> list[str]:
    """All subsets of cliques, small ones first."""
    found = {s for clique in cliques for k in range(1, len(clique) + 1) for s in combinations(clique, k)}
    ordered = sorted(found, key=lambda s: (len(s), [sites.index(letter) for letter in s]))
    return ["".join(s) for s in ordered]


def _label(site: str, level: int, levels: int) -> str:
    return site if levels == 2 else f"{site}{level}"


def divergence(data: Floats, model: Floats) -> Floats:
    """(…,) Kullback-Leibler divergence of distributions (…, n_states), nats; the model's empty states are floored."""
    seen = data > 0
    ratio = np.where(seen, data, 1.0) / np.where(seen, np.maximum(model, 1e-12), 1.0)
    return np.asarray((data * np.log(ratio)).sum(axis=-1))
