"""Runs over many ranks: answers that do not depend on their number."""

from pathlib import Path

import h5py
import pytest

from couple.storage.records.results import Results
from support.mpi_runs import assert_same, content, needs_mpiexec, ranks, write_sites
from support.paths import EXAMPLES

pytestmark = needs_mpiexec


@pytest.mark.parametrize("n", [2, *(pytest.param(n, marks=pytest.mark.acceptance) for n in (3, 4))])
def test_the_number_of_ranks_changes_nothing(folder: Path, alone: Path, n: int) -> None:
    """Spikes, voltages, ions, site records, books, names and their order, to the bit: as users start it."""
    out = folder / f"ranks{n}"
    ranks(n, "run", "network.toml", "--out", out, folder=folder, cold=True)
    assert len(list(out.glob("rank*.h5"))) == n
    assert_same(alone, out)
    with h5py.File(out / "results.h5") as file:
        assert file["ssa/counts"].is_virtual and len(file["spikes/time"]) >= 8
        assert len(set(file["spikes/cell"])) > 2


def test_control_another_seed_is_seen(folder: Path, alone: Path) -> None:
    out = folder / "other"
    ranks(2, "run", "network.toml", "--set", "experiment.seed=2", "--out", out, folder=folder)
    a, b = content(alone), content(out)
    assert a["spikes/time"] != b["spikes/time"] and a["ssa/counts"] != b["ssa/counts"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("network.population.0.model=gone.py:f",), "network.population[0].model"),
        pytest.param(("spine.0.cells=X",), 'no population or cell "X"', marks=pytest.mark.acceptance),
        pytest.param(
            ("network.connection.2.delay=0.01 ms",),
            "network.connection[2].delay: 0.01 ms is shorter than neuron.dt",
            marks=pytest.mark.acceptance,
        ),
        (("site.shaft.segment=dendrite(0.5)",), "site[1].segment"),  # wrong on one rank alone: only that has the cell
        pytest.param(
            ("network.population.0.count=1", "network.population.1.count=1"), "inputs", marks=pytest.mark.acceptance
        ),
    ],
)
def test_an_error_in_the_input_is_one_line(folder: Path, change: tuple[str, ...], says: str) -> None:
    overrides = [part for one in change for part in ("--set", one)]
    done = ranks(3, "run", "network.toml", *overrides, "--out", "none", folder=folder, code=2)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0], done.stderr
    assert not (folder / "none").exists() or not any((folder / "none").iterdir())


def test_one_cell_is_not_shared_and_too_many_ranks_are_refused(folder: Path, tmp_path: Path) -> None:
    example = EXAMPLES / "spine" / "spine.toml"
    done = ranks(2, "run", example, "--set", "site.head.engine=ode", "--out", tmp_path / "x", folder=folder, code=2)
    assert "makes one cell, which 2 ranks cannot share" in done.stderr and done.stderr.count("error:") == 1
    few = ("network.population.0.count=2", "network.population.1.count=1", "network.connection.0.inputs=1")
    overrides = [part for one in few for part in ("--set", one)]
    done = ranks(4, "run", "network.toml", *overrides, "--out", tmp_path / "y", folder=folder, code=2)
    assert "3 cells for 4 ranks" in done.stderr


@pytest.mark.acceptance
def test_sites_without_neuron_are_shared(tmp_path: Path) -> None:
    """Joined sites stay together; drives find their sites wherever these are; what one has begun three go on with."""
    write_sites(tmp_path)
    ranks(1, "run", "sites.toml", "--out", "alone", folder=tmp_path)
    ranks(3, "run", "sites.toml", "--out", "shared", folder=tmp_path)
    assert_same(tmp_path / "alone", tmp_path / "shared")
    ranks(1, "run", "sites.toml", "--out", "moved", "--until", "3 ms", folder=tmp_path)
    ranks(3, "resume", "moved", folder=tmp_path)
    assert_same(tmp_path / "alone", tmp_path / "moved")
    done = ranks(2, "show", "shared", folder=tmp_path)
    assert done.stdout.count("status") == 1  # what is not spread is the work of one
    ranks(1, "plot", "shared", "--out", "figure.png", folder=tmp_path)


def test_spikes_have_the_names_of_their_cells(alone: Path) -> None:
    with Results(alone) as results:
        times, cells = results.spikes()
        assert sum(len(found) for found in cells.values()) == len(times) >= 8
        assert {*cells} <= {*(f"E_{i}" for i in range(4)), "I_0", "I_1"}
        upward = results["neuron.E_3.soma(0.5)"]
        assert ((upward[1:] > 0) & (upward[:-1] <= 0)).any() == ("E_3" in cells)


EXAMPLE = EXAMPLES / "network" / "network.toml"


def test_check_shows_what_each_rank_has(folder: Path) -> None:
    """The example, shared evenly; said once."""
    done = ranks(2, "check", EXAMPLE, folder=folder)
    for k in range(2):
        assert done.stdout.count(f"rank {k}: 50 cells, 800 sites, ") == 1
    assert done.stdout.count("balance: the slowest of 2 ranks") == 1


@pytest.mark.acceptance
def test_the_example_does_not_depend_on_the_number_of_ranks(tmp_path: Path) -> None:
    for n in (1, 2, 3, 4):
        ranks(n, "run", EXAMPLE, "--out", f"{n}", folder=tmp_path)
        assert_same(tmp_path / "1", tmp_path / f"{n}")
