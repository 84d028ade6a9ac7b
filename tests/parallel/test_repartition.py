"""Resumed with as many ranks, to the bit; with another number, to the spike and to 1e-9 mV."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from support.mpi_runs import assert_same, needs_mpiexec, ranks

pytestmark = needs_mpiexec


def test_resuming_with_as_many_ranks_is_exact(folder: Path, alone: Path) -> None:
    """Stopped at windows that are no multiple of the delays, with spikes on their way."""
    out = folder / "resumed"
    done = ranks(2, "run", "network.toml", "--out", out, "--until", "4.3 ms", "--json", folder=folder)
    assert json.loads(done.stdout)["status"] == "partial"  # rank 0 alone speaks, and NEURON says nothing
    ranks(2, "resume", out, folder=folder)
    assert_same(alone, out)


@pytest.mark.parametrize(
    ("before", "after"), [(1, 3), *(pytest.param(*n, marks=pytest.mark.acceptance) for n in ((2, 1), (2, 4)))]
)
def test_resuming_with_another_number_of_ranks(folder: Path, alone: Path, before: int, after: int) -> None:
    """Spikes on their way arrive, trains go on; to fewer and back, so that what was moved is saved and moved again."""
    out = folder / f"moved{before}{after}"
    ranks(before, "run", "network.toml", "--out", out, "--until", "5.3 ms", folder=folder)
    if after < before:
        ranks(after, "resume", out, "--until", "8 ms", folder=folder)
        before, after = after, before
    ranks(after, "resume", out, folder=folder)
    assert len(list(out.glob("rank*.h5"))) == after
    with h5py.File(alone / "results.h5") as a, h5py.File(out / "results.h5") as b:
        for name in ("time", "spikes/time", "spikes/cell", "ssa/counts", "ssa/influx", "ssa/means"):
            assert np.array_equal(a[name], b[name]), name
        assert list(a["neuron/v"].attrs["segment"]) == list(b["neuron/v"].attrs["segment"])
        assert np.abs(a["neuron/v"][()] - b["neuron/v"][()]).max() <= 1e-9
        assert (a["spikes/time"][()] > 5.3).any()
