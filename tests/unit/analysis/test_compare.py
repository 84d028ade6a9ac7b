"""`couple compare`: what it calls different is, what is equal it does not, and errors are those of runs."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binom
from typer.testing import CliRunner

from couple.analysis.compare.comparison import Comparison, Row, compare
from couple.analysis.compare.picture import draw
from couple.analysis.compare.report import row_lines, show, verdict
from couple.analysis.compare.sides import Request, Series, Side, requests, side_of
from couple.analysis.compare.spikes import distance, energy, spike_times
from couple.analysis.compare.two_groups import ALPHA, correlation_time, course, holm, mean_p, regrouped_p
from couple.base.errors import InputError
from couple.cli.main import app
from couple.cli.results.compare import compare as command
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.compared_sides import noise, spiking_spine
from support.statistics import z_bound

TOML = """
[experiment]
name = "pair"
duration = "4 ms"
exchange = "0.1 ms"

[chemistry]
species.A = { D = "100 um^2/s", contains = { A = 1 } }
species.B = { D = "100 um^2/s" }
species.C = { D = "100 um^2/s", contains = { A = 1 } }
observables.bound = ["C"]
reactions = [{ equation = "A + B <-> C", forward = "2e8 /M/s", backward = "600 /s" }]
initial.A = { count = 150 }
initial.B = { count = 120 }

[[site]]
name = "head"
engine = "ssa"
geometry.box.size = "0.3 0.3 0.3 um"

[[drive]]
to = "head.A"
influx = { times = "0 4 ms", rate = "10 /ms" }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pair.toml"
    path.write_text(TOML)
    return path


def side(label: str, values: np.ndarray, name: str = "V soma", kind: str = "V", **more: object) -> Side:
    """A made-up side of one quantity. values: (n_runs, n_times)."""
    time = np.arange(values.shape[1]) * 0.1
    return Side(label, label, time, "ms", {name: Series(name, kind, "mV", values)}, **{"fixed": False, **more})  # type: ignore[arg-type]


def row(rows: tuple[Row, ...], quantity: str, of: str) -> Row:
    return next(r for r in rows if (r.quantity, r.of) == (quantity, of))


# -- statistics ----------------------------------------------------------------------------------------------------


