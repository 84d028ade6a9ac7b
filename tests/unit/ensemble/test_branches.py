"""Branches: continuations of one saved moment, each as the library makes it alone, to the bit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError, RunError
from couple.components.engine import SiteEngine
from couple.ensemble import Ensemble, branch, resume_sampling, run_seed
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.command_line import couple
from support.paths import EXAMPLES

RATE, INFLUX = "chemistry.reactions.0.backward", "drive.0.influx.rate"
CHANGES = (f"{RATE}=2 /ms", f"{INFLUX}=40 /ms")
NAMES = ("one.Ca", "one.CaB", "two.Ca", "one.bound")
WINDOWS = 21


def boxes(engine: str = "ssa", **run: Any) -> Experiment:
    """Two boxes between which calcium diffuses, with a buffer and an influx."""
    site = {"engine": engine, "geometry": {"box": {"size": "0.4 0.4 0.4 um"}}}
    options = {"lattice": {"spacing": "20 nm"}, "gridded": {"spacing": "0.2 um"}}
    content = {
        "experiment": {"name": "boxes", "duration": "4 ms", "exchange": "0.1 ms", **run},
        "chemistry": {
            "species": {"Ca": {"D": "5 um^2/s", "contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
            "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "0.5 /ms"}],
            "observables": {"bound": ["CaB"]},
            "initial": {"Ca": {"count": 30}, "B": {"count": 40}},
        },
        "site": [{"name": name, **site, **options} for name in ("one", "two")],
        "drive": [{"to": "one.Ca", "influx": {"times": "0 4 ms", "rate": "5 /ms"}}],
        "link": [{"from": "one.Ca", "to": "two.Ca", "through": {"diameter": "0.3 um", "length": "0.5 um"}}],
        "record": {"species": "all", "every": "0.2 ms"},
    }
    return Experiment.parse(content)


def saved(folder: Path, engine: str = "ssa", windows: int = WINDOWS) -> Path:
    """The folder of a run with a checkpoint after so many windows, which went on from there."""
    simulation = Simulation.new(boxes(engine), folder)
    for _ in range(windows):
        simulation.step()
    simulation.write_checkpoint()
    simulation.finish("partial")
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that stopped half-way."""
    return saved(tmp_path_factory.mktemp("half") / "run")


def rows_of(results: Results) -> dict[str, np.ndarray]:
    return {"time": results.time, **{name: results[name] for name in NAMES}}


def assert_run(ensemble: Ensemble, run: int, alone: dict[str, np.ndarray]) -> None:
    assert ensemble.time.tobytes() == alone["time"].tobytes()
    for name in NAMES:
        assert ensemble[name][run].tobytes() == alone[name].tobytes(), name


@pytest.mark.parametrize("engine", ["ssa", "lattice", "gridded", "ode"])
def test_a_branch_is_the_resumed_run_with_another_seed(engine: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "run", engine)
    with branch(folder, 3, 5, tmp_path / "out", jobs=1) as ensemble:
        for i in (2, 0):
            shutil.copytree(folder, tmp_path / f"copy{i}")
            alone = Simulation.resumed(tmp_path / f"copy{i}")
            alone.reseed(run_seed(5, i))
            alone.run()
            with Results(tmp_path / f"copy{i}") as results:
                skipped = len(results.time) - len(ensemble.time)
                assert_run(ensemble, i, {k: v[skipped:] for k, v in rows_of(results).items()})
                assert skipped == WINDOWS // 2 + 1
        same = ensemble["one.Ca"][0].tobytes() == ensemble["one.Ca"][1].tobytes()
        assert same is (engine == "ode")


def test_a_branch_with_changes_is_that_of_the_library(half: Path, tmp_path: Path) -> None:
    changes = [*CHANGES, "experiment.duration=6 ms"]
    with branch(half, 3, 5, tmp_path / "out", changes=changes, jobs=1) as ensemble:
        alone = Simulation.branched(half / "checkpoint.h5", *changes, seed=run_seed(5, 2))
        before = alone.orchestrator.ledger()
        summary = alone.run()
        with alone.results as results:
            assert_run(ensemble, 2, rows_of(results))
            assert results.time[[0, -1]] == pytest.approx([2.2, 6.0])
        (link,) = summary["ledger"]["links"]
        assert before.links[0].received == 10 and link["sent"] == pytest.approx(10.5 + 40 * 1.9)
        assert summary["ledger"]["max_imbalance_ions"] == 0 == ensemble.imbalance.max(), "the ledger goes on"
        assert ensemble["one.Ca"][:, -1].mean() > 10


def test_many_branches_with_a_design_on_many_processes(half: Path, tmp_path: Path) -> None:
    """The same whoever makes them, and what is missing is made later."""
    vary = {RATE: "0.5 2 /ms", INFLUX: "0 40 /ms"}
    with branch(half, 3, 5, tmp_path / "one", vary=vary, jobs=1) as ensemble:
        assert len(ensemble.runs) == 12
        for i in (0, 7, 11):
            alone = Simulation.branched(half, *ensemble.overrides(i))
            alone.run()
            with alone.results as results:
                assert_run(ensemble, i, rows_of(results))
        first = {name: ensemble[name] for name in NAMES}
    (tmp_path / "one" / "ensemble.h5").unlink()
    with resume_sampling(tmp_path / "one", jobs=1) as again:
        assert all(again[name].tobytes() == first[name].tobytes() for name in NAMES)


