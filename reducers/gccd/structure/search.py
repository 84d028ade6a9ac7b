"""A forward search for the cliques of a molecule: score tests, held-out likelihood, stability over resamples.

Beginning with independent sites, that interaction comes in whose score test (Lagrange multiplier, χ² with as many
degrees of freedom as features and slices) is least likely by chance, and all are fitted anew, until none is below
`ALPHA` over the number of candidates. A clique of three is a candidate once its pairs are in. Then those go whose
likelihood ratio no longer passes, and those that resamples do not find: what chance let in it seldom lets in again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import chi2

from couple.base.arrays import Counts, Floats
from couple.rng.streams import generator
from reducers.gccd.structure.interactions import Clique, MoleculeStates, SiteField, log_likelihood

ALPHA = 0.01
"""Chance that a search lets in anything where sites are independent."""
RESAMPLES, PART, STABLE = 24, 0.8, 0.75
"""Subsamples of the molecules, their share of all, and the share of them that must find a clique."""
FOLDS = 5
FLOOR = 1e-6
"""Share of the molecules that is spread evenly over all states, so that a state that was not seen is not impossible."""


@dataclass(frozen=True)
class ChosenGraph:
    """cliques: chosen, in the order in which they came in, by the sites' numbers. names: theirs.

    stability: name → share of resamples that found it, dropped ones included. parameters: per slice. gain: of the
    log-likelihood of held-out molecules over independent sites, nats per molecule, and its standard error over folds.
    candidates: how many were tried.
    """

    cliques: tuple[Clique, ...]
    names: tuple[str, ...]
    stability: dict[str, float]
    parameters: int
    gain: float
    error: float
    candidates: int

    @property
    def line(self) -> str:
        """One line that says it."""
        if not self.cliques:
            return f"nothing better than independent sites among {self.candidates} interactions"
        beside = f"{self.gain:.4g} ± {self.error:.2g} nats per molecule ahead of independent sites, held out"
        return f"{', '.join(self.names)}: {beside}"


def choose_graph(
    molecule: MoleculeStates, counts: Counts, largest: int = 3, seed: int = 1, most: int | None = None
) -> ChosenGraph:
    """The interactions of a molecule. counts: (n_slices, n_states) whole molecules; largest: sites of a clique; most:
    potentials of a slice, all that are needed by default.
    """
    found = search(molecule, counts, largest, most)
    rng = generator(seed, "gccd", "structure", "resamples")
    stability = {molecule.name(c): 0.0 for c in found}
    if found:
        whole, bar = SiteField(molecule, found), ALPHA / _count(molecule, largest)
        start = whole.fit(counts / counts.sum(axis=1, keepdims=True), floor=FLOOR)[0]
        for _ in range(RESAMPLES):
            chances = _wald(whole, _thinned(counts, PART, rng), start)
            for clique in found:
                stability[molecule.name(clique)] += (chances[clique] <= bar) / RESAMPLES
    chosen = [c for c in found if stability[molecule.name(c)] >= STABLE]
    chosen = [c for c in chosen if set(_below(molecule, c)) <= set(chosen)]
    gain, error = held_out_gain(molecule, counts, chosen, rng) if chosen else (0.0, 0.0)
    if gain <= error:
        chosen, gain, error = [], 0.0, 0.0
    return ChosenGraph(
        tuple(chosen),
        tuple(molecule.name(c) for c in chosen),
        stability,
        SiteField(molecule, chosen).parameters,
        gain,
        error,
        _count(molecule, largest),
    )


def _count(molecule: MoleculeStates, largest: int) -> int:
    """How many candidates there are."""
    return sum(len(_candidates(molecule, size)) for size in range(2, largest + 1))


def search(
    molecule: MoleculeStates, counts: Counts | Floats, largest: int = 3, most: int | None = None
) -> list[Clique]:
    """Cliques in the order in which they come in, without those that are not needed at the end; most: see above."""
    whole = max(_count(molecule, largest), 1)
    pool = [c for size in range(2, largest + 1) for c in _candidates(molecule, size)]
    total = counts.sum(axis=1, keepdims=True).astype(float)
    shares, chosen = counts / total, list[Clique]()
    field = SiteField(molecule, chosen)
    _, p = field.fit(shares, floor=FLOOR)
    while True:
        open_ = [c for c in pool if c not in chosen and set(_below(molecule, c)) <= set(chosen)]
        if most is not None:
            open_ = [c for c in open_ if field.parameters + molecule.features[c].shape[1] <= most]
        tests = [(_score(field, molecule.features[c], shares, p, total), c) for c in open_]
        best = min(tests, default=(1.0, ()))
        if best[0] > ALPHA / whole:
            break
        chosen.append(best[1])
        field = SiteField(molecule, chosen)
        _, p = field.fit(shares, floor=FLOOR)
    return _without_chance(molecule, counts, shares, chosen, ALPHA / whole)


def _without_chance(
    molecule: MoleculeStates, counts: Counts | Floats, shares: Floats, chosen: list[Clique], bar: float
) -> list[Clique]:
    """Backward: the clique goes whose likelihood ratio is most likely by chance, until all pass."""
    chosen = list(chosen)
    while chosen:
        whole = log_likelihood(counts, SiteField(molecule, chosen).fit(shares, floor=FLOOR)[1])
        tests = []
        for clique in (c for c in chosen if not any(set(c) < set(other) for other in chosen)):
            rest = SiteField(molecule, [c for c in chosen if c != clique])
            lost = 2.0 * (whole - log_likelihood(counts, rest.fit(shares, floor=FLOOR)[1]))
            df = molecule.features[clique].shape[1] * len(counts)
            tests.append((float(chi2.sf(max(lost, 0.0), df)), clique))
        worst = max(tests)
        if worst[0] <= bar:
            break
        chosen.remove(worst[1])
    return chosen


def _candidates(molecule: MoleculeStates, size: int) -> list[Clique]:
    """Cliques of `size` sites that add something."""
    return [c for c in molecule.cliques(size) if molecule.features[c].shape[1]]


def _below(molecule: MoleculeStates, clique: Clique) -> list[Clique]:
    """Pairs in a larger clique, those that add something."""
    inner = [c for k in range(2, len(clique)) for c in combinations(clique, k)]
    return [c for c in inner if molecule.features[c].shape[1]]


def _score(field: SiteField, features: Floats, shares: Floats, p: Floats, total: Floats) -> float:
    """Chance of as large a score of features that the field does not have; p: its fit (n_slices, n_states)."""
    statistic = 0.0
    for share, q, n in zip(shares, p, total[:, 0], strict=True):
        gap = (share - q) @ features
        v, w = field.v - q @ field.v, features - q @ features
        cross = (q[:, None] * v).T @ w
        own = (q[:, None] * w).T @ w
        inside = (q[:, None] * v).T @ v + 1e-12 * np.eye(v.shape[1])
        information = own - cross.T @ np.linalg.solve(inside, cross)
        statistic += float(n) * float(gap @ np.linalg.pinv(information, rcond=1e-9) @ gap)
    return float(chi2.sf(statistic, features.shape[1] * len(shares)))


def _wald(field: SiteField, counts: Counts, start: Floats) -> dict[Clique, float]:
    """Clique → chance of as large potentials of its own features if it were not there."""
    total = counts.sum(axis=1, keepdims=True)
    mu, p = field.fit(counts / total, start, floor=FLOOR)
    statistic, at = dict.fromkeys(field.cliques, 0.0), 0
    inverses = []
    for q in p:
        centred = field.v - q @ field.v
        inverses.append(np.linalg.pinv((q[:, None] * centred).T @ centred, rcond=1e-12))
    for clique in field.cliques:
        rows = slice(at, at := at + field.molecule.features[clique].shape[1])
        for t, inverse in enumerate(inverses):
            block = np.linalg.pinv(inverse[rows, rows], rcond=1e-12)
            statistic[clique] += float(total[t, 0]) * float(mu[t, rows] @ block @ mu[t, rows])
    degrees = {c: field.molecule.features[c].shape[1] * len(counts) for c in field.cliques}
    return {c: float(chi2.sf(value, degrees[c])) for c, value in statistic.items()}


def held_out_gain(
    molecule: MoleculeStates, counts: Counts, cliques: Sequence[Clique], rng: np.random.Generator
) -> tuple[float, float]:
    """Nats per held-out molecule ahead of independent sites, and the standard error over folds."""
    left, gains = counts.astype(np.int64), []
    for fold in range(FOLDS):
        out = left if fold == FOLDS - 1 else _drawn(left, counts.sum(axis=1) // FOLDS, rng)
        left = left - out
        learned = counts - out
        shares = learned / learned.sum(axis=1, keepdims=True)
        values = [log_likelihood(out, SiteField(molecule, c).fit(shares, floor=1e-4)[1]) for c in (list(cliques), [])]
        gains.append((values[0] - values[1]) / out.sum())
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(FOLDS))


def _thinned(counts: Counts, part: float, rng: np.random.Generator) -> Counts:
    """A share of the molecules of each slice, without replacement."""
    return _drawn(counts.astype(np.int64), np.rint(part * counts.sum(axis=1)).astype(np.int64), rng)


def _drawn(counts: Counts, sizes: Counts, rng: np.random.Generator) -> Counts:
    """So many molecules of each slice, without replacement."""
    pairs = zip(counts, sizes.tolist(), strict=True)
    return np.stack([rng.multivariate_hypergeometric(row, size, method="marginals") for row, size in pairs])


def shuffled(molecule: MoleculeStates, counts: Counts, rng: np.random.Generator) -> Counts:
    """Counts of molecules each of whose sites was taken from another molecule: no site depends on any other.

    Only of molecules all of whose states can be.
    """
    out = np.zeros_like(counts)
    strides = np.cumprod([1, *molecule.levels[:0:-1]])[::-1]
    for t, row in enumerate(counts):
        molecules = np.repeat(molecule.states, row, axis=0)
        mixed = np.stack([rng.permutation(column) for column in molecules.T], axis=1)
        out[t] = np.bincount(mixed @ strides, minlength=len(molecule.states))
    return out
