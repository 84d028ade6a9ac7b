"""examples/mesh: the files are those of the script, the density is a region, and the figure is drawn (shortened)."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

from couple.experiment import Experiment
from couple.geometry.surface.read import read_surface
from couple.simulation.simulation import Simulation
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


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("mesh_figure", FOLDER / "figure.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = module.main(tmp_path, ("experiment.duration=2.5 ms",))
    assert path.stat().st_size > 20_000
