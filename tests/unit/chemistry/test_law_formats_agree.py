"""Random networks with rate laws as TOML, `.net` and SBML: the three agree, and with another integrator."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.chemistry_files import ONE, assert_all_are, net, sbml
from support.networks import build
from support.random_laws import RandomLaw, with_laws_net, with_laws_sbml
from support.statistics import z_bound

UNITS = {"amount": "count", "volume": "1 um^3", "time": "s"}
SECONDS = 0.01


def random_chemistry(seed: int) -> tuple[ReactionNetwork, tuple[int, ...], list[RandomLaw]]:
    """Three to six species, mass action between them, and one to four rate laws."""
    rng = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(rng.integers(3, 7))]
    equations = {f"{a} -> {b}": f"{rng.uniform(5, 50)} /s" for a, b in rng.choice(names, (4, 2)) if a != b}
    equations["S0 + S1 -> S2"] = f"{rng.uniform(1e4, 1e5)} /mM/s"
    laws = [RandomLaw.draw(rng, names) for _ in range(rng.integers(1, 5))]
    counts = tuple(int(n) for n in rng.integers(20, 400, len(names)))
    return build([Species(n) for n in names], list(equations.items())), counts, laws


def as_file(folder: Path, text: str, suffix: str, engine: str, sites: int, **units: object) -> Experiment:
    (folder / f"m.{suffix}").write_text(text)
    return parsed(folder, {"file": f"m.{suffix}", **units}, engine, sites)


def parsed(folder: Path, chemistry: dict[str, Any], engine: str, sites: int) -> Experiment:
    own = {"ode": {"rtol": 1e-11, "atol": 1e-9}} if engine == "ode" else {}
    place = {"engine": engine, "geometry": {"box": {"size": "1 1 1 um"}}, **own}
    source = {
        "experiment": {"name": "x", "duration": f"{SECONDS} s", "exchange": f"{SECONDS} s", "seed": 3},
        "chemistry": chemistry,
        "site": [{"name": f"s{k}", **place} for k in range(sites)],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def three_formats(folder: Path, seed: int, engine: str, sites: int = 1) -> dict[str, np.ndarray]:
    """(n_sites, n_species) counts at the end, by format."""
    network, counts, laws = random_chemistry(seed)
    reactions: list[dict[str, Any]] = [
        {"equation": str(r), "forward": f"{r.rate!r} {network.rate_unit(r)}"} for r in network.reactions
    ]
    toml = {
        "species": {n: {} for n in network.names},
        "reactions": [*reactions, *(law.toml() for law in laws)],
        "initial": {n: {"count": k} for n, k in zip(network.names, counts, strict=True)},
    }
    plans = {
        "toml": parsed(folder, toml, engine, sites),
        "net": as_file(folder, with_laws_net(net(network, counts, ONE), laws, network.names), "net", engine, sites,
                       units=UNITS),
        "sbml": as_file(folder, with_laws_sbml(sbml(network, counts, ONE, 3, amounts=True), laws), "xml", engine,
                        sites),
    }  # fmt: skip
    found = {}
    for name, plan in plans.items():
        simulation = Simulation.in_memory(plan)
        simulation.run()
        assert len(simulation.system.engines[0].network.laws) == len(laws)
        found[name] = np.array([engine.read("counts")[:, : len(counts)] for engine in simulation.system.engines])[0]
    return found


def integrated(seed: int) -> np.ndarray:
    """Molecules at the end, by an integrator and a reading of the laws that are not ours."""
    network, counts, laws = random_chemistry(seed)
    rates, names = network.count_rates(1.0, 6.0) * 1e3, network.names
    code = [compile(law.numbers(1).replace("^", "**"), "law", "eval") for law in laws]
    known = {"exp": math.exp, "sqrt": math.sqrt}

    def field(_: float, y: np.ndarray) -> np.ndarray:
        z = np.append(y, 1.0)
        change = (rates * z[network.reactant_columns].prod(axis=1)) @ network.change
        for law, expression in zip(laws, code, strict=True):
            v = eval(expression, known, dict(zip(names, np.maximum(y, 0.0), strict=True)))
            change[names.index(law.x)] -= v
            change[names.index(law.p)] += v
        return np.asarray(change)

    return np.asarray(solve_ivp(field, (0, SECONDS), counts, method="LSODA", rtol=1e-12, atol=1e-10).y[:, -1])


def assert_formats_agree(folder: Path, seed: int) -> float:
    """The largest relative difference to the other integrator."""
    return assert_all_are(three_formats(folder, seed, "ode"), integrated(seed), seed)


@pytest.mark.parametrize("seed", range(4))
def test_three_formats_are_one_network(tmp_path: Path, seed: int) -> None:
    assert_formats_agree(tmp_path, seed)


def test_another_parameter_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(
            three_formats(tmp_path, 0, "ode")["toml"], three_formats(tmp_path, 1, "ode")["net"], rtol=1e-9
        )


@pytest.mark.acceptance
def test_two_hundred_networks_with_laws(tmp_path: Path) -> None:
    worst = max(assert_formats_agree(tmp_path, seed) for seed in range(200))
    print(f"200 networks: within {worst:.1e} of another integrator")


@pytest.mark.acceptance
def test_whole_molecules_of_three_formats_have_one_distribution(tmp_path: Path) -> None:
    """Means and variances over 400 sites: of ssa from each format, against the mean of the others."""
    scores = []
    for seed in range(20):
        found = three_formats(tmp_path, seed, "ssa", sites=400)
        for a, b in (("toml", "net"), ("toml", "sbml"), ("net", "sbml")):
            if np.array_equal(found[a], found[b]):
                continue  # the same draws
            x, y = found[a], found[b]
            spread = np.sqrt((x.var(axis=0) + y.var(axis=0)) / len(x))
            scores += list(np.abs(x.mean(axis=0) - y.mean(axis=0))[spread > 0] / spread[spread > 0])
    print(f"{len(scores)} comparisons that are not of the same draws, largest z {max(scores, default=0.0):.2f}")
    assert max(scores, default=0.0) < z_bound(max(len(scores), 1))
