"""examples/mesh: the files are those of the script, the density is a region, and the figure is drawn (shortened)."""

from __future__ import annotations

import importlib.util
import json
import runpy
from pathlib import Path

import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.geometry.surface.read import read_surface
from couple.simulation.simulation import Simulation
from support.command_line import assert_equal_results, couple
from support.paths import EXAMPLES

FOLDER = EXAMPLES / "mesh"


def test_the_files_are_those_of_the_script_and_close_together(tmp_path: Path) -> None:
    made = runpy.run_path(str(FOLDER / "make_spine.py"))
    for name, corners in zip(("spine.stl", "psd.stl"), made["triangles"](), strict=True):
        made["write"](tmp_path / name, corners)
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
    surface = read_surface({"membrane": FOLDER / "spine.stl", "psd": FOLDER / "psd.stl"}, 1e-3)
    assert 0.05 < surface.volume < 0.2 and surface.regions == ("membrane", "psd")


@pytest.mark.parametrize("engine", ["ode", "lattice"])
def test_calcium_of_the_density_binds_there(engine: str) -> None:
    experiment = Experiment.load(FOLDER / "mesh.toml", [f"site.spine.engine={engine}", "experiment.duration=1.5 ms"])
    simulation = Simulation.in_memory(experiment)
    summary = simulation.run()
    assert summary["ledger"]["max_imbalance_ions"] == 0 or engine == "ode"
    with simulation.results as results:
        active = results["spine.active"]
        assert active[:5].max() < 1 and active[-1] > 5


def test_check_says_volume_membrane_and_regions(capfd: pytest.CaptureFixture[str]) -> None:
    path = str(FOLDER / "mesh.toml")
    assert couple("check", path, "--json", "--set", "site.spine.engine=ode") == 0
    [site] = json.loads(capfd.readouterr().out)["sites"]
    assert site["shape"] == "mesh" and sum(site["regions"].values()) == pytest.approx(site["area"]["values"])
    assert couple("check", path, "--set", "site.spine.engine=ode") == 0
    said = " ".join(capfd.readouterr().out.split())  # whatever the width
    assert "um^3, membrane 1.14204 um^2 (membrane " in said and "in 800 triangles" in said


def test_a_run_goes_on_to_the_bit_and_not_with_another_mesh(tmp_path: Path) -> None:
    for name in ("mesh.toml", "spine.stl", "psd.stl"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    changes = ["experiment.duration=1 ms", "checkpoint.every=0.5 ms", "site.spine.lattice.snapshots=false"]
    experiment = Experiment.load(tmp_path / "mesh.toml", changes)
    Simulation.new(experiment, tmp_path / "whole").run()
    Simulation.new(experiment, tmp_path / "half").run(until=0.5)
    Simulation.resumed(tmp_path / "half").run()
    assert_equal_results(tmp_path / "whole" / "results.h5", tmp_path / "half" / "results.h5")
    Simulation.new(experiment, tmp_path / "other").run(until=0.5)
    (tmp_path / "psd.stl").write_bytes((tmp_path / "psd.stl").read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"psd.stl changed since"):
        Simulation.resumed(tmp_path / "other")


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("mesh_figure", FOLDER / "figure.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = module.main(tmp_path, ("experiment.duration=2.5 ms",))
    assert path.stat().st_size > 20_000
