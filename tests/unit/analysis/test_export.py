"""Records for other programs and notebooks: tables, Parquet, NWB, HTML; every number as it is in the results."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from couple import Ensemble, Experiment, InputError, Results, Simulation, sample
from couple.analysis.export import export
from support.command_line import couple

TEXT = """
[experiment]
name = "decay <b>"
duration = "5 ms"
exchange = "1 ms"
[chemistry]
species.A = {}
species.B = { on = "membrane" }
observables.a = ["A"]
reactions = [{ equation = "A -> 0", forward = "100 /s" }]
initial.A = { count = 50 }
[record]
species = "all"
[[site]]
name = "well"
engine = "ssa"
geometry.sphere = { diameter = "1 um" }
"""
COLUMNS = ["well.A", "well.A.uM", "well.B", "well.a"]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    path = tmp_path_factory.mktemp("experiment") / "a.toml"
    path.write_text(TEXT.replace(" <b>", ""))
    return Experiment.load(path)


@pytest.fixture(scope="module")
def run(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    Simulation.new(experiment, out).run()
    return out


@pytest.fixture(scope="module")
def many(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("many") / "out"
    sample(experiment, 2, 1, out, vary={"chemistry.initial.A.count": "10 50"}, jobs=1).close()
    return out


def test_csv_has_every_number_to_the_bit(run: Path, tmp_path: Path) -> None:
    with Results(run) as results:
        rows = list(csv.reader(export(results, "csv", tmp_path / "a.csv").open()))
        assert rows[0] == [
            "time [ms]",
            "well.A [molecules]",
            "well.A.uM [uM]",
            "well.B [molecules]",
            "well.a [molecules]",
        ]
        table = np.array(rows[1:], dtype=float).T
        expected = [results.time, results.counts("well", "A"), results.micromolar("well", "A")]
        np.testing.assert_array_equal(table[:3], expected)


def test_parquet_of_an_ensemble_says_what_varied(many: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    with Ensemble(many) as ensemble:
        table = parquet.read_table(export(ensemble, "parquet", tmp_path / "a.parquet"))
        assert table.column_names == ["run", "seed", "chemistry.initial.A.count", "time", *COLUMNS]
        assert table.field("well.A.uM").metadata[b"unit"] == b"uM"
        np.testing.assert_array_equal(table["well.A"].to_numpy(), ensemble["well.A"].ravel())
        counts = np.repeat(ensemble.parameters["chemistry.initial.A.count"], len(ensemble.time))
        np.testing.assert_array_equal(table["chemistry.initial.A.count"].to_numpy(), counts)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_nwb_is_read_back(run: Path, many: Path, tmp_path: Path) -> None:
    import pynwb

    with Results(run) as results:
        path = export(results, "nwb", tmp_path / "a.nwb")
        expected, time = results.micromolar("well", "A"), results.time
    with pynwb.NWBHDF5IO(str(path), "r") as io:
        series = io.read().processing["chemistry"]["well.A.uM"]
        np.testing.assert_array_equal(series.data[:], expected)
        assert (series.unit, series.conversion) == ("mol/m^3", 1e-3)
        assert series.rate == pytest.approx(1000 / (time[1] - time[0]))
    assert not pynwb.validate(path=str(path))
    with Ensemble(many) as ensemble, pytest.raises(InputError, match="one run"):
        export(ensemble, "nwb", tmp_path / "b.nwb")
    assert not (tmp_path / "b.nwb").exists()


def test_pandas(run: Path, many: Path) -> None:
    with Results(run) as results:
        table = results.to_pandas()
        assert list(table.columns) == COLUMNS and table.index.name == "time_ms"
        assert table.attrs["units"]["well.A.uM"] == "uM"
        np.testing.assert_array_equal(table["well.A"], results["well.A"])
    with Ensemble(many) as ensemble:
        table = ensemble.to_pandas()
        assert table.index.names == ["run", "time_ms"]
        np.testing.assert_array_equal(table.loc[3]["well.A"], ensemble["well.A"][3])


def test_what_a_notebook_shows(run: Path, many: Path, tmp_path: Path) -> None:
    with Results(run) as results:
        assert "well A" not in results._repr_html_() and "well a" in results._repr_html_()
        assert results.ledger()._repr_html_().startswith("<p>Largest imbalance at any exchange: 0 ions.</p>")
        picture = results.plot()
        assert picture._repr_png_()[:4] == b"\x89PNG"
        assert picture.save(tmp_path / "a.svg").read_text().startswith("<?xml")
        with pytest.raises(InputError, match="did you mean"):
            results.plot("trace")
        assert results.to_xarray()["counts"].sizes["time"] == 6
    with Ensemble(many) as ensemble:
        assert "10 .. 50" in ensemble._repr_html_()


def test_names_are_no_markup(experiment: Experiment) -> None:
    shown = experiment.changed('record.species=["A"]')._repr_html_()
    assert "<td>well</td><td>ssa</td>" in shown
    from couple.base.html.tables import html_table

    assert "<b>" not in html_table(("<b>",), [["<b>"]])


def test_the_command(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert couple("export", str(run), "--to", "csv") == 0
    assert (run / "results.csv").is_file() and capfd.readouterr().out.strip().endswith("results.csv")
    assert couple("export", str(run), "--to", "xls") == 2
    assert 'error: --to: "xls" is not written; known: ' in capfd.readouterr().err