def test_means_are_compared_by_every_regrouping() -> None:
    from scipy.stats import permutation_test, ttest_1samp, ttest_ind

    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 3, 6)

    def off(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(ttest_ind(x, y, equal_var=False, axis=axis).statistic)

    expected = permutation_test((a, b), off, n_resamples=np.inf, alternative="greater", vectorized=True).pvalue
    assert mean_p(a, b, False, False, rng) == pytest.approx(expected)
    assert mean_p(a, np.full(2, 0.3), False, True, rng) == pytest.approx(ttest_1samp(a, 0.3).pvalue)
    two = np.ones(2)
    assert mean_p(two, two, True, True, rng) == 1 and mean_p(two, 2 * two, True, True, rng) == 0
    for x, y, fixed in ((np.ones(1), a, False), (two, two, False), (two, 2 * two, True)):
        assert math.isnan(mean_p(x, y, fixed, False, rng)), "a single run, constants, and one against a fixed value"
    assert mean_p(np.zeros(8), np.ones(8), False, False, rng) < 1e-3, "whole numbers without scatter can differ"


def test_p_goes_down_to_the_number_of_regroupings() -> None:
    rng = np.random.default_rng(2)
    assert regrouped_p(lambda first: first[:, 0] * 1.0, 4, 4, rng) == 0.5
    assert regrouped_p(lambda first: first[:, :10].sum(axis=1) * 1.0, 10, 10, rng) < 1e-4


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx([0.03, 0.06, 0.06, math.nan], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_courses_that_are_equal_are_rarely_called_different() -> None:
    """Points in time are correlated; that does not make differences: the share of p < 0.05 is 5 %, not more."""
    rng, trials, called, naive = np.random.default_rng(3), 40, 0, 0
    for _ in range(trials):
        a, b = noise(rng, 10, 200), noise(rng, 10, 200)
        called += course(a, b, rng)[1] < 0.05
        error = math.sqrt(a.mean(axis=0).var() / 200 + b.mean(axis=0).var() / 200)
        naive += abs(a.mean() - b.mean()) > 1.96 * error  # errors over points in time
    bound = trials * 0.05 + z_bound(2, 1e-3) * math.sqrt(trials * 0.05 * 0.95)
    assert called <= bound
    assert naive > bound, "the control, errors over time, has to fail"


def test_a_short_difference_is_found() -> None:
    rng = np.random.default_rng(5)
    a, b = noise(rng, 12, 300), noise(rng, 12, 300)
    b[:, 100:110] += 4.0
    assert course(a, b, rng)[1] < 1e-3
    assert course(a, b[:1] * 0, rng)[1] > 0.01, "one course without scatter against noise about it"
    assert all(math.isnan(x) for x in course(a[:1], b[:1], rng))


def test_correlation_time() -> None:
    rng = np.random.default_rng(7)
    tau, error, rho, capped = correlation_time(noise(rng, 200, 400, tau=10.0), 0.5)
    # removing the mean over 200 runs takes 1/200 of the correlation
    assert abs(tau - 5.0) < z_bound(1) * error + 5.0 / 200
    assert error < 1.0 and rho[0] == 1 and not capped
    wrong = 7.0
    assert abs(tau - wrong) > z_bound(1) * error
    assert math.isnan(correlation_time(np.ones((5, 50)), 1.0)[0])


def test_a_correlation_time_at_its_cap_is_not_judged() -> None:
    """A drift outlasts any record: all runs of one side sit at half of the course, without scatter."""
    rng = np.random.default_rng(8)
    drift = rng.normal(0, 1, (4, 1)) * np.linspace(0.9, 1, 100)
    found = correlation_time(drift, 0.5)
    assert found.capped and found.time == 49 * 0.5 and math.isnan(found.error)
    sides = [side("A", noise(rng, 4, 100), "K", "observable"), side("B", drift, "K", "observable")]
    last = row(compare(sides).rows, "K", "correlation time")
    assert last.verdict == "not judged" and "longer than can be seen" in last.note


# -- equal ensembles, and others -----------------------------------------------------------------------------------


def test_equal_ensembles_are_rarely_called_different_in_anything() -> None:
    """At most as many reports with any alarm as 1 % of chance makes; p that are not adjusted must make more."""
    alarms, unadjusted, reports = 0, 0, 24
    for n in (4, 6):
        rng = np.random.default_rng(n)
        for _ in range(reports // 2):
            rows = compare([spiking_spine("A", n, rng), spiking_spine("B", n, rng)]).rows
            assert len(rows) == 13
            alarms += any(r.differs for r in rows)
            unadjusted += any(r.p < 0.05 for r in rows)
    bound = binom.isf(1e-3, reports, ALPHA)
    assert alarms <= bound < unadjusted


@pytest.fixture(scope="module")
def shifted() -> Comparison:
    """Ten runs against ten whose calcium and channels are moved by two standard deviations."""
    rng = np.random.default_rng(3)
    return compare([spiking_spine("A", 10, rng), spiking_spine("B", 10, rng, shift=2.0)])


def test_a_shift_is_found_with_ten_runs_and_never_excluded_with_four(shifted: Comparison) -> None:
    assert {r.quantity for r in shifted.rows if r.differs} == {"head Ca", "head open"}
    rng = np.random.default_rng(3)
    few = compare([spiking_spine("A", 4, rng), spiking_spine("B", 4, rng, shift=20.0)])
    assert {r.verdict for r in few.rows} <= {"not distinguished", "not judged"}
    assert any("too few" in line and "make 7 of each (-n 7)" in line for line in verdict(few))
    assert {r["verdict"] for r in few.json()["rows"]} <= {"not distinguished", "not judged"}


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_verdicts_are_whole_at_any_width(shifted: Comparison, width: int) -> None:
    count = sum(bool(r.differs) for r in shifted.rows)
    for room in (width, None):
        lines = row_lines(shifted, "B", room)
        assert sum("DIFFERS" in line for line in lines) == count > 0
        assert sum("not distinguished" in line for line in lines) == sum(r.differs is False for r in shifted.rows)
    console = Console(file=io.StringIO(), width=width, soft_wrap=True)
    show(shifted, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in printed and "agrees" not in printed and printed.count("DIFFERS") == count


# -- spikes --------------------------------------------------------------------------------------------------------


def test_spike_times() -> None:
    time = np.arange(6) * 1.0
    assert spike_times(np.array([-60.0, -20, 20, 30, -60, 10]), time, 0.0) == pytest.approx([1.5, 4 + 6 / 7])


def test_spike_distance_by_hand() -> None:
    a = np.array([1.0, 5.0, 9.0])
    assert distance(a, a, 2.0) == (0.0, [(0, 0), (1, 1), (2, 2)])
    assert distance(a, a[:2], 2.0)[0] == 1.0
    assert distance(a, a + 0.5, 2.0)[0] == pytest.approx(3 * 0.5)
    assert distance(a, a + 3.0, 2.0) == (4.0, [(1, 0), (2, 1)])  # 5 and 9 go with 4 and 8
    assert distance(a, np.zeros(0), 2.0)[0] == 3.0


def test_jittered_trains_of_one_kind_and_of_another() -> None:
    rng = np.random.default_rng(9)

    def trains(shift: float) -> list[np.ndarray]:
        return [np.arange(10.0, 100, 20) + shift + rng.normal(0, 1, 5) for _ in range(9)]

    assert energy(trains(0), trains(0), 5.0, rng)[2] > 0.01
    assert energy(trains(0), trains(3.0), 5.0, rng)[2] < 0.01
    assert math.isnan(energy(trains(0), trains(0)[:1], 5.0, rng)[2])


# -- the whole -----------------------------------------------------------------------------------------------------


def test_an_engine_against_itself_and_against_another_rate(file: Path, tmp_path: Path) -> None:
    slow = "chemistry.reactions.0.forward=1e8 /M/s"
    sides = [
        side_of(label, Request(file, changes), runs=12, seed=seed, folder=tmp_path, until=None, jobs=1)
        for label, changes, seed in (("A", (), 1), ("B", (), 2), ("C", (slow,), 3))
    ]
    found = compare(sides)
    assert {r.quantity for r in found.rows} == {"head A", "head bound"}
    assert not any(r.differs for r in found.rows if r.side == "B")
    assert {r.of for r in found.rows if r.side == "C" and r.differs} >= {"mean", "course", "end"}
    a = sides[0].series["head bound"].values.mean(axis=1)
    first = row(found.rows, "head bound", "mean").first
    assert first.mean == pytest.approx(a.mean()) and first.error == pytest.approx(a.std(ddof=1) / math.sqrt(12))
    assert {"drive", "head", "exchange and record", "all"} == set(sides[0].parts)
    shares = sum(v for k, v in sides[0].parts.items() if k != "all")
    np.testing.assert_allclose(shares, sides[0].parts["all"])
    assert draw(found, tmp_path / "x.png").stat().st_size > 20_000
    assert "C differs from A in head A, head bound" in verdict(found)


def test_without_scatter_errors_are_zero(file: Path, tmp_path: Path) -> None:
    a, b = (
        side_of(
            label, Request(file, (f"site.head.engine={engine}",)), runs=6, seed=1, folder=tmp_path, until=None, jobs=1
        )
        for label, engine in (("A", "ode"), ("B", "ssa"))
    )
    assert a.fixed and a.runs == 2, "two runs show that the seed does not matter"
    found = compare([a, b])
    mean = row(found.rows, "head bound", "mean")
    assert mean.first.error == 0 and mean.other.error > 0 and not mean.differs
    assert any("no scatter" in line for line in verdict(found))


def test_single_runs_are_not_judged(file: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        Simulation.new(Experiment.load(file, [f"experiment.seed={seed}"]), tmp_path / f"run{seed}").run()
    sides = [
        side_of(label, Request(tmp_path / f"run{k}"), runs=2, seed=None, folder=tmp_path, until=None)
        for label, k in (("A", 1), ("B", 2))
    ]
    found = compare(sides)
    assert all(r.differs is None for r in found.rows)
    assert sum("single run" in line for line in verdict(found)) == 2
    assert sides[0].parts["all"].shape == (1,)


def test_single_sites_of_many_are_had_by_name(file: Path, tmp_path: Path) -> None:
    head, _, _ = TOML.partition("[[site]]")[2].partition("[[drive]]")
    file.write_text(TOML + "".join(f"\n[[site]]{head.replace('head', f's_{k}')}" for k in range(8)))
    Simulation.new(Experiment.load(file), tmp_path / "run").run()

    def names(of: str | None) -> set[str]:
        side = side_of("A", Request(tmp_path / "run"), runs=2, seed=None, folder=tmp_path, until=None, of=of)
        return {*side.series}

    means = {"mean of 9 sites A", "mean of 9 sites B", "mean of 9 sites C", "mean of 9 sites bound"}
    assert names(None) <= means and "mean of 9 sites bound" in names(None)
    assert names("s_3 *") - means == {name.replace("mean of 9 sites", "s_3") for name in names(None)}
    assert names("s_3 bound") - means == {"s_3 bound"}


def test_spikes_in_the_report() -> None:
    rng = np.random.default_rng(2)
    time = np.arange(1000) * 0.1

    def voltage(at: float) -> np.ndarray:
        centres = at + np.array([20.0, 60.0]) + rng.normal(0, 0.5, (10, 1))
        return np.asarray(-65 + 100 * np.exp(-((time - centres[:, :, None]) ** 2)).sum(axis=1))

    found = compare([side("A", voltage(0)), side("B", voltage(0)), side("C", voltage(4.0))], within=5.0)
    for label, differs in (("B", False), ("C", True)):
        rows = tuple(r for r in found.rows if r.side == label)
        assert row(rows, "V soma", "spikes").first.mean == 2
        assert row(rows, "V soma", "spikes").verdict == "not judged", "two spikes in every run of both"
        assert row(rows, "V soma", "spike distance").differs is differs


def test_from_the_command_line(file: Path, tmp_path: Path) -> None:
    app.command("compare")(command)
    arguments = [
        "compare",
        str(file),
        "site.head.engine=ode",
        "-n",
        "3",
        "-j",
        "1",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [s["label"] for s in found["sides"]] == ["A", "B"] and found["sides"][1]["without_scatter"]
    assert Path(found["figure"]).is_file()
    text = CliRunner().invoke(app, [*arguments[:-1], "--no-figure"])
    assert "head bound" in text.stdout and "CPU s per run" in text.stdout and "…" not in text.stdout


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        (["FILE"], [], ["two or more"]),
        (["nothing.toml", "FILE"], [], ["nothing.toml", "no such file"]),
        (["site.head.engine=ode", "FILE"], [], ["before it"]),
        (["DIR", "DIR"], ["a=1"], ["only experiments"]),
        (["DIR", "site.head.engine=ode"], [], ["before it"]),
    ],
)
def test_requests_that_cannot_be(file: Path, arguments: list[str], changes: list[str], words: list[str]) -> None:
    done = file.parent / "done"
    done.mkdir()
    (done / "results.h5").touch()
    given = [a.replace("FILE", str(file)).replace("DIR", str(done)) for a in arguments]
    with pytest.raises(InputError) as found:
        requests(given, changes)
    assert all(w in str(found.value) for w in words)


def test_an_experiment_is_named_as_for_other_commands(file: Path) -> None:
    """By the folder that it is in, or as an example; a folder with results is these."""
    found = requests([str(file.parent), "a=1", "spine"], [])
    assert [r.path for r in found[:2]] == [file, file] and found[2].path.name == "spine.toml"
    (file.parent / "results.h5").touch()
    assert requests([str(file), str(file.parent)], [])[1].path == file.parent


def test_changes_belong_to_the_experiment_before(file: Path) -> None:
    found = requests([str(file), "a=1; b=2", "c=3"], ["d=4"])
    assert [r.changes for r in found] == [("d=4",), ("d=4", "a=1", "b=2"), ("d=4", "c=3")]


@pytest.mark.parametrize(
    ("other", "options", "words"),
    [
        (side("B", np.zeros((3, 50))), {}, ["durations differ", "--until"]),
        (side("B", np.zeros((3, 100)), "V dend"), {}, ["nothing is recorded", "V dend"]),
        (side("B", np.zeros((3, 100))), {"start": 20.0}, ["20", "before the end"]),
        (side("B", np.zeros((3, 100))), {"of": "head*"}, ["head*", "V soma"]),
    ],
)
def test_what_cannot_be_compared(other: Side, options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InputError) as found:
        compare([side("A", np.zeros((3, 100))), other], **options)  # type: ignore[arg-type]
    assert "\n" not in str(found.value) and all(w in str(found.value) for w in words)
