"""Speed of learning dynamic Boltzmann distributions, on one core: Gibbs sampling, and the recipe of arXiv:1905.12122.

    uv run --group bench python tests/bench/dbd.py

The data are random lattices that fill and empty like the published ones: the cost hardly depends on what is learned.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from figures import report

from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Layer, Link, patch
from reducers.dbd.fit.adjoint import Solver
from reducers.dbd.fit.comparison import WakeSleep
from reducers.dbd.fit.fit import Fit, Recipe
from reducers.dbd.fit.optimisers import SGD
from reducers.dbd.laws.hermite import Hermite
from reducers.dbd.sampling.gibbs import Chains, Conditionals

SHAPE, TIMES, STEPS = (40, 40), 501, 980
DOMAIN = ("a0_H", "a0_P", "W01_HH", "W01_PP", "W12_HH", "W12_PP")


def machine() -> DeepBoltzmann:
    layer, link = Layer(SHAPE, ("H", "P")), Link(patch(2), (("H", "H"), ("P", "P")))
    return DeepBoltzmann([layer, layer, layer], [link, link])


def data(runs: int = 10) -> Trajectories:
    """Densities of the published oscillation, roughly, without correlations."""
    rng, t = np.random.default_rng(0), np.arange(TIMES)
    prey = 0.2 - 0.14 * np.cos(2 * np.pi * t / 230)
    hunters = 0.1 - 0.06 * np.cos(2 * np.pi * (t - 40) / 230)
    draws = rng.random((runs, TIMES, SHAPE[0] * SHAPE[1]), dtype=np.float32)
    states = np.where(draws < hunters[:, None], 1, np.where(draws < (hunters + prey)[:, None], 2, 0)).astype(np.uint8)
    return Trajectories.of_snapshots(t.astype(float), ("H", "P"), states, SHAPE)


def paper_fit(runs: Trajectories) -> Fit:
    model = machine()
    theta0 = np.zeros(len(model.parameters))
    theta0[:2] = -2.63
    law = Hermite(model.parameters, DOMAIN, 0.1, theta0[[model.parameters.index(n) for n in DOMAIN]] - 0.05)
    recipe = Recipe(steps=STEPS, window=10, slide=2, truncate=True)
    return Fit(law, WakeSleep(model, runs), Solver(1.0), theta0[None], SGD(2.5e-6), recipe)


def gibbs(chains: int = 128, sweeps: int = 40, rounds: int = 5) -> float:
    """Unit updates per second of CPU time, median of rounds."""
    model = machine()
    theta = np.array([-2.6, -2.6, -0.3, -0.3, 0.1, 0.1, 0.5, 0.8, 0.3, -0.4])
    tables, sets, made = Conditionals(model, theta), np.zeros(chains, dtype=np.int64), Chains(model, chains, 1, "bench")
    made.sweep(tables, sets, 2)
    rates = []
    for _ in range(rounds):
        start = time.process_time()
        made.sweep(tables, sets, sweeps)
        rates.append(sweeps * 3 * SHAPE[0] * SHAPE[1] * chains / (time.process_time() - start))
    return statistics.median(rates)


def steps(fit: Fit, count: int) -> list[float]:
    """CPU seconds of each optimisation step."""
    out = []
    for _ in range(count):
        start = time.process_time()
        fit.step()
        out.append(time.process_time() - start)
    return out


def main() -> None:
    updates = gibbs()
    report("Gibbs, CPU time per unit update (40 x 40 x 3, two species)", 1e9 / updates, "ns", 1e9 / 1.5e8)
    steps(paper_fit(runs := data()), 5)  # compiles
    seconds = steps(paper_fit(runs), STEPS)
    first, last = statistics.median(seconds[:100]), statistics.median(seconds[-100:])
    report("whole training by the paper's recipe, CPU", sum(seconds), "s", 90.0)
    report("optimisation step, CPU, first hundred", first, "s", 0.06)
    report("optimisation step, CPU, last hundred", last, "s", 0.06)
    report("optimisation step, last over first hundred", last / first, "1", 1.2)


if __name__ == "__main__":
    main()
