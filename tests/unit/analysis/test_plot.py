"""Figures: what is drawn is what was recorded, and can be told apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.analysis.plot import figure, kinds_of
from couple.analysis.plot.curves import Curve, Scale, draw_curves, thinned
from couple.analysis.plot.style import panels, styled
from couple.analysis.plot.traces import draw_traces, panels_of
from couple.base.errors import InputError
from couple.cli.main import main
from couple.ensemble import sample
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.ensembles import birth_death


def driven(sites: int) -> Simulation:
    """`sites` boxes into which calcium flows; finished."""
    content: dict[str, Any] = {
        "experiment": {"name": "driven", "duration": "5 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"Ca": {"contains": {"Ca": 1}}},
            "reservoirs": ["Ca_out"],
            "reactions": [{"equation": "Ca -> Ca_out", "forward": "1 /ms"}],
        },
        "site": [
            {"name": f"s{i}", "engine": "ode", "geometry": {"sphere": {"diameter": f"{0.5 + i / 20} um"}}}
            for i in range(sites)
        ],
        "drive": [{"to": "s*.Ca", "influx": {"times": "0 2 ms", "rate": "400 /ms"}}],
    }
    simulation = Simulation.in_memory(Experiment.parse(content))
    simulation.run()
    return simulation


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    with driven(1).results as results:
        path = figure(results, tmp_path / f"x.{suffix}")
        start = path.read_bytes()
        assert start[:4] == {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xm"}[suffix]
        if suffix == "pdf":
            assert b"/FontFile2" in start and b"/Type3" not in start  # embedded as TrueType
        with pytest.raises(InputError, match="png, pdf, svg"):
            figure(results, tmp_path / "x.bmp")


def test_every_kind(tmp_path: Path) -> None:
    with driven(8).results as results:
        assert kinds_of(results) == ["traces", "sites", "ledger", "timing"]
        for kind in kinds_of(results):
            assert figure(results, tmp_path / f"{kind}.png", kind).stat().st_size > 5000
    with driven(1).results as results, pytest.raises(InputError, match='no "sites", only traces, ledger, timing'):
        figure(results, tmp_path / "x.png", "sites")


def test_lines_are_the_record() -> None:
    with driven(2).results as results, styled():
        drawing = draw_traces(results)
        free = next(ax for ax in drawing.axes if "free" in ax.get_ylabel())
        assert "µM" in free.get_ylabel()
        for line, site in zip(free.lines, ("s0", "s1"), strict=True):
            assert np.array_equal(line.get_ydata(), results.micromolar(site, "Ca")) and line.get_label() == site
        assert drawing.axes[-1].get_xlabel() == "time (ms)"


def test_many_sites_get_a_scale_and_different_colours() -> None:
    with driven(20).results as results, styled():
        drawing = draw_traces(results)
        free = next(ax for ax in drawing.axes if "free" in ax.get_ylabel())
        assert len({tuple(line.get_color()) for line in free.lines}) == 20
        assert free.get_legend() is None
        assert any(ax.get_ylabel() == "site" for ax in drawing.axes)


@pytest.mark.parametrize("diameter", [0.6, 5.0])
def test_observables_of_unequal_sites_are_drawn_by_size(diameter: float) -> None:
    content: dict[str, Any] = {
        "experiment": {"name": "unequal", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"A": {}, "B": {}, "P": {"on": "membrane"}},
            "observables": {"inside": ["A", "B"], "outside": ["P"], "all": ["A", "P"]},
            "reactions": [{"equation": "A <-> B", "forward": "1 /ms", "backward": "1 /ms"}],
            "initial": {"A": "2 uM", "P": {"total": "30 /um^2"}},
        },
        "site": [
            {"name": f"s{i}", "engine": "ode", "geometry": {"sphere": {"diameter": f"{d} um"}}}
            for i, d in enumerate((0.5, diameter))
        ],
    }
    simulation = Simulation.in_memory(Experiment.parse(content))
    simulation.run()
    with simulation.results as results:
        found = {p.label.split("\n")[0]: p for p in panels_of(results)}
        for name, unit in (("inside", "(µM)"), ("outside", "(1/µm²)"), ("all", "(molecules)")):
            panel = found[name]
            assert panel.label.endswith(unit if diameter > 1 else "(molecules)")
            for curve in panel.curves if diameter > 1 and name != "all" else ():
                # counts at the start are whole: half a molecule in the smaller site
                half = 0.5 / (602.214076e-3 * np.pi / 6 * 0.5**3 if name == "inside" else np.pi * 0.5**2)
                assert np.abs(curve.values - (2.0 if name == "inside" else 30.0)).max() <= half * (1 + 1e-9)


def test_coinciding_traces_are_both_seen() -> None:
    time = np.linspace(0, 1, 50)
    with styled():
        _, (ax,) = panels(1)
        draw_curves(ax, time, [Curve("a", time), Curve("b", time)], None)
        below, above = ax.lines
        assert below.get_linewidth() > 1.5 * above.get_linewidth()  # a rim around the later one


def test_bands_of_an_ensemble(tmp_path: Path) -> None:
    with sample(birth_death("10 ms"), 20, 3, tmp_path / "out", jobs=1) as ensemble, styled():
        (ax,) = draw_traces(ensemble).axes
        found, spread = ensemble.statistics("box.a"), ensemble["box.a"].std(axis=0, ddof=1)
        assert np.allclose(ax.lines[0].get_ydata(), found.mean)
        for band, low, high in zip(
            ax.collections, (found.mean - spread, found.low), (found.mean + spread, found.high), strict=True
        ):
            (path,) = band.get_paths()
            assert path.vertices[:, 1].min() == pytest.approx(low.min())
            assert path.vertices[:, 1].max() == pytest.approx(high.max())
        with pytest.raises(SystemExit):
            main(["plot", str(tmp_path / "out"), "--format", "svg"])
        assert (tmp_path / "out" / "figure.svg").exists()


def test_thinning_keeps_every_spike() -> None:
    time = np.arange(100_000.0)
    values = np.zeros(time.size)
    values[[777, 50_001, 99_998]] = 1.0, 2.0, -3.0
    t, (v,) = thinned(time, values)
    assert len(t) < 5000 and {777.0, 50_001.0, 99_998.0} <= set(t[v != 0]) and v.sum() == 0.0


def test_a_scale_of_one_position() -> None:
    assert Scale("site", 1.0, 1.0).colour(1.0) == Scale("site", 1.0, 1.0).colour(1.0)


@pytest.mark.parametrize("sites", [1, 5, 300, 1600])
def test_layouts_hold_for_any_number_of_sites(sites: int) -> None:
    """Panels keep four fifths of the width, legends and bars stay inside of the figure."""
    with driven(min(sites, 5)).results as results, styled():
        found = panels_of(results)
        drawing, axes = panels(len(found), sharex=True)
        drawing.draw_without_rendering()
        time, scale = results.time, Scale("site", 1, sites)
        for panel, ax in zip(found, axes, strict=True):
            curves = [Curve(f"s{k}", panel.curves[0].values * (1 + k), k + 1) for k in range(sites)]
            draw_curves(ax, time, curves, scale if sites > 6 else None)
            assert len(ax.lines) <= 40
        drawing = draw_traces(results)
        drawing.draw_without_rendering()
        width = drawing.bbox.width
        for ax in drawing.axes:
            assert ax.get_window_extent().width > 0.7 * width
            legend = ax.get_legend()
            assert legend is None or legend.get_window_extent().x1 <= width


def test_some_of_the_traces_and_a_panel_for_each_site() -> None:
    from couple.analysis.plot import traces
    from couple.analysis.plot.traces import Panel, chosen_panels

    many = (Curve("a", np.zeros(2)), Curve("b", np.ones(2)))
    found = [
        Panel("V (mV)", (Curve("soma", np.zeros(2)),)),
        Panel("free Ca (µM)", many),
        Panel("SK open\n(molecules)", many),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traces, "panels_of", lambda _: found)
        recording: Any = None
        assert [p.label for p in chosen_panels(recording, "Ca")] == ["free Ca (µM)"]
        assert [p.label for p in chosen_panels(recording, "SK*")] == ["SK open\n(molecules)"]
        split = chosen_panels(recording, "Ca", by_site=True)
        assert [p.label for p in split] == ["a\nfree Ca (µM)", "b\nfree Ca (µM)"]
        assert all(len(p.curves) == 1 for p in split)
        with pytest.raises(InputError, match='nothing is called "ca"; did you mean "Ca"'):
            chosen_panels(recording, "ca")
