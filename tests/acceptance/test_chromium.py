"""Reports and the live page in a browser: nothing complains, sliders move, values under the mouse are right."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple import Ensemble, Experiment, Results, Simulation, sample
from couple.analysis.report.report import write_report
from couple.storage.folder.owner import writer_of
from reducers.training.files import read_training
from reducers.training.kinds import kind_of_file
from support.chromium import CHROMIUM, Browser, browser
from support.decay import DECAY
from support.paths import EXAMPLES
from support.small_sites import small_sites
from support.stopped_commands import ForkedCommand

pytestmark = [pytest.mark.acceptance, pytest.mark.skipif(CHROMIUM is None, reason="skipped: no Chromium")]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


def ran(folder: Path, name: str, *changes: str) -> Path:
    Simulation.new(Experiment.load(EXAMPLES / name, changes), folder).run()
    return folder


def shows(chromium: Browser, folder: Path, *sections: str) -> None:
    """The report is drawn, with these sections, and nothing has complained."""
    chromium.open(write_report(folder).as_uri())
    assert chromium.js("document.body.dataset.ready") == "yes"
    assert chromium.complaints == []
    found = chromium.js("[...document.querySelectorAll('section')].map(s => s.id)")
    assert found == [*sections]
    plots = chromium.js("[...document.querySelectorAll('.view')].every(v => v.querySelector('.main-svg, canvas'))")
    assert plots, "every view has a picture"
    assert chromium.js("document.documentElement.scrollHeight") < 6000, "a page that one can scroll"
    assert chromium.js("document.documentElement.scrollWidth") <= 1200, "and not sideways"


def slide(chromium: Browser, section: str, where: str) -> str:
    """Move a slider to its "min" or "max" as a hand does; what is said beside it."""
    chromium.js(f"""(() => {{ const slider = document.querySelector('#{section} input[type=range]');
      slider.value = slider.{where}; slider.dispatchEvent(new Event('input')); }})()""")
    said: str = chromium.js(f"document.querySelector('#{section} output').textContent")
    return said


def hovered(chromium: Browser, view: str, curve: int, point: int) -> str:
    """What is written at the mouse when it is over a point of a curve."""
    at = chromium.js(f"""(() => {{ const place = document.getElementById('view-{view}');
      place.scrollIntoView({{ block: 'center' }});
      const all = place._fullLayout, data = place._fullData[{curve}];
      const x = all[data.xaxis === 'x' ? 'xaxis' : 'xaxis' + data.xaxis.slice(1)];
      const y = all[data.yaxis === 'y' ? 'yaxis' : 'yaxis' + data.yaxis.slice(1)];
      const frame = place.getBoundingClientRect();
      const [right, down] = [x._offset + x.d2p(data.x[{point}]), y._offset + y.d2p(data.y[{point}])];
      return [frame.left + right, frame.top + down]; }})()""")
    chromium.move(at[0] - 3, at[1])
    chromium.move(*at)
    chromium.wait(f"document.querySelector('#view-{view} .hoverlayer text') !== null", 60)
    said: str = chromium.js(f"document.querySelector('#view-{view} .hoverlayer').textContent")
    return said.replace("\u2212", "-")


def test_the_report_of_a_spine_with_particles(chromium: Browser, tmp_path: Path) -> None:
    out = ran(tmp_path / "spine", "spine/spine.toml", "experiment.duration=2 ms", "site.head.lattice.spacing=20 nm",
              "site.head.lattice.snapshots=true", "chemistry.initial.CBP=0 uM", "chemistry.initial.CB_H0M0=5 uM",
              'record.voltages=["*"]', "record.every=0.5 ms")  # fmt: skip
    shows(chromium, out, "summary", "traces", "shape", "particles", "ledger", "provenance")
    with Results(out) as results:
        molecules = {s: results.counts("head", s) for s in ("CB_H0M0", "Ca")}
        last, calcium = results["neuron.head(0.5)"][-1], results.micromolar("head", "Ca")
    drawn = "Object.fromEntries(document.getElementById('view-particles').data.map(t => [t.name, t.x.length]))"
    for row, where in ((0, "min"), (-1, "max")):
        assert slide(chromium, "particles", where) == ("0 ms" if row == 0 else "2 ms")
        chromium.wait(f"({drawn}).CB_H0M0 === {int(molecules['CB_H0M0'][row])}", 60)
        assert chromium.js(drawn)["Ca"] == molecules["Ca"][row]
    assert slide(chromium, "shape", "max") == "2 ms"
    chromium.wait(f"document.getElementById('view-shape').data[1].text[0].includes('V {last:.4g} mV')", 60)
    names = chromium.js("document.getElementById('view-traces').data.map(t => t.name)")
    k = names.index("free Ca (µM)")
    assert f"{calcium[2]:.4g}"[:4] in hovered(chromium, "traces", k, 2)


def test_the_report_of_a_morphology(chromium: Browser, tmp_path: Path) -> None:
    out = ran(tmp_path / "cell", "morphology/morphology.toml", "experiment.duration=60 ms", 'record.voltages=["*"]',
              "record.every=0.5 ms")  # fmt: skip
    shows(chromium, out, "summary", "traces", "spikes", "shape", "ledger", "provenance")
    with Results(out) as results:
        voltages, (times, _) = results.voltages(), results.spikes()
    first = "Math.max(...document.getElementById('view-shape').data[2].intensity)"
    at_start = chromium.js(first)
    assert at_start == pytest.approx(max(v[0] for v in voltages.values()), abs=1e-3)
    slide(chromium, "shape", "max")
    chromium.wait(f"Math.abs({first} - ({at_start})) > 1e-6", 60)
    assert chromium.js(first) == pytest.approx(max(v[-1] for v in voltages.values()), abs=1e-3)
    assert f"{times[0]:.4g}"[:4] in hovered(chromium, "spikes", 0, 0)
    before = chromium.js("document.getElementById('view-shape').layout.scene.xaxis.range")
    chromium.js("""(() => { const place = document.querySelector('#shape select[aria-label=place]');
      place.value = 'spine_0'; place.dispatchEvent(new Event('change')); })()""")
    now = chromium.js("document.getElementById('view-shape').layout.scene.xaxis.range")
    assert 0 < now[1] - now[0] < (before[1] - before[0]) / 20, "a spine is seen from near"


def test_the_report_of_a_network(chromium: Browser, tmp_path: Path) -> None:
    out = ran(tmp_path / "network", "network/network.toml", "experiment.duration=5 ms")
    shows(chromium, out, "summary", "traces", "spikes", "ledger", "provenance")
    with Results(out) as results:
        times, _ = results.spikes()
    drawn = chromium.js("document.getElementById('view-spikes').data[0].x")
    np.testing.assert_allclose(np.sort(drawn), times, rtol=1e-6)


def test_the_report_of_an_ensemble(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(DECAY)
    vary: dict[str, object] = {"chemistry.initial.A.count": "10 50"}
    with sample(Experiment.load(tmp_path / "a.toml"), 5, 1, tmp_path / "many", vary=vary, jobs=1) as made:
        assert isinstance(made, Ensemble)
        means, whole = np.nanmean(made["well.a"], axis=1), made["well.a"].mean(axis=0)
    shows(chromium, tmp_path / "many", "summary", "traces", "parameters", "provenance")
    drawn = chromium.js("document.getElementById('view-parameters').data[0].y")
    np.testing.assert_allclose(drawn, means, rtol=1e-4)
    assert f"{whole[2]:.4g}"[:4] in hovered(chromium, "traces", 1, 2)


def test_the_report_of_a_training(chromium: Browser, tmp_path: Path) -> None:
    file = EXAMPLES / "reduce" / "decay.toml"
    changes = ("data.runs=40", "train.held_out=20", "fit.steps=20")
    training = kind_of_file(read_training(file, changes)).new(file, tmp_path / "t", changes, force=False, tell=print)
    summary = training.run()
    shows(chromium, tmp_path / "t", "verdict", "summary", "fit", "pictures", "provenance")
    fit = chromium.js("document.getElementById('view-fit').data[0].y")
    assert len(fit) == summary["steps"] and fit[-1] == pytest.approx(summary["gap"], rel=1e-4)
    assert summary["verdict"]["text"] in chromium.js("document.getElementById('verdict').textContent")
    assert chromium.js("[...document.images].every(i => i.complete && i.naturalWidth > 200)")


def test_a_run_is_followed_and_stopped_by_its_button(chromium: Browser, tmp_path: Path) -> None:
    """From the click in the browser to the checkpoint on the disk, and the report that takes the page's place."""
    path, out = tmp_path / "sites.toml", tmp_path / "out"
    path.write_text(small_sites({"a": "ssa", "b": "ssa", "c": "ode"}, ("a", "b"), "c", "1000 s"))
    run = ForkedCommand(("run", path, "--out", out, "--no-figure"), tmp_path / "run.txt")
    run.wait_for(lambda: writer_of(out) is not None)
    view = ForkedCommand(("view", out, "--json"), tmp_path / "view.txt")
    try:
        view.wait_for(lambda: (tmp_path / "view.txt").is_file() and "\n" in (tmp_path / "view.txt").read_text())
        chromium.open(json.loads((tmp_path / "view.txt").read_text())["address"])
        chromium.wait("document.querySelectorAll('#values tr').length > 0 && window.Plotly !== undefined")
        chromium.wait("document.querySelector('#view-traces .main-svg') !== null")
        far = "parseFloat(document.getElementById('far').textContent)"
        first: Any = chromium.js(far)
        chromium.wait(f"{far} > {first}")
        assert chromium.js("document.getElementById('left').textContent").endswith("left")
        assert chromium.complaints == []
        chromium.js("document.getElementById('stop').click()")
        assert run.wait() == 143
        chromium.wait("document.getElementById('ledger') !== null && document.body.dataset.ready === 'yes'")
        assert "interrupted" in chromium.js("document.querySelector('header p').textContent")
        assert chromium.complaints == []
        assert (out / "checkpoint.h5").is_file()
    finally:
        run.send(signal.SIGKILL)
        view.send(signal.SIGTERM)
    assert view.wait() == 0


def test_what_is_wrong_on_a_page_is_heard(chromium: Browser, tmp_path: Path) -> None:
    """The control."""
    for wrong in ("throw new Error('no')", "console.error('no')", "fetch('file:///no')", "nothing.there()"):
        page = tmp_path / "page.html"
        page.write_text(f"<body data-ready=yes><script>{wrong}</script></body>")
        chromium.open(page.as_uri())
        chromium.js("new Promise(done => setTimeout(done, 300))")
        assert chromium.complaints, wrong
