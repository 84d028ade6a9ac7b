"""Random networks as TOML, `.net` and SBML are one network, and `ode` says of it what another integrator says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.chemistry_files import ONE, assert_same, experiment, net, sbml
from support.networks import build

UNITS = {"amount": "count", "volume": "1 um^3", "time": "s"}
RATES = {0: "mM/ms", 1: "/ms", 2: "/mM/ms"}


def random_network(rng: np.random.Generator) -> tuple[ReactionNetwork, tuple[int, ...]]:
    """Three to six species, five to nine reactions of order 0 to 2: catalysts, A + A, a species on both sides."""
    names = [f"S{i}" for i in range(rng.integers(3, 7))]
    reactions: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    for _ in range(int(rng.integers(5, 10))):
        left = tuple(sorted(str(s) for s in rng.choice(names, rng.choice([0, 1, 1, 2, 2]))))
        right = tuple(sorted(str(s) for s in rng.choice(names, rng.integers(0, 3))))
        if left != right:
            scale = {0: 1e-7, 1: 1e-1, 2: 1e2}[len(left)]
            reactions[left, right] = f"{scale * rng.uniform(0.2, 2)} {RATES[len(left)]}"
    equations = [(f"{' + '.join(a) or '0'} -> {' + '.join(b) or '0'}", rate) for (a, b), rate in reactions.items()]
    return build([Species(n) for n in names], equations), tuple(int(n) for n in rng.integers(0, 400, len(names)))


def as_toml(folder: Path, network: ReactionNetwork, counts: tuple[int, ...], engine: str = "ode") -> Experiment:
    source: dict[str, Any] = {
        "experiment": {"name": "x", "duration": "4 ms", "exchange": "1 ms", "seed": 7},
        "chemistry": {
            "species": {n: {} for n in network.names},
            "reactions": [
                {
                    "equation": f"{' + '.join(r.reactants) or '0'} -> {' + '.join(r.products) or '0'}",
                    "forward": f"{r.rate!r} {RATES[len(r.reactants)]}",
                }
                for r in network.reactions
            ],
            "initial": {n: {"count": k} for n, k in zip(network.names, counts, strict=True)},
        },
        "site": [{"name": "s", "engine": engine, "geometry": {"box": {"size": "1 1 1 um"}}}],
    }
    if engine == "ode":
        source["site"][0]["ode"] = {"rtol": 1e-11, "atol": 1e-9}
    return Experiment.parse(source, path=folder / "x.toml")


def integrated(network: ReactionNetwork, counts: tuple[int, ...]) -> np.ndarray:
    """Molecules after 4 ms by mass action: each reaction goes at rate × the product of concentrations."""
    change = np.zeros((len(network.names), len(network.reactions)))
    for j, r in enumerate(network.reactions):
        for name, sign in [(n, -1) for n in r.reactants] + [(n, 1) for n in r.products]:
            change[network.names.index(name), j] += sign

    def slope(_: float, c: np.ndarray) -> np.ndarray:
        flux = [r.rate * np.prod([c[network.names.index(n)] for n in r.reactants]) for r in network.reactions]
        return np.asarray(change @ np.array(flux))

    start = np.array(counts) / IONS_PER_MM_UM3
    found = solve_ivp(slope, (0, 4), start, method="DOP853", rtol=1e-12, atol=1e-16)
    return np.asarray(found.y[:, -1] * IONS_PER_MM_UM3)


def assert_formats_agree(folder: Path, seed: int) -> None:
    network, counts = random_network(np.random.default_rng(seed))
    assert_same(experiment(folder, net(network, counts, ONE), "net", units=UNITS), network, counts, ONE)
    for level in (2, 3):
        for amounts in (True, False):
            text = sbml(network, counts, ONE, level, amounts=amounts)
            assert_same(experiment(folder, text, "xml"), network, counts, ONE)
    toml = as_toml(folder, network, counts)
    assert_same(toml, network, counts, ONE)
    simulation = Simulation.in_memory(toml)
    for _ in range(4):
        simulation.step()
    found = simulation.system.engines[0].read("counts")[0]
    np.testing.assert_allclose(found, integrated(network, counts), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_three_formats_are_one_network(tmp_path: Path, seed: int) -> None:
    assert_formats_agree(tmp_path, seed)


def test_another_rate_is_noticed(tmp_path: Path) -> None:
    network, counts = random_network(np.random.default_rng(0))
    text = net(network, counts, ONE).replace("k1 ", "k1 1.000001*", 1)
    with pytest.raises(AssertionError):
        assert_same(experiment(tmp_path, text, "net", units=UNITS), network, counts, ONE)


@pytest.mark.acceptance
def test_two_hundred_networks(tmp_path: Path) -> None:
    for seed in range(200):
        assert_formats_agree(tmp_path, seed)
