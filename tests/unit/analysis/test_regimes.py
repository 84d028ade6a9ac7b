"""`couple regimes`: the examples agree or differ as they must; the map and the table say so."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from couple.analysis.regimes.compare import RegimeComparison, compare
from couple.analysis.regimes.picture import draw
from couple.base.errors import InputError
from couple.cli.main import main
from couple.experiment import Experiment
from support.paths import EXAMPLES

FOLDER = EXAMPLES / "regimes"
FAST = ("cme", "gridded", "langevin", "ode", "ssa")


@functools.cache
def comparison(name: str, *engines: str, runs: int = 200) -> RegimeComparison:
    return compare(Experiment.load(FOLDER / f"{name}.toml"), engines=engines, runs=runs)


def verdicts(found: RegimeComparison) -> dict[str, bool | None]:
    assert not found.refusals
    return {row.ensemble.engine: row.differs for row in found.rows}


def test_regimes_agree_where_they_must() -> None:
    found = comparison("agree", "cme", "gridded", "langevin", "lattice", "ode", "ssa")
    assert found.reference == "cme"
    assert found.damkoehler < 1
    assert verdicts(found) == {"cme": None} | dict.fromkeys(("gridded", "langevin", "lattice", "ode", "ssa"), False)


def test_segregation_needs_space() -> None:
    """Without a lattice to hold them against, the gridded method is the reference; mixed engines fall short of it."""
    found = comparison("segregation", *FAST)
    assert found.reference == "gridded"
    assert found.damkoehler > 100
    assert verdicts(found) == {"gridded": None} | dict.fromkeys(("cme", "langevin", "ode", "ssa"), True)
    assert all(row.mean_z < -20 for row in found.rows if row.differs is not None)


def test_low_numbers_need_whole_molecules() -> None:
    found = comparison("bistable", *FAST)
    assert found.reference == "cme"
    differs = verdicts(found)
    assert differs.pop("langevin") in (True, False)  # near the right mean, by luck or by its treatment of zero
    assert differs == {"cme": None, "gridded": False, "ode": True, "ssa": False}


def test_a_mixed_site_of_the_same_chemistry_agrees() -> None:
    """The control of segregation: with fast diffusion the same molecules do not know where they are."""
    experiment = Experiment.load(
        FOLDER / "segregation.toml",
        ["chemistry.species.A.D=1e5 um^2/s", "chemistry.species.B.D=1e5 um^2/s", "site.dendrite.gridded.spacing=4 um"],
    )  # fmt: skip
    assert verdicts(compare(experiment, engines=("gridded", "cme"), runs=100)) == {"gridded": False, "cme": None}


def test_the_map_is_drawn(tmp_path: Path) -> None:
    picture = draw(comparison("bistable", *FAST), tmp_path / "map.png")
    assert picture.stat().st_size > 30_000
    with pytest.raises(InputError, match="cannot be drawn"):
        draw(comparison("bistable", *FAST), tmp_path / "map.xyz")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["regimes", str(FOLDER / "agree.toml"), "--engines", "cme ssa ode", "--runs", "40", "--of", "C"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "C after 4 ms; off in standard errors from cme" in out
    assert "map in agree.png" in out
    assert (tmp_path / "agree.png").exists()
    with pytest.raises(SystemExit):
        main(["regimes", str(FOLDER / "agree.toml"), "--engines", "ssa,cme", "--runs", "9", "--json", "--no-figure"])
    found = json.loads(capsys.readouterr().out)
    assert {e["engine"] for e in found["engines"]} == {"ssa", "cme"}


def test_engines_that_cannot_are_named_with_the_reason() -> None:
    experiment = Experiment.load(FOLDER / "agree.toml", ["site.head.lattice.spacing=200 nm", "site.head.cme.states=5"])
    found = compare(experiment, engines=("lattice", "cme", "ode"), runs=2)
    reasons = {r.engine: r.reason for r in found.refusals}
    assert "cme.states = 5 are allowed" in reasons["cme"]
    assert "lattice" in reasons
    with pytest.raises(InputError, match="no engine runs this chemistry"):
        compare(experiment, engines=("cme",), runs=2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engines": ("cmee",)}, 'unknown engine "cmee"; did you mean "cme"'),
        ({"quantity": "Q"}, 'unknown quantity "Q"'),
        ({"site": "tail"}, 'no site "tail"; known: head'),
        ({"engines": ("ode",), "against": "ssa"}, '"ssa" did not run'),
    ],
)
def test_bad_input(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(Experiment.load(FOLDER / "agree.toml"), runs=2, **given)  # type: ignore[arg-type]


def test_a_cell_is_not_a_regime() -> None:
    with pytest.raises(InputError, match=r"regimes compares chemistry without NEURON"):
        compare(Experiment.load(EXAMPLES / "spine" / "spine.toml"))


def test_drives_reach_every_engine() -> None:
    source = {
        "experiment": {"name": "driven", "duration": "2 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"Ca": {"D": "220 um^2/s"}, "B": {}},
            "reactions": [{"equation": "Ca -> 0", "forward": "0.5 /ms"}, {"equation": "B -> 0", "forward": "0.1 /ms"}],
            "initial": {"B": {"count": 30}},
        },
        "site": [
            {
                "name": "head",
                "engine": "ssa",
                "geometry": {"box": {"size": "0.3 0.3 0.3 um"}},
                "gridded": {"spacing": "0.1 um"},
            }
        ],
        "drive": [{"to": "head.Ca", "influx": {"times": "0 1 ms", "rate": "37.5 /ms"}}],
    }
    found = compare(Experiment.parse(source), engines=FAST, runs=60, quantity="Ca")
    assert [row.differs for row in found.rows].count(None) == 1
    assert all(row.differs is not True for row in found.rows)
    exact = 37.5 / 0.5 * (1 - 2.718281828459045**-0.5) * 2.718281828459045**-0.5
    ode = next(row for row in found.rows if row.ensemble.engine == "ode")
    assert ode.mean == pytest.approx(exact, rel=1e-3)
