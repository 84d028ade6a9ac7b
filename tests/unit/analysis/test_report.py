"""`couple report`: one file that needs nothing else, with the numbers of the results in it."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple import Ensemble, Experiment, Results, Simulation, sample
from couple.analysis.report import report
from support.command_line import couple
from support.decay import DECAY
from support.paths import EXAMPLES

KINDS = {"f4": np.float32, "i4": np.int32, "u1": np.uint8}


class Page(HTMLParser):
    """Ids of sections, what is loaded from elsewhere, text of tables, and the data of the views."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.loaded: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.views: dict[str, Any] = {}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.sections += [given["id"] or ""] if tag == "section" else []
        self.loaded += [given[key] or "" for key in ("src", "href") if key in given]
        self.open.append(given.get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        self.open.pop() if self.open else None

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "views":
            self.views = json.loads(data)
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def unpack(packed: dict[str, Any]) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(packed["bytes"]), dtype=KINDS[packed["kind"]])
    return data.reshape(packed["shape"])


SPINE = EXAMPLES / "spine" / "spine.toml"


@pytest.fixture(scope="module")
def spine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spine on a coarse lattice with snapshots, whose voltages are all recorded."""
    changes = ["experiment.duration=0.5 ms", "site.head.lattice.spacing=20 nm", "site.head.lattice.snapshots=true",
               'record.voltages=["*"]', "chemistry.initial.CBP=0 uM", "chemistry.initial.CB_H0M0=5 uM"]  # fmt: skip
    out = tmp_path_factory.mktemp("report") / "run"
    Simulation.new(Experiment.load(SPINE, changes), out).run()
    return out


def test_the_page_of_a_run_has_its_numbers(spine: Path) -> None:
    with Results(spine) as results:
        page = Page(report(results))
        time, V, books = results.time, results.voltages(), results.ledger()
        counts = {s: results.counts("head", s) for s in ("CB_H0M0", "Ca")}
    assert page.loaded == [], "nothing is fetched"
    assert page.sections == ["summary", "traces", "shape", "particles", "ledger", "provenance"]
    curves = {c["name"]: c for c in page.views["traces"]["data"]}
    np.testing.assert_allclose(curves["head(0.5)"]["y"], V["head(0.5)"], rtol=1e-4)
    np.testing.assert_allclose(curves["head(0.5)"]["x"], time, rtol=1e-6)
    assert f"{books['sites'][0]['bound']:.6g}" in page.cells

    shape = page.views["shape"]
    values, names = unpack(shape["quantities"][0]["values"]), shape["names"]
    assert {*names} == {*V} and shape["quantities"][0]["name"] == "V"
    column = [names[k] for k in shape["quantities"][0]["segments"]].index("soma(0.5)")
    np.testing.assert_allclose(values[:, column], V["soma(0.5)"], rtol=1e-6)
    assert names[shape["sites"]["head"]] == "head(0.5)"

    particles = page.views["particles"]
    for species, expected in counts.items():
        at = particles["species"].index(species) if species in particles["species"] else None
        drawn = [0 if at is None else frame[at]["shape"][0] for frame in particles["frames"]]
        assert drawn == expected.tolist()
    assert particles["spacing"] == pytest.approx(0.02)


def test_the_shape_has_the_membrane_of_the_model(spine: Path) -> None:
    with Results(spine) as results:
        frusta = results.file["morphology/frusta"][()].astype(float)
        segment = results.file["morphology/segment"][()]
        names = [n.decode() for n in results.file["morphology/name"][()].tolist()]
        area = float(results.file["head"].attrs["area_um2"][0])
    a, b = frusta[:, :4], frusta[:, 4:]
    slant = np.hypot(np.linalg.norm(b[:, :3] - a[:, :3], axis=1), (b[:, 3] - a[:, 3]) / 2)
    lateral = np.pi * (a[:, 3] + b[:, 3]) / 2 * slant
    assert lateral[segment == names.index("head(0.5)")].sum() == pytest.approx(area, rel=1e-5)


def test_the_page_of_an_ensemble_shows_what_varies(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(DECAY)
    vary = {"chemistry.initial.A.count": "10 50"}
    with sample(Experiment.load(tmp_path / "a.toml"), 2, 1, tmp_path / "many", vary=vary, jobs=1) as ensemble:
        assert isinstance(ensemble, Ensemble)
        page = Page(report(ensemble, tmp_path / "page.html"))
        means = np.nanmean(ensemble["well.a"], axis=1)
    assert page.sections == ["summary", "traces", "parameters", "provenance"]
    assert page.views["parameters"]["data"][0]["x"] == [10, 10, 50, 50]
    np.testing.assert_allclose(page.views["parameters"]["data"][0]["y"], means, rtol=1e-4)


def test_what_a_file_says_is_no_script(spine: Path, tmp_path: Path) -> None:
    with Results(spine) as results:
        path = report(results, tmp_path / "page.html")
        text = path.read_text()
    assert text.count("</script>") == 3 and text.count("<script") == 3


def test_the_command(spine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("report", str(spine), "--out", str(tmp_path / "here.html")) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "here.html")
    assert couple("report", str(tmp_path)) == 2


def test_force_knows_a_report_as_ours_and_nobody_elses(spine: Path, tmp_path: Path) -> None:
    from couple.storage.run.run_folder import RUN

    with Results(spine) as results:
        ours = report(results, tmp_path / "report.html")
    assert RUN.owns(ours)
    ours.write_text("<html><title>a page of somebody</title></html>")
    assert not RUN.owns(ours)