REFUSED = {
    "site.0.geometry.box.size=1 1 1 um": ["site[0].geometry.box.size", "geometry"],
    "chemistry.species.D.D=1 um^2/s": ["chemistry.species.D", "species"],
    "chemistry.initial.Ca.count=3": ["chemistry.initial.Ca.count", "t = 0"],
    "site.0.engine=ode": ["site[0].engine", "engine"],
    "site.0.lattice.spacing=10 nm": ["site[0].lattice.spacing"],
    "experiment.exchange=0.2 ms": ["experiment.exchange", "clock"],
    "record.every=0.4 ms": ["record.every", "row"],
    'drive.0.to="two.Ca"': ["drive[0].to", "wired"],
    'chemistry.reactions.0.equation="B + Ca <-> CaB"': ["chemistry.reactions[0].equation"],
    "experiment.duration=2 ms": ["nothing is left", "--until"],
    "experiment.durations=2 ms": ["durations", "duration"],
}


@pytest.mark.parametrize("change", REFUSED)
def test_changes_after_which_the_state_is_none_are_refused(
    change: str, half: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("branch", str(half), "--set", change, "--runs", "2", "--out", str(tmp_path / "out"))
    assert couple(*arguments, "--quiet") == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and all(word in said for word in REFUSED[change]), said
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_none_is_refused(half: Path, tmp_path: Path) -> None:
    shutil.copytree(half, tmp_path / "run")
    file = tmp_path / "run" / "checkpoint.h5"
    branch(file, 2, 1, tmp_path / "out", jobs=1).close()
    moved = Simulation.resumed(tmp_path / "run")
    moved.step()
    moved.write_checkpoint()
    moved.finish("partial")
    (tmp_path / "out" / "ensemble.h5").unlink()
    with pytest.raises(InputError, match="another checkpoint"):
        resume_sampling(tmp_path / "out", jobs=1)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"damaged|cut"):
        branch(file, 2, 1, tmp_path / "other", jobs=1)
    for place in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(InputError, match="there is no checkpoint"):
            branch(place, 2, 1, tmp_path / "other", jobs=1)
    with pytest.raises(InputError, match=r"checkpoint\.h5 of a run"):
        branch(half / "results.h5", 2, 1, tmp_path / "other", jobs=1)


def test_the_command_makes_branches(half: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("branch", str(half), "--runs", "2", "--seed", "5", "--set", CHANGES[1], "--until", "3 ms")
    assert couple(*arguments, "--jobs", "1", "--json", "--out", str(tmp_path / "out")) == 0
    assert '"runs": 2' in capsys.readouterr().out
    with Ensemble(tmp_path / "out") as made:
        alone = Simulation.branched(half, CHANGES[1], seed=run_seed(5, 1), until=3.0)
        alone.run()
        with alone.results as results:
            assert_run(made, 1, rows_of(results))


def test_a_lattice_of_steps_branches_at_a_step(tmp_path: Path) -> None:
    """The event that was due is drawn anew, with the rates that are now."""
    field = Experiment.load(
        EXAMPLES / "lattice" / "lotka_volterra.toml", ["experiment.duration=30 steps", "site.0.lattice.shape=[20, 20]"]
    )
    simulation = Simulation.new(field, tmp_path / "run")
    simulation.after_each_window(lambda now: now.time > 9.5)
    simulation.run()
    arguments = ("branch", str(tmp_path / "run"), "--until", "20 steps", "--runs", "2", "--quiet", "--jobs", "1")
    assert couple(*arguments, "--out", str(tmp_path / "out"), "--seed", "5") == 0
    with Ensemble(tmp_path / "out") as made:
        assert made.time.tolist() == list(range(11, 21))
        assert made["field.P"][0].tobytes() != made["field.P"][1].tobytes()
    changes = [f"chemistry.reactions.{k}.forward=0 per step" for k in (0, 1)]
    still = Simulation.branched(tmp_path / "run", *changes, "chemistry.reactions.2.forward=0 per encounter")
    still.run()
    with still.results as results:
        assert np.ptp(results["field.P"]) == np.ptp(results["field.H"]) == 0
    assert couple(*arguments[:3], "20 ms", "--out", str(tmp_path / "ms")) == 2


def test_a_branch_that_fails_says_how_it_is_repeated(half: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run 0: .* ions more than .*Simulation\.branched\("):
        branch(half, 2, 1, tmp_path / "out", changes=[f"{INFLUX}=-50000 /ms"], jobs=1)
    with branch(half, 1, 1, tmp_path / "design", vary={INFLUX: "5 -50000 /ms"}, jobs=1) as made:
        assert list(made.failures) == [1] and made.origin == str((half / "checkpoint.h5").absolute())


def test_what_a_file_varies_from_its_start_is_left_out(tmp_path: Path) -> None:
    varied = Experiment.parse({**boxes().source, "vary": {"keys": {"chemistry.initial.B.count": "1 2 3"}}})
    simulation = Simulation.new(varied, tmp_path / "run")
    simulation.step()
    simulation.write_checkpoint()
    simulation.finish("partial")
    with branch(tmp_path / "run", 2, 1, tmp_path / "out", jobs=1, until=1.0) as made:
        assert len(made.runs) == 2 and not made.parameters


def test_what_is_not_in_a_state_is_refused(half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SiteEngine, "unsaved", lambda self: "it keeps a secret")
    with pytest.raises(InputError, match="it keeps a secret: branches would depend on each other"):
        branch(half, 2, 1, tmp_path / "out", jobs=1)


@pytest.mark.acceptance
def test_a_hundred_branches_are_those_of_the_library(half: Path, tmp_path: Path) -> None:
    with branch(half, 100, 5, tmp_path / "out", changes=CHANGES, jobs=2) as ensemble:
        for i in range(100):
            alone = Simulation.branched(half, *CHANGES, seed=run_seed(5, i))
            alone.run()
            with alone.results as results:
                assert_run(ensemble, i, rows_of(results))
        assert len({row.tobytes() for row in ensemble["one.Ca"]}) == 100
