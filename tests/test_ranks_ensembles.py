"""Ensembles and trainings over ranks: the same as those of one process."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from ranked import needs_mpiexec, ranks, write_network

pytestmark = needs_mpiexec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("ranks"))


def test_an_ensemble_is_spread_over_ranks(folder: Path) -> None:
    """The same runs as those of one process, by the same command; an error in the input is said once."""
    arguments = ("sample", "network.toml", "--runs", 3, "--until", "1 ms", "--quiet")
    ranks(2, *arguments, "--out", "spread", folder=folder)
    ranks(1, *arguments, "--out", "here", "--jobs", 1, folder=folder)
    with h5py.File(folder / "spread/ensemble.h5") as a, h5py.File(folder / "here/ensemble.h5") as b:
        for name in ("run", "seed", "ssa/counts", "neuron/v", "E_2_shaft/counts"):
            assert np.array_equal(a[name], b[name])
    done = ranks(2, *arguments, "--out", "none", "--set", "site.shaft.segment=x(0.5)", folder=folder, code=2)
    assert done.stderr.count("error:") == 1
