"""Runs and ensembles of the paper's lattice as arrays: the quick way for whoever learns from them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.domain import Boundary, Domain, build_domain
from adapters.lattice.common.neighbours import pairs_of
from adapters.lattice.paper import kernel
from adapters.lattice.paper.tables import PaperParticles, PaperRules, build_particles, build_rules
from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.rng.streams import stream

Int64 = npt.NDArray[np.int64]
Uint8 = npt.NDArray[np.uint8]
Initial = Mapping[str, int] | Uint8
"""Particles of each species, to be placed at random, or the code of every site (0 empty, species index + 1)."""


@dataclass(frozen=True)
class PaperRun:
    """One run; row k is the state after `steps[k]` steps.

    species: names of the columns of counts. pairs: of those of the moments, unordered, ("A", "A") included.
    counts:  (n_rows, n_species). nn, m2: (n_rows, n_pairs), pairs of neighbours, and of sites two steps apart.
    snapshots: (n_rows, *shape) uint8 codes, 0 empty, species index + 1, 255 outside of a mask; None if not asked for.
    """

    steps: Int64
    species: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    counts: Int64
    nn: Int64
    m2: Int64
    snapshots: Uint8 | None


@dataclass(frozen=True)
class PaperEnsemble:
    """Many runs; arrays are those of `PaperRun` with an axis of runs in front. seeds: (n_runs,)."""

    steps: Int64
    species: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    counts: Int64
    nn: Int64
    m2: Int64
    snapshots: Uint8 | None
    seeds: Int64


def run(
    network: ReactionNetwork,
    shape: Sequence[int],
    steps: int,
    seed: int,
    *,
    initial: Initial,
    periodic: bool = True,
    row_first: bool = False,
    every: int = 1,
    moments: bool = True,
    snapshots: bool = False,
) -> PaperRun:
    """One run of `steps` steps on a lattice of `shape` sites; a row at the start and after every `every` steps.

    periodic: else the neighbours outside are left out. row_first: how particles and free sites are chosen, see
    `paper.choose`; the default is uniform. Raises InputError for what does not fit.
    """
    domain, rules = _prepared(network, tuple(shape), periodic, row_first)
    particles = build_particles(network, domain, stream(seed, "lattice", "paper", "steps"), row_first=row_first)
    _start(network, domain, rules, particles, initial)
    rows, pairs = _rows(steps, every), pairs_of(network.names)
    counts = np.zeros((rows, len(network.species)), dtype=np.int64)
    nn, m2 = (np.zeros((rows * moments, len(pairs)), dtype=np.int64) for _ in range(2))
    cells = np.zeros((rows * snapshots, int(np.prod(domain.shape))), dtype=np.uint8)
    kernel.record(rules, particles, steps, every, counts, nn, m2, cells)
    taken = cells.reshape(-1, *shape) if snapshots else None
    return PaperRun(every * np.arange(rows), network.names, pairs, counts, nn, m2, taken)


def ensemble(
    network: ReactionNetwork,
    shape: Sequence[int],
    steps: int,
    runs: int,
    seed: int,
    *,
    initial: Initial | Sequence[Initial],
    threads: int = 1,
    periodic: bool = True,
    row_first: bool = False,
    every: int = 1,
    moments: bool = True,
    snapshots: bool = False,
) -> PaperEnsemble:
    """`runs` independent runs with the seeds seed, seed + 1, …; what is not named here is as in `run`.

    initial: one for all, or a sequence with one for each run. Results do not depend on `threads`.
    """
    each = initial if isinstance(initial, Sequence) else [initial] * runs
    if len(each) != runs:
        raise InputError(f"{len(each)} initial states for {runs} runs")

    def one(k: int) -> PaperRun:
        return run(
            network,
            shape,
            steps,
            seed + k,
            initial=each[k],
            periodic=periodic,
            row_first=row_first,
            every=every,
            moments=moments,
            snapshots=snapshots,
        )

    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(one, range(runs))) if threads > 1 else [one(k) for k in range(runs)]
    first = made[0]
    return PaperEnsemble(
        first.steps,
        first.species,
        first.pairs,
        np.array([r.counts for r in made]),
        np.array([r.nn for r in made]),
        np.array([r.m2 for r in made]),
        np.array([r.snapshots for r in made]) if snapshots else None,
        seed + np.arange(runs),
    )


@functools.lru_cache(maxsize=16)
def _prepared(
    network: ReactionNetwork, shape: tuple[int, ...], periodic: bool, row_first: bool
) -> tuple[Domain, PaperRules]:
    edge: Boundary = "periodic" if periodic else "reflecting"
    domain = build_domain(shape, [(edge, edge)] * len(shape))
    return domain, build_rules(network, domain, row_first=row_first)


def _rows(steps: int, every: int) -> int:
    if steps < 0 or every < 1 or steps % every:
        raise InputError(f"{steps} steps with a row every {every}: give a multiple of it")
    return steps // every + 1


def _start(
    network: ReactionNetwork, domain: Domain, rules: PaperRules, particles: PaperParticles, initial: Initial
) -> None:
    if isinstance(initial, Mapping):
        for name in initial:
            if name not in network.names:
                raise InputError(f'unknown species "{name}" among the initial ones; {nearest(name, network.names)}')
        place_all_particles(network, domain, rules, particles, [initial.get(name, 0) for name in network.names])
        return
    codes = np.asarray(initial, dtype=np.uint8)
    box = domain.inner(particles.lattice)
    if codes.shape != box.shape or (codes > len(network.names)).any():
        raise InputError(
            f"an initial lattice has the shape {box.shape} and codes up to {len(network.names)}, "
            f"not {codes.shape} and {codes.max(initial=0)}"
        )
    flat = np.flatnonzero(domain.lattice == 0)
    for site, code in zip(flat.tolist(), codes.ravel().tolist(), strict=True):
        if code:
            kernel.add_particle(particles, code, site)


def place_all_particles(
    network: ReactionNetwork, domain: Domain, rules: PaperRules, particles: PaperParticles, counts: Sequence[int]
) -> None:
    """Place the particles of each species on random free sites, species in alphabetical order.

    Raises InputError if there are more than sites.
    """
    if min(counts, default=0) < 0 or sum(counts) > domain.n_cells:
        raise InputError(f"{sum(counts)} particles ({list(counts)}) for {domain.n_cells} lattice sites")
    for k in sorted(range(len(counts)), key=lambda k: network.names[k]):
        kernel.place_particles(rules, particles, k + 1, counts[k])
