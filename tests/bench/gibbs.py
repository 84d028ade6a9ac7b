"""Gibbs sampling of lattices with couplings between neighbours, on one core, beside a plain NumPy checkerboard.

    uv run python tests/bench/gibbs.py

CPU time per unit update; both take turns on the same machine, so that what else runs there hits both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from figures import report

from couple.base.arrays import Floats
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Bonds, Layer, nearest_neighbours
from reducers.dbd.sampling.gibbs import Chains, Conditionals

CHAINS, ROUNDS, SWEEPS = 64, 7, 10
K = 0.3


def lattice(shape: tuple[int, ...], species: str) -> tuple[DeepBoltzmann, Floats]:
    """A periodic lattice, and couplings of an Ising model, or of several species weaker ones."""
    pairs = tuple((a, b) for k, a in enumerate(species) for b in species[k:])
    machine = DeepBoltzmann([Layer(shape, tuple(species), Bonds(nearest_neighbours(len(shape)), pairs))], [])
    strength = 4 * K if len(species) == 1 else 0.4
    theta = np.full(len(machine.parameters), strength)
    theta[: len(species)] = -strength * len(shape)
    return machine, theta


def ours(shape: tuple[int, ...], species: str) -> Callable[[], None]:
    """A function that sweeps `SWEEPS` times."""
    machine, theta = lattice(shape, species)
    tables, sets, made = Conditionals(machine, theta), np.zeros(CHAINS, dtype=np.int64), Chains(machine, CHAINS, 1, "b")
    made.randomise(1, "b")
    return lambda: made.sweep(tables, sets, SWEEPS)


def plain(shape: tuple[int, ...], tuned: bool) -> Callable[[], None]:
    """The same of one species by whole arrays: shifted copies, a conditional probability, a mask for each colour.

    tuned: probabilities from a table, random numbers of 32 bits; otherwise as one writes it.
    """
    rng, axes = np.random.default_rng(1), range(1, len(shape) + 1)
    states = rng.integers(0, 2, (CHAINS, *shape), dtype=np.int8)
    bias, near = -4 * K * len(shape), np.arange(2 * len(shape) + 1)
    table = (1 / (1 + np.exp(-(4 * K * near + bias)))).astype(np.float32)
    parity = np.indices(shape).sum(axis=0) % 2 == 0

    def sweep() -> None:
        nonlocal states
        for _ in range(SWEEPS):
            for mask in (parity, ~parity):
                count = sum(np.roll(states, shift, axis) for axis in axes for shift in (1, -1))
                if tuned:
                    drawn = rng.random(states.shape, dtype=np.float32) < table[count]
                else:
                    drawn = rng.random(states.shape) < 1 / (1 + np.exp(-(4 * K * count + bias)))
                states = np.where(mask, drawn, states).astype(np.int8)

    return sweep


def seconds(run: Callable[[], None]) -> float:
    """CPU time."""
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    """Report lines of JSON."""
    for shape in ((64, 64), (16, 16, 16)):
        updates, name = SWEEPS * CHAINS * int(np.prod(shape)), " x ".join(map(str, shape))
        runs = {
            "one species": ours(shape, "A"),
            "two species": ours(shape, "AB"),
            "NumPy": plain(shape, False),
            "tuned NumPy": plain(shape, True),
        }
        for run in runs.values():
            run()  # compiles
        found = {key: [] for key in runs}
        for _ in range(ROUNDS):
            for key, run in runs.items():
                found[key].append(1e9 * seconds(run) / updates)
        for key in ("one species", "two species"):
            report(f"Gibbs, {name}, {key}, CPU per unit update", statistics.median(found[key]), "ns", 5.0)
        for key, target in (("NumPy", 8.0), ("tuned NumPy", None)):
            ratios = [b / a for a, b in zip(found["one species"], found[key], strict=True)]
            name_of = f"{key} checkerboard over ours, {name}, one species"
            report(name_of, statistics.median(ratios), "1", target, more=True)


if __name__ == "__main__":
    main()
