"""What is shown of many sites: the extremes and the totals; every line on request; unchanged numbers behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple.analysis.peak_lines import kinds
from couple.base.errors import InputError
from couple.cli.output.console import table_lines
from couple.cli.output.summaries import FEW, ledger_lines, peak_lines, show_lines
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire

N = 6


def tables(sites: int = N) -> dict[str, object]:
    names = [f"spine_{i}" for i in range(sites)]
    return {
        "experiment": {"name": "many", "duration": "2 ms", "exchange": "0.5 ms"},
        "chemistry": {"species": {"Ca": {}, "B": {}}, "observables": {"seen": ["B"]}, "initial": {"B": {"count": 3}}},
        "site": [{"name": n, "engine": "ssa", "geometry": {"sphere": {"diameter": "0.5 um"}}} for n in names],
        "drive": [{"to": f"{n}.Ca", "influx": {"times": "0 2 ms", "rate": "2 /ms"}} for n in names],
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("many") / "out"
    Simulation.new(Experiment.build(**tables()), folder).run()
    return Results(folder)


def test_peaks_are_those_of_the_series(results: Results) -> None:
    peaks = results.peaks()
    assert list(peaks) == [f"spine_{i}" for i in range(N)]
    for site, entry in peaks.items():
        assert entry == {
            "Ca [uM]": results.micromolar(site, "Ca").max(),
            "seen": results.observable(site, "seen").max(),
        }
    assert peaks["spine_5"]["Ca [uM]"] > 0


def test_series_are_copies(results: Results) -> None:
    first = results.counts("spine_1", "Ca")
    first[:] = -1
    assert np.all(results.counts("spine_1", "Ca") >= 0)


def test_many_of_a_kind_share_a_line(results: Results) -> None:
    peaks = dict(peak_lines(results.peaks()))
    (extremes,) = (v for k, v in peaks.items() if k == f"peak spine_* Ca [uM] ({N})")
    assert extremes.count(" in spine_") == 2
    ledger = results.ledger()
    books = dict(ledger_lines(ledger))
    sent = sum(e["sent"] for e in ledger["links"])
    (line,) = (v for k, v in books.items() if k.endswith(f"spine_*.Ca ({N})"))
    assert line.startswith(f"{sent:.3f} sent = {sent:.3f} received")
    assert len(show_lines(results)) < len(show_lines(results, everything=True)) - 2 * (N - 1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("s{} Ca [uM]", "s* Ca [uM]"),
        ("spine{}_head bound", "spine*_head bound"),
        ("Ca in s{}", "Ca in s*"),
        ("influx {} /ms at 0.5 2e-3 ms -> s{}.Ca", "influx * /ms at * * ms -> s*.Ca"),
        ("clamp {} uM -> spine_{}.Ca", "clamp * uM -> spine_*.Ca"),
        ("s{}.Ca -> neuron.cai", "s*.Ca -> neuron.cai"),
        ("s{} K_A2", "s* K_A2"),
    ],
)
def test_names_that_differ_in_numbers_are_of_a_kind(name: str, kind: str) -> None:
    """However sites are called: 1,600 of them were 6,407 lines."""
    found = [(name.replace("{}", str(k)), k) for k in range(9)]
    assert [(k, len(members)) for k, members in kinds(found, everything=False)] == [(kind, 9)]
    assert len(list(kinds(found, everything=True))) == 9


def test_few_of_a_kind_have_a_line_each(tmp_path: Path) -> None:
    Simulation.new(Experiment.build(**tables(FEW)), tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        assert sorted(show_lines(results)) == sorted(show_lines(results, everything=True))


@pytest.mark.parametrize(("engine", "options"), [("lattice", {"spacing": "inf mV"}), ("ode", {"rtl": 1})])
def test_options_of_engines_that_are_not_chosen_are_held_against_them(engine: str, options: dict[str, object]) -> None:
    content = tables()
    content["site"][3][engine] = options  # type: ignore[index]
    with pytest.raises(InputError, match=rf"site\[3\]\.{engine}"):
        wire(Experiment.build(**content))


@pytest.mark.parametrize("room", [40, 60, 100])
def test_tables_hold_at_the_width_of_a_terminal(results: Results, room: int) -> None:
    pairs = [("influx 0 1500 .. 0 /ms at 0 20 .. 122 ms -> spine_0.Ca", "1500 sent"), *show_lines(results)]
    lines = table_lines(pairs, room)
    assert max(map(len, lines)) <= room
    words = [word for pair in pairs for text in pair for word in text.split()]
    assert sorted(words) == sorted(word for line in lines for word in line.split())
    assert max(map(len, table_lines([("x" * 3, "y" * 500)]))) == 505  # in a pipe values are whole


def test_the_name_of_a_drive_is_short() -> None:
    content = tables()
    times, rates = " ".join(map(str, range(40))), " ".join(["1"] * 40)
    content["drive"] = [{"to": "spine_0.Ca", "influx": {"times": f"{times} ms", "rate": f"{rates} /ms"}}]
    content["experiment"]["duration"] = "40 ms"  # type: ignore[index]
    (link,) = wire(Experiment.build(**content)).plan.drives.links
    assert link.name == "influx 1 1 .. 1 /ms at 0 1 .. 39 ms -> spine_0.Ca"
