"""How smooth a field should be: weights of the prior by cross-validation over runs, or over particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.rng.streams import generator
from reducers.fields.density.basis import FieldBasis
from reducers.fields.density.estimates import Prior, PriorName, estimate_fields
from reducers.fields.density.particles import ParticleLoads, ParticleRuns

FOLDS = 4


@dataclass(frozen=True, eq=False)
class Fold:
    """Summed loads (T, species, N) to learn from and to test on, with their exposures in runs."""

    learn: Floats
    learn_runs: float
    test: Floats
    test_runs: float


def folds_of(particles: ParticleRuns, basis: FieldBasis, seed: int, folds: int = FOLDS) -> list[Fold]:
    """Runs dealt into folds; with fewer runs than folds, the particles (a thinned Poisson process is one)."""
    rng = generator(seed, "reducers", "fields", "folds")
    if particles.runs >= folds:
        loads = ParticleLoads.of(particles, basis)
        fold = rng.permutation(np.arange(loads.runs) % folds)
        everything = loads.total()
        tests = [loads.total(np.flatnonzero(fold == k)) for k in range(folds)]
        sizes = [float((fold == k).sum()) for k in range(folds)]
        return [Fold(everything - t, loads.runs - n, t, n) for t, n in zip(tests, sizes, strict=True)]
    phi, n = basis.load(particles.places), len(particles.places)
    fold = rng.permutation(np.arange(n) % folds)
    shape = (len(particles.time), len(particles.species))
    at = np.ravel_multi_index((particles.row, particles.kind), shape)
    made = []
    share = particles.runs / folds
    for k in range(folds):
        parts = []
        for chosen in (fold != k, fold == k):
            gather = csr_array((chosen.astype(float), (at, np.arange(n))), shape=(int(np.prod(shape)), n))
            parts.append((gather @ phi).toarray().reshape(*shape, -1))
        made.append(Fold(parts[0], particles.runs - share, parts[1], share))
    return made


def score(basis: FieldBasis, folds: Sequence[Fold], species: int, prior: Prior, time: Floats) -> float:
    """Held-out log-likelihood of one species, summed over folds; -inf where no estimate exists."""
    total = 0.0
    for fold in folds:
        try:
            nu = estimate_fields(basis, fold.learn[:, species], fold.learn_runs, prior, time)
        except RunError:
            return -np.inf
        expected = sum(float(basis.weights(x).sum()) for x in nu)
        total -= float((fold.test[:, species] * nu).sum()) + fold.test_runs * expected
    return total


def choose_prior(
    basis: FieldBasis,
    folds: Sequence[Fold],
    species: int,
    time: Floats,
    kind: PriorName = "laplacian",
    *,
    couple: bool = False,
    decades: tuple[float, float] = (-6.0, 4.0),
) -> Prior:
    """The weights of the best held-out log-likelihood; first of smoothness, then of coupling in time, then again.

    Weights are searched on a grid of whole decades (relative to one particle and the size of the mesh, which makes them
    free of units), then to a third of one.
    """
    length = basis.measure ** (1 / max(basis.cells.shape[1] - 1, 1))
    dimension = basis.cells.shape[1] - 1
    unit = length ** ((4 if kind == "laplacian" else 2) - dimension)
    prior = Prior(kind, unit)

    def smoothest(base: Prior) -> Prior:
        return _best(basis, folds, species, time, base, "smooth", unit, decades)

    prior = smoothest(prior)
    if couple and len(time) > 1:
        unit_time = (time[-1] - time[0]) ** (3 if len(time) > 2 else 1) / basis.measure
        coupled = _best(basis, folds, species, time, prior, "couple", unit_time, (-6.0, 2.0))
        if score(basis, folds, species, coupled, time) > score(basis, folds, species, prior, time):
            prior = smoothest(coupled)
    return prior


def _best(
    basis: FieldBasis,
    folds: Sequence[Fold],
    species: int,
    time: Floats,
    prior: Prior,
    weight: str,
    unit: float,
    decades: tuple[float, float],
) -> Prior:
    known: dict[float, float] = {}

    def at(exponent: float) -> float:
        if exponent not in known:
            known[exponent] = score(basis, folds, species, replace(prior, **{weight: unit * 10.0**exponent}), time)
        return known[exponent]

    for k in np.arange(decades[0], decades[1] + 0.5):
        at(float(k))
    for step in (1 / 2, 1 / 6):
        best = max(known, key=lambda e: known[e])
        for k in (best - step, best + step):
            at(k)
    best = max(known, key=lambda e: known[e])
    return replace(prior, **{weight: unit * 10.0**best})
