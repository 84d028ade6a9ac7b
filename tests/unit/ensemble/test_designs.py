"""Ensembles whose runs differ by more than their seed: every run is the run of its overrides, to the bit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from couple import InputError, Simulation, resume_sampling, sample, to_xarray
from couple.base.errors import Interrupted
from couple.base.signals import note
from couple.ensemble import job
from couple.ensemble.design import Design, read_range
from couple.experiment import Experiment
from support.command_line import couple
from support.ensembles import assert_same, birth_death, noisy

DEATH = "chemistry.reactions.1.forward"
SIZE = "site.box.geometry.sphere.diameter"
VARY = {DEATH: "0.1 0.4 /ms", SIZE: "uniform 0.3 .. 0.5 um"}


@pytest.fixture
def experiment() -> Experiment:
    return birth_death("5 ms", "ssa").changed("site.0.geometry={ sphere = { diameter = '0.4 um' } }")


def alone(experiment: Experiment, overrides: list[str]) -> Simulation:
    run = Simulation.in_memory(experiment.changed(*overrides))
    run.run()
    return run


def test_a_run_is_that_of_its_overrides(experiment: Experiment, tmp_path: Path) -> None:
    with sample(experiment, 2, 3, tmp_path / "out", vary=VARY, points=3, jobs=1) as ensemble:
        assert len(ensemble.runs) == 2 * 2 * 3 and len({*ensemble.seeds.tolist()}) == 12
        assert ensemble.parameter_units == {DEATH: "/ms", SIZE: "um"}
        assert [len(np.unique(v)) for v in ensemble.parameters.values()] == [2, 3]
        for run in (0, 7, 11):
            one = alone(experiment, ensemble.overrides(run))
            with one.results as results:
                assert results["box.A"].tobytes() == ensemble["box.A"][run].tobytes()
                assert results.micromolar("box", "A") == pytest.approx(ensemble.micromolar("box", "A")[run], rel=1e-12)
        table = to_xarray(ensemble)
        assert table[DEATH].dims == ("run",) and table["volume_um3"].dims == ("run", "site")
        volumes = np.pi / 6 * ensemble.parameters[SIZE] ** 3
        np.testing.assert_allclose(table["volume_um3"][:, 0], volumes, rtol=1e-12)
        np.testing.assert_allclose(table["concentration"][:, :, 0, 0], ensemble.micromolar("box", "A"), rtol=1e-12)
        with pytest.raises(InputError, match="there is no run 12"):
            ensemble.overrides(12)


def test_nothing_depends_on_who_makes_it(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process or two workers, in one go or stopped and gone on with."""
    sample(experiment, 4, 3, tmp_path / "one", vary=VARY, points=2, jobs=1).close()
    monkeypatch.setattr(job, "WORTH_A_PROCESS", 0.0)
    sample(experiment, 4, 3, tmp_path / "two", vary=VARY, points=2, jobs=2).close()
    assert_same(tmp_path / "one" / "ensemble.h5", tmp_path / "two" / "ensemble.h5")

    def stop(done: int, _all: int) -> None:
        if done >= 5:
            note("SIGINT")

    monkeypatch.undo()
    with pytest.raises(Interrupted):
        sample(experiment, 4, 3, tmp_path / "three", vary=VARY, points=2, jobs=1, progress=stop)
    resume_sampling(tmp_path / "three", jobs=1).close()
    assert_same(tmp_path / "one" / "ensemble.h5", tmp_path / "three" / "ensemble.h5")
    with pytest.raises(InputError, match=r"another experiment .*vary\.draws: 2 -> 3"):
        sample(experiment, 4, 3, tmp_path / "one", vary=VARY, points=3, jobs=1)


def test_a_model_of_neuron_is_built_for_each_point(tmp_path: Path) -> None:
    experiment = noisy(tmp_path)
    vary = {"neuron.celsius": "20 34"}
    with sample(experiment, 2, 3, tmp_path / "out", vary=vary, jobs=2) as ensemble:
        v = ensemble.file["neuron/v"][:, :, 0]
        assert len({row.tobytes() for row in v}) == 4
        assert ensemble.parameters["neuron.celsius"].tolist() == [20, 20, 34, 34]


def test_a_point_that_fails_is_kept_with_its_reason(experiment: Experiment, tmp_path: Path) -> None:
    file = tmp_path / "box.toml"
    vary = {SIZE: "0.4 -1 0.3 um"}
    with sample(experiment, 2, 3, tmp_path / "out", vary=vary, jobs=1) as ensemble:
        assert {*ensemble.failures} == {2, 3}
        assert all("diameter" in reason for reason in ensemble.failures.values())
        failed = np.isnan(ensemble["box.A"]).all(axis=1)
        assert failed.tolist() == [False, False, True, True, False, False]
    assert couple("show", str(tmp_path / "out")) == 0 and couple("plot", str(tmp_path / "out")) == 0
    with pytest.raises(InputError, match="diameter"):  # nothing stands before the first
        sample(experiment, 2, 3, tmp_path / "bad", vary={SIZE: "-1 0.3 um"}, jobs=1)
    assert not file.exists()


