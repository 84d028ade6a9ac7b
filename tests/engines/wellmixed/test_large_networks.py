"""Networks of thousands of reactions: set up in little memory, and solved as small ones are."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from adapters.wellmixed.ode import elimination
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.large_networks import large_net, one_site


def simulation(
    folder: Path, n_species: int, n_reactions: int, engine: str = "ode", options: dict[str, Any] | None = None
) -> Simulation:
    (folder / "m.net").write_text(large_net(n_species, n_reactions))
    source = one_site(engine, options)
    return Simulation.in_memory(Experiment.parse(source, path=folder / "x.toml"))


def counts_after(made: Simulation) -> np.ndarray:
    made.run()
    return np.asarray(made.system.engines[0].read("counts")[0].copy())


def test_without_a_table_of_products_the_bits_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And both are what another integrator finds."""
    exact = {"rtol": 1e-10, "atol": 1e-8}
    by_table = simulation(tmp_path, 60, 400, options=exact)
    network, start = by_table.system.engines[0].network, by_table.system.engines[0].read("counts")[0].copy()
    found = counts_after(by_table)
    monkeypatch.setattr(elimination, "MOST_TARGETS", 0)
    np.testing.assert_array_equal(found, counts_after(simulation(tmp_path, 60, 400, options=exact)))
    rates = network.count_rates(1.0, 6.0)

    def field(_: float, y: np.ndarray) -> np.ndarray:
        z = np.append(y, 1.0)
        return np.asarray((rates * z[network.reactant_columns].prod(axis=1)) @ network.change)

    wanted = solve_ivp(field, (0, 100), start, method="LSODA", rtol=1e-11, atol=1e-10).y[:, -1]
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-6)


def test_the_order_of_elimination_is_one_of_least_fill_in() -> None:
    """An arrow is eliminated from its tip's far end: nothing fills in."""
    n = 200
    pattern = {(i, 0) for i in range(n)} | {(0, i) for i in range(n)}
    order, entries = elimination.order_pivots(list(range(n)), pattern)
    assert order[-1] in (0, n - 1) and entries.sum() == 3 * n - 2


@pytest.mark.acceptance
@pytest.mark.parametrize("engine", ["ode", "ssa", "langevin"])
def test_a_network_of_1281_species_and_12904_reactions_takes_little_memory(tmp_path: Path, engine: str) -> None:
    """How long it takes to set up is in tests/bench/large_networks.py."""
    made = simulation(tmp_path, 1281, 12904, engine)
    assert len(made.system.engines[0].network.reactions) > 12_800
    counts_after(made)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    print(f"{engine}: {megabytes:.0f} MB")
    assert megabytes < 1000
