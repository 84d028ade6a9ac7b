"""Particles, surfaces and voltages for ParaView, CellBlender and SONATA: read back by the rules of each format."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from couple import Ensemble, Experiment, InputError, Results, Simulation, sample
from couple.analysis.export import export
from couple.analysis.export.cellblender import read_positions
from couple.analysis.export.experiment import export_experiment
from couple.geometry.surface.read import read_surface
from support import surfaces
from support.command_line import couple

TEXT = """
[experiment]
name = "walk"
duration = "1 ms"
exchange = "0.1 ms"
[chemistry]
species.A = { D = "1 um^2/s" }
species.B = { D = "1 um^2/s" }
reactions = [{ equation = "A -> B", forward = "500 /s" }]
initial.A = { count = 50 }
initial.B = { count = 3 }
[record]
every = "0.2 ms"
species = "all"
[[site]]
name = "head"
engine = "lattice"
lattice.spacing = "50 nm"
lattice.snapshots = true
geometry.mesh = "head.stl"
geometry.mesh_unit = "um"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("walk")
    surfaces.stl(made / "head.stl", {n: c + [5.0, 0, 0] for n, c in surfaces.sphere(0.3, 2, cap=0.2).items()})
    (made / "walk.toml").write_text(TEXT)
    Simulation.new(Experiment.load(made / "walk.toml"), made / "out").run()
    return made


def steps(file: h5py.File) -> list[dict[str, np.ndarray]]:
    """What VTK's reader takes of each time: points and vertices from the offsets in Steps."""
    root = file["VTKHDF"]
    assert root.attrs["Type"] == b"PolyData" and tuple(root.attrs["Version"]) == (2, 0)
    found = []
    for k in range(int(root["Steps"].attrs["NSteps"])):
        part = int(root["Steps/PartOffsets"][k])
        n, start = int(root["NumberOfPoints"][part]), int(root["Steps/PointOffsets"][k])
        cells, first = int(root["Vertices/NumberOfCells"][part]), int(root["Steps/CellOffsets"][k, 0])
        offsets = root["Vertices/Offsets"][first + k : first + k + cells + 1]  # one more than cells in each part
        ids = root["Vertices/Connectivity"][int(root["Steps/ConnectivityIdOffsets"][k, 0]) :][: offsets[-1]]
        assert cells == n == len(ids) and (ids == np.arange(n)).all() and (np.diff(offsets) == 1).all()
        at = int(root["Steps/PointDataOffsets/species"][k])
        found.append({"points": root["Points"][start : start + n], "species": root["PointData/species"][at : at + n]})
    return found


def test_particles_are_those_of_the_record_inside_of_the_mesh(folder: Path, tmp_path: Path) -> None:
    with Results(folder / "out") as results:
        path = export(results, "vtkhdf", tmp_path / "a.vtkhdf")
        counts = {name: results.counts("head", name) for name in "AB"}
        time = results.time
    surface = read_surface(folder / "head.stl", 1.0)
    with h5py.File(path) as file:
        names = list(file["VTKHDF/PointData/species"].attrs["names"])
        np.testing.assert_array_equal(file["VTKHDF/Steps/Values"], time)
        for k, step in enumerate(steps(file)):
            for name in "AB":
                assert (step["species"] == names.index(name)).sum() == counts[name][k]
            assert (step["points"] > surface.low).all() and (step["points"] < surface.high).all()
        assert len({tuple(s["points"][0]) for s in steps(file)}) > 1  # the control: they move


def test_cellblender_has_counts_in_seconds_and_places(folder: Path, tmp_path: Path) -> None:
    with Results(folder / "out") as results:
        path = export(results, "cellblender", tmp_path / "cb")
        counts, time = results.counts("head", "B"), results.time
        table = np.loadtxt(path / "react_data" / "seed_00001" / "B.head.dat")
        np.testing.assert_array_equal(table, np.stack([time * 1e-3, counts], axis=1))
        files = sorted((path / "viz_data" / "seed_00001").iterdir())
        assert len(files) == len(time)
        assert [len(read_positions(file)["B"]) for file in files] == counts.tolist()
        assert abs(read_positions(files[0])["A"].mean(axis=0) - [5, 0, 0]).max() < 0.3
        with pytest.raises(InputError, match="is there already"):
            export(results, "cellblender", path)
    cut = tmp_path / "cut.dat"
    cut.write_bytes(files[0].read_bytes()[:-5])
    with pytest.raises(InputError, match="is cut or broken"):
        read_positions(cut)


def test_the_surface_of_an_experiment_is_written(folder: Path, tmp_path: Path) -> None:
    path = export_experiment(Experiment.load(folder / "walk.toml"), "vtkhdf", tmp_path / "m.vtkhdf")
    surface = read_surface(folder / "head.stl", 1.0)
    with h5py.File(path) as file:
        root = file["VTKHDF"]
        np.testing.assert_array_equal(root["Points"], surface.points)
        rows = root["Polygons/Connectivity"][...].reshape(-1, 3)
        np.testing.assert_array_equal(rows, surface.triangles)
        np.testing.assert_array_equal(root["Polygons/Offsets"], 3 * np.arange(len(rows) + 1))
        region = [str(n) for n in root["CellData/region"].attrs["names"]]
        assert [region[k] for k in root["CellData/region"][...]] == [surface.regions[k] for k in surface.region]


def test_what_has_no_places_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = TEXT.replace("lattice.snapshots = true\n", "")
    (folder / "plain.toml").write_text(plain)
    Simulation.new(Experiment.load(folder / "plain.toml"), tmp_path / "plain").run()
    with Results(tmp_path / "plain") as results:
        for form, said in (
            ("vtkhdf", "give the lattice of a site lattice.snapshots = true"),
            ("sonata", "reports are of membrane potentials"),
        ):
            with pytest.raises(InputError, match=said):
                export(results, form, tmp_path / "no")
            assert not (tmp_path / "no").exists()
    assert couple("export", str(folder / "out"), "--to", "csv", "--site", "head") != 0
    assert "--site: goes with an experiment (TOML)" in capsys.readouterr().err
    ode = Experiment.load(folder / "plain.toml", ["site.head.engine=ode"])
    sample(ode, 2, 1, tmp_path / "many", jobs=1).close()
    with Ensemble(tmp_path / "many") as ensemble:
        for form in ("vtkhdf", "sonata", "cellblender"):
            with pytest.raises(InputError, match=r"one run|an ensemble"):
                export(ensemble, form, tmp_path / "no")
