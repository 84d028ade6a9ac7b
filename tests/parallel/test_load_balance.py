"""Cells spread over ranks by what each took in an earlier run: an evener load, the same results."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from couple import Experiment, Simulation
from couple.base.errors import InputError
from couple.wiring.cells.network_cells import balanced, owners
from support.mpi_runs import NETWORK, assert_same, needs_mpiexec, ranks, write_network

pytestmark = needs_mpiexec

# Spines, and so nearly all of the work, are in E_0 and E_1 alone: neighbours, which ranks get together.
SKEWED = (
    NETWORK.replace('cells = "E"\nplace', 'cells = ["E_0", "E_1"]\nplace')
    .replace("count = 3 }", "count = 20 }")
    .replace('at = "spine_*.head"', 'at = "dend(0.5)"')
    .replace('at = ["spine_*.head", "soma"]', 'at = ["dend(0.5)", "soma"]')
    .replace('"E_*_spine_*.Ca"', '"E_*.Ca"')
    .replace('initial.B = "50 uM"', 'initial.B = "500 uM"')
    .replace('duration = "12 ms"', 'duration = "6 ms"')
)
SKEWED = SKEWED[: SKEWED.index('[[site]]\nname = "shaft"')] + SKEWED[SKEWED.index('[[link]]\nfrom = "neuron.ica"') :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a run of one process, and its costs in a place of their own."""
    made = write_network(tmp_path_factory.mktemp("balance"))
    (made / "network.toml").write_text(SKEWED)
    ranks(1, "run", "network.toml", "--out", "alone", folder=made)
    (made / "costs").mkdir()
    shutil.move(made / "alone" / "costs.json", made / "costs" / "costs.json")
    return made


def sites_of_ranks(*arguments: str, folder: Path) -> list[int]:
    done = ranks(2, "check", "network.toml", *arguments, folder=folder)
    return [int(n) for n in re.findall(r"rank \d: \d+ cells, (\d+) sites", done.stdout)]


def test_costs_are_those_of_cells_and_their_sites(folder: Path) -> None:
    costs = json.loads((folder / "costs/costs.json").read_text())["cells"]
    assert list(costs) == [*(f"E_{i}" for i in range(4)), "I_0", "I_1"] and min(costs.values()) > 0
    rest = [costs[name] for name in costs if name not in ("E_0", "E_1")]
    assert min(costs["E_0"], costs["E_1"]) > max(rest)


def test_a_skewed_network_is_spread_evenly(folder: Path) -> None:
    """By default one rank has both cells with spines; by their costs each has one, and the results are the same."""
    assert sites_of_ranks(folder=folder) == [40, 0]
    assert sites_of_ranks("--balance", "costs", folder=folder) == [20, 20]
    ranks(2, "run", "network.toml", "--balance", "costs", "--out", "even", folder=folder)
    assert_same(folder / "alone", folder / "even")
    assert json.loads((folder / "even/costs.json").read_text())["cells"].keys() == {
        *(f"E_{i}" for i in range(4)),
        *("I_0", "I_1"),
    }
    with h5py.File(folder / "even/rank0001.h5") as file:
        assert file["ssa/counts"].shape[1] == 20


@pytest.mark.acceptance
def test_resuming_spreads_likewise(folder: Path) -> None:
    """Also when the earlier run is gone: with as many ranks to the bit."""
    shutil.copytree(folder / "costs", folder / "gone")
    ranks(2, "run", "network.toml", "--balance", "gone", "--out", "part", "--until", "4.3 ms", folder=folder)
    shutil.rmtree(folder / "gone")
    ranks(2, "resume", "part", folder=folder)
    assert_same(folder / "alone", folder / "part")


def test_costs_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "costs/other.json").write_text('{"cells": {"E_0": 1.0}}')
    (folder / "costs/broken.json").write_text("{")
    for given, says in (
        ("none", "has no costs.json"),
        ("costs/other.json", "nothing of cell E_1"),
        ("costs/broken.json", "damaged"),
    ):
        with pytest.raises(InputError, match=says) as error:
            Simulation.new(Experiment.load(folder / "network.toml"), folder / "x", balance=folder / given)
        assert "--balance" in error.value.where
    assert not (folder / "x").exists()


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_slowest_rank_is_within_grahams_bound(size: int) -> None:
    """Every rank has a cell; blocks of neighbours, the control, are far beyond the bound for these costs."""
    rng = np.random.default_rng(size)
    for n in (size, 20, 300):
        costs = np.sort(rng.lognormal(0, 1.5, n))[::-1].tolist()

        def slowest(whose: list[int], costs: list[float] = costs) -> float:
            return max(sum(c for c, rank in zip(costs, whose, strict=True) if rank == r) for r in range(size))

        least = max(sum(costs) / size, costs[0])
        whose = balanced(costs, size)
        assert {*whose} == {*range(size)}
        assert slowest(whose) <= max((4 / 3 - 1 / (3 * size)) * least, costs[0] + sum(costs) / size)
        if n == 300:
            assert slowest(whose) <= (4 / 3 - 1 / (3 * size)) * least < slowest(owners([n], size))