def test_from_the_file_and_the_command_line(
    experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {**experiment.source, "vary": {"keys": {DEATH: "0.1 .. 0.4 /ms in 2 log"}}}
    made = Experiment.parse(content)
    assert made.vary is not None
    with sample(made, 1, 3, tmp_path / "file", jobs=1) as ensemble:
        assert ensemble.parameters[DEATH].tolist() == pytest.approx([0.1, 0.4], rel=1e-12)
    file = tmp_path / "box.toml"
    file.write_text(TOML)
    assert couple("sample", str(file), "--vary", f"{DEATH}=0.1 0.4 /ms", "--json", "--out", str(tmp_path / "line")) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == {DEATH: [0.1, 0.4]}
    assert couple("plot", str(tmp_path / "line"), "--out", str(tmp_path / "a.png")) == 0
    assert couple("show", str(tmp_path / "line")) == 0
    assert f"{DEATH}" in capsys.readouterr().out


TOML = """
[experiment]
name = "box"
duration = "2 ms"
exchange = "1 ms"
[chemistry]
species.A = {}
reactions = [{ equation = "0 -> A", forward = "1e-3 mM/ms" }, { equation = "A -> 0", forward = "0.1 /ms" }]
[[site]]
name = "box"
engine = "ssa"
geometry.sphere = { diameter = "0.4 um" }
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--vary", "chemistry.reactions.1.forwrd=1 2 /ms"), 'unknown key "forwrd"'),
        (("--vary", "site.box.engine=ode ssa"), 'no distribution "ode"'),
        (("--vary", "chemistry.reactions.1.forward=1 2 um"), "um"),
        (("--vary", "x"), "not of the form KEY=RANGE"),
        (("--vary", f"{DEATH}=1 /ms", "--vary", f"{DEATH}=2 /ms"), "varies twice"),
        (("--vary", f"{DEATH}=1 .. 2 /ms"), "but how many?"),
        (("--vary", f"{DEATH}=uniform 1 .. 2 /ms"), "say how many points"),
        (("--vary", f"{DEATH}=uniform 2 .. 1 /ms", "--points", "3"), "lower bound first"),
        (("--vary", f"{DEATH}=loguniform 0 .. 1 /ms", "--points", "3"), "no logarithm"),
        (("--vary", f"{DEATH}=1 2 /ms", "--points", "3"), "all values are listed"),
        (("--vary", f"{DEATH}=uniform 1 .. 2 /ms", "--points", "3", "--design", "soble"), 'did you mean "sobol"'),
        (("--points", "3", "-n", "2"), "nothing varies"),
        ((), "give how many runs, or what varies"),
        (("--vary", "experiment.duration=1 2 ms"), "all runs of an ensemble have the same"),
        (("--vary", f"{DEATH}=1 .. 2 /ms in 100000", "--vary", f"{SIZE}=1 .. 2 um in 1000"), "combinations"),
    ],
)
def test_what_cannot_vary_is_one_line(
    arguments: tuple[str, ...], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "box.toml"
    file.write_text(TOML)
    assert couple("sample", str(file), *arguments, "--out", str(tmp_path / "out"), "--quiet") in (1, 2)
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and says in errors[0], errors


@pytest.mark.parametrize("method", ["random", "lhs", "sobol"])
def test_draws_have_their_distribution(method: str) -> None:
    """Kolmogorov-Smirnov at 1e-4; a wider distribution must fail. Another seed gives others."""
    ranges = {"a": "uniform 1 .. 3", "b": "loguniform 1 .. 100", "c": "normal 5 2", "d": "truncnormal 0 1 -1 .. 2"}
    design = Design.of(ranges, 4096, method, 7)
    values = np.array([p.values for p in design.points])
    laws = [stats.uniform(1, 2), stats.loguniform(1, 100), stats.norm(5, 2), stats.truncnorm(-1, 2)]
    for column, law in zip(values.T, laws, strict=True):
        assert stats.kstest(column, law.cdf).pvalue > 1e-4
    assert stats.kstest(values[:, 2], stats.norm(5, 2.6).cdf).pvalue < 1e-4
    assert design.points == Design.from_json(json.loads(json.dumps(design.to_json()))).points
    assert values[0, 0] != Design.of(ranges, 4096, method, 8).points[0].values[0]
    if method != "lhs":
        assert design.points[:8] == Design.of(ranges, 8, method, 7).points


def test_every_value_is_written_to_the_last_digit() -> None:
    for point in Design.of({"a": "normal 0 1 um", "b": "1 3 1e-7"}, 50, "random", 1).points:
        text = re.findall(r'a="(\S+) um"', point.overrides[0])
        assert float(text[0]) == point.values[0] and float(point.overrides[1][2:]) == point.values[1]
    assert read_range("n", [1, 2]).override(2.0) == "n=2"
