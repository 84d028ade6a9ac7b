"""Ensembles and trainings over ranks: the same as those of one process."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from couple.ensemble import branch
from support.command_line import couple
from support.ensembles import assert_same
from support.mpi_runs import needs_mpiexec, ranks
from support.paths import ROOT
from support.small_gccd_training import SHORT
from support.writing_commands import BOX

pytestmark = needs_mpiexec


def test_an_ensemble_is_spread_over_ranks(folder: Path) -> None:
    """The same runs as those of one process, by the same command; an error in the input is said once."""
    arguments = ("sample", "network.toml", "--runs", 2, "--until", "1 ms", "--quiet")
    ranks(2, *arguments, "--out", "spread", folder=folder)
    ranks(1, *arguments, "--out", "here", "--jobs", 1, folder=folder)
    with h5py.File(folder / "spread/ensemble.h5") as a, h5py.File(folder / "here/ensemble.h5") as b:
        for name in ("run", "seed", "ssa/counts", "neuron/v", "E_2_shaft/counts"):
            assert np.array_equal(a[name], b[name])
    done = ranks(2, *arguments, "--out", "none", "--set", "site.shaft.segment=x(0.5)", folder=folder, code=2)
    assert done.stderr.count("error:") == 1


@pytest.mark.acceptance
def test_branches_are_spread_over_ranks(tmp_path: Path) -> None:
    """The same as those of one process; an error in the input is said once."""
    (tmp_path / "box.toml").write_text(BOX)
    assert (
        couple("run", str(tmp_path / "box.toml"), "--until", "1.5 ms", "--quiet", "--out", str(tmp_path / "run")) == 0
    )
    arguments = ("branch", "run", "--runs", 5, "--quiet", "--jobs", 1)
    ranks(2, *arguments, "--out", "spread", folder=tmp_path)
    branch(tmp_path / "run", 5, folder=tmp_path / "here", jobs=1).close()
    assert_same(tmp_path / "spread" / "ensemble.h5", tmp_path / "here" / "ensemble.h5")
    done = ranks(2, *arguments, "--set", "site.0.engine=ode", "--out", "none", folder=tmp_path, code=2)
    assert done.stderr.count("error:") == 1


SMALL = {
    "examples/reduce/decay.toml": (
        "data.runs=6",
        "train.held_out=2",
        "fit.steps=2",
        'data.conditions=[["chemistry.initial.A.count=4"]]',
    ),
    "examples/sk/train.toml": (
        "sample.molecules=1000",
        "sample.duration=5 ms",
        "path.points=6",
        "path.folds=2",
        "refine.iterations=2",
    ),
    "examples/reduce/field.toml": (
        "data.runs=6",
        "train.held_out=2",
        "model.mesh.resolution=400 nm",
        "report.kernel=false",
    ),
}


def train(n: int, file: str, *more: str, out: Path, code: int = 0, cold: bool = False) -> str:
    """stderr of a training whose stdout is one summary, or empty."""
    overrides = [part for change in (*SMALL[file], *more) for part in ("--set", change)]
    arguments = ("train", ROOT / file, "--set", "train.allowed=1e6", *overrides, "--out", out, "--json", "--no-figure")
    done = ranks(n, *arguments, folder=out.parent, code=code, cold=cold)
    assert code or json.loads(done.stdout)
    return done.stderr


def whole(path: Path) -> dict[str, object]:
    """Every dataset and attribute."""
    found: dict[str, object] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        found[name] = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        found.update({f"{name}@{key}": np.asarray(value).tolist() for key, value in item.attrs.items()})

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    return found


@pytest.mark.parametrize(
    "file",
    ["examples/sk/train.toml", *(pytest.param(f, marks=pytest.mark.acceptance) for f in SMALL if "sk" not in f)],
)
def test_a_training_is_that_of_one_process(tmp_path: Path, file: str) -> None:
    """Distributions, independent molecules, fields: sampled by all ranks, fitted and said by one."""
    for n in (1, 2):
        assert "error" not in train(n, file, out=tmp_path / f"{n}")
    one, two = whole(tmp_path / "1/model.h5"), whole(tmp_path / "2/model.h5")
    assert len(one) > 6 and one.keys() == two.keys()
    assert [key for key in one if repr(one[key]) != repr(two[key])] == []


@pytest.mark.acceptance
def test_a_training_by_correlation_dynamics_is_that_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(SHORT.replace("EXPERIMENT", str(ROOT / "examples/camkii/site.toml")))
    for n in (1, 2):
        ranks(n, "train", "train.toml", "--out", f"{n}", "--quiet", "--no-figure", folder=tmp_path)
    one, two = whole(tmp_path / "1/model.h5"), whole(tmp_path / "2/model.h5")
    assert len(one) > 6 and [key for key in one if repr(one[key]) != repr(two.get(key))] == []


@pytest.mark.acceptance
def test_a_training_that_fails_ends_all_ranks(tmp_path: Path) -> None:
    """Before anything is sampled, and on the one rank that fits while the others have nothing to do."""
    decay, out = "examples/reduce/decay.toml", tmp_path / "out"
    said = train(2, decay, "data.experiment=gone.toml", out=out, code=2)
    assert said.count("error:") == 1 and "gone.toml" in said
    said = train(2, decay, "fit.window=999", out=out, code=2, cold=True)
    assert said.count("error:") == 1 and "Traceback" not in said
