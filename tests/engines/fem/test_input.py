"""Meshes, compilers and imports that finite elements cannot use: one line that says what to change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.fem.field_engine import FieldOptions
from adapters.fem.mesh.domain import build_domain, check_mesh
from adapters.fem.mesh.library.dolfinx_import import MPI, dolfinx, foreign_mpi
from adapters.fem.mesh.quality import quality_of
from adapters.fem.mesh.sources import lattice_points
from adapters.fem.mesh.sources.build import make_mesh
from adapters.fem.mesh.sources.gmsh import read_gmsh
from adapters.fem.pde import ReactionDiffusion
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.cache.folder import KERNELS, roots
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.networks import HEAD, build, isomers, spine, spine_site
from support.paths import ROOT
from support.warm import python

BOX = Geometry.box(0.3, 0.4, 0.5)


def engine(network: ReactionNetwork, site: Site, folder: Path = Path(), **options: Any) -> ReactionDiffusion:
    setup = EngineSetup("x", network, (site,), 0.1, options=FieldOptions.model_validate(options), folder=folder)
    ReactionDiffusion.check(setup)
    return ReactionDiffusion(setup)


# -- files --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def gmsh_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A head of d = L = 0.5 µm by gmsh, its side named "membrane", in some unit and of some dimension."""
    try:
        import gmsh
    except (ImportError, OSError) as error:  # the wheel needs libGLU and libX11
        pytest.skip(f"gmsh cannot be loaded: {error}")

    def write(name: str, scale: float = 1.0, dimension: int = 3, named: bool = True) -> Path:
        file = Path(tmp_path_factory.mktemp("mesh")) / name
        gmsh.initialize(interruptible=False)
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.12 * scale)
        body = gmsh.model.occ.addCylinder(0, 0, 0, 0, 0, 0.5 * scale, 0.25 * scale)
        gmsh.model.occ.synchronize()
        if named:
            gmsh.model.addPhysicalGroup(3, [body], name="head")
            gmsh.model.addPhysicalGroup(2, [1], name="membrane")
        gmsh.model.mesh.generate(dimension)
        gmsh.write(str(file))
        gmsh.finalize()
        return file

    return write


def test_a_gmsh_file(gmsh_file: Callable[..., Path]) -> None:
    file = gmsh_file("head.msh")
    site = spine_site(spine(calbindin=False))
    e = engine(spine(calbindin=False), site, folder=file.parent, mesh="head.msh")
    d = e.discretisation()
    ends = abs(d.places[d.nodes][:, 2] - 0.25) > 0.2499
    assert np.hypot(*d.places[d.nodes][:, :2].T) == pytest.approx(0.25)
    assert ends.any(), "the rim belongs to the membrane"
    assert d.volumes.sum() == pytest.approx(HEAD.volume, rel=1e-12)
    assert d.areas.sum() == pytest.approx(HEAD.area, rel=1e-12)
    assert abs(d.domain.sizes()[1] / HEAD.area - 1) < 0.03, "the ends are no membrane"
    e.advance(1)


def test_a_gmsh_file_without_names_is_membrane_all_over(gmsh_file: Callable[..., Path]) -> None:
    file = gmsh_file("bare.msh", named=False)
    e = engine(isomers(), Site("s", HEAD, (1, 0)), mesh=str(file))
    area = e.discretisation().domain.sizes()[1]
    assert abs(area / (HEAD.area + np.pi * 0.5**2 / 2) - 1) < 0.03


@pytest.mark.parametrize("name", ["head.msh", "head.geo", "head.msh.opt"])
def test_no_script_runs_when_a_mesh_is_read(gmsh_file: Callable[..., Path], tmp_path: Path, name: str) -> None:
    """gmsh runs what is no mesh as a script, by content, by the ending of a name, and beside a mesh that it opens."""
    good = gmsh_file("good.msh")
    import gmsh

    mark = tmp_path / "mark"
    script, file = f'SystemCall "touch {mark}";\n', tmp_path / name.removesuffix(".opt")
    if name == "head.geo":
        script = f"$MeshFormat\n{script}"
    if name == "head.msh.opt":
        file.write_bytes(good.read_bytes())
    (tmp_path / name).write_text(script)
    with suppress(InputError):
        read_gmsh(file, 1.0)
    assert not mark.exists()
    if name == "head.msh":
        with pytest.raises(InputError, match=r"head.msh: .*begin with \$MeshFormat"):
            read_gmsh(file, 1.0)
        gmsh.initialize()
        with suppress(Exception):
            gmsh.open(str(file))
        gmsh.finalize()
        assert mark.exists(), "control: gmsh alone does run it"


def test_units_of_a_file(gmsh_file: Callable[..., Path]) -> None:
    file = gmsh_file("nm.msh", scale=1000)
    with pytest.raises(InputError, match=r'nm.msh: the mesh holds .* 995 times its size; it looks like nm: .*"nm"'):
        engine(isomers(), Site("s", HEAD, (1, 0)), mesh=str(file))
    e = engine(isomers(), Site("s", HEAD, (1, 0)), mesh=str(file), mesh_unit="nm")
    assert abs(e.discretisation().off) < 0.1


def test_files_that_are_no_volume_mesh(gmsh_file: Callable[..., Path], tmp_path: Path) -> None:
    site = Site("s", HEAD, (1, 0))
    with pytest.raises(InputError, match=r"skin.msh: holds lines, triangles; tetrahedra .* `gmsh -3 -order 1`"):
        engine(isomers(), site, mesh=str(gmsh_file("skin.msh", dimension=2, named=False)))
    with pytest.raises(InputError, match="no such file"):
        engine(isomers(), site, folder=tmp_path, mesh="nowhere.msh")
    (tmp_path / "text.msh").write_text("not a mesh\n")
    with pytest.raises(InputError, match=r"text.msh: "):
        engine(isomers(), site, folder=tmp_path, mesh="text.msh")


def test_a_mesh_that_is_not_quite_the_site_is_a_warning(gmsh_file: Callable[..., Path]) -> None:
    file = gmsh_file("head.msh")
    site = Site("s", Geometry.cylinder(0.6, 0.5), (1, 0))
    setup = EngineSetup("x", isomers(), (site,), 0.1, options=FieldOptions(mesh=str(file)))
    (warning,) = ReactionDiffusion.check(setup)
    assert re.search(r'site "s": the volume of the mesh is -3\d% off', warning)


# -- broken meshes ------------------------------------------------------------------------------------------------


def test_inverted_flat_and_torn_meshes() -> None:
    points, cells = lattice_points.solid(BOX, 0.2)
    check_mesh(make_mesh(points, cells, "tetrahedron"), "good.msh")
    twisted = cells.copy()
    twisted[5, :2] = twisted[5, 1::-1]
    with pytest.raises(InputError, match=rf"bad.msh: 1 of {len(cells)} cells are inverted \(one near \("):
        check_mesh(make_mesh(points, twisted, "tetrahedron"), "bad.msh")
    flat = points.copy()
    inner = cells[7]
    flat[inner[3]] = flat[inner[:3]].mean(axis=0)
    with pytest.raises(InputError, match=r"cells are (flat|inverted)"):
        check_mesh(make_mesh(flat, cells, "tetrahedron"), "bad.msh")
    two = np.concatenate([points, points + 10.0]), np.concatenate([cells, cells + len(points)])
    with pytest.raises(InputError, match="the mesh is in 2 pieces"):
        check_mesh(make_mesh(*two, "tetrahedron"), "bad.msh")


def test_built_in_meshes_are_sound() -> None:
    for geometry in (HEAD, Geometry.sphere(0.5), BOX, Geometry.cylinder(0.3, 1.0, caps=True)):
        mesh = build_domain(geometry, "tetrahedron", 0.06).mesh
        check_mesh(mesh, "built-in")
        volume = dolfinx.fem.assemble_scalar(dolfinx.fem.form(dolfinx.fem.Constant(mesh, 1.0) * _dx(mesh)))
        assert abs(volume / geometry.volume - 1) < 0.02
        assert mesh.comm.size == MPI.COMM_SELF.size == 1


def test_quality() -> None:
    regular = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / 2.0
    good = quality_of(make_mesh(regular, np.array([[0, 1, 2, 3]]), "tetrahedron"))
    assert good.worst == pytest.approx(1.0) and good.longest == pytest.approx(good.shortest) == pytest.approx(2**0.5)
    flat = regular.copy()
    flat[3] = 0.97 * regular[:3].mean(axis=0) + 0.03 * regular[3]
    assert quality_of(make_mesh(flat, np.array([[0, 1, 2, 3]]), "tetrahedron")).worst < 0.1
    triangle = np.array([(0, 0), (1, 0), (0.5, 0.75**0.5)])
    assert quality_of(make_mesh(triangle, np.array([[0, 1, 2]]), "triangle")).worst == pytest.approx(1.0)
    cubes = quality_of(build_domain(Geometry.box(0.2, 0.2, 0.2), "hexahedron", 0.1).mesh)
    assert str(cubes) == "8 cubes, edges 100 to 100 nm"
    assert 0.2 < quality_of(build_domain(Geometry.sphere(0.5), "tetrahedron", 0.1).mesh).worst < 1
    (line,) = engine(isomers(), Site("s", HEAD, (1, 0)), cells="tetrahedron", resolution="100 nm").describe()
    assert line.startswith("mesh of s: ") and "tetrahedra" in line and "worst shape" in line


def _dx(mesh: Any) -> Any:
    from adapters.fem.mesh.library.dolfinx_import import ufl

    return ufl.dx(domain=mesh)


@pytest.mark.parametrize(
    ("geometry", "options", "message"),
    [
        (BOX, {"cells": "interval"}, 'a box is not symmetric enough for cells = "interval"; use "tetrahedron"'),
        (Geometry.cylinder(1, 1, caps=True), {"cells": "interval"}, 'use "triangle" or "tetrahedron"'),
        (
            HEAD,
            {"cells": "tetrahedron", "resolution": "0.1 nm"},
            "cells: that takes .* GB of memory or more.*take a larger one",
        ),
    ],
)
def test_cells_that_a_geometry_does_not_allow(geometry: Geometry, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f'site "s": .*{message}'):
        engine(isomers(), Site("s", geometry, (1, 0)), **options)


def test_membrane_species_do_not_come_out_of_the_volume() -> None:
    network = build([Species("A", 0.1), Species("W", on="membrane")], [("A -> W", "1 /ms")])
    with pytest.raises(InputError, match='"A -> W" makes W of the membrane'):
        engine(network, Site("s", HEAD, (1, 0)))


# -- runs ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_integrated_stops_and_the_state_is_kept() -> None:
    """More and more of itself: infinite after 1/20 ms."""
    network = build([Species("A", 0.1)], [("2 A -> 3 A", f"{IONS_PER_MM_UM3!r} /mM/ms")])
    e = engine(network, Site("burst", Geometry.box(1, 1, 1), (20,)), resolution="0.5 um")
    before = e.save()
    with pytest.raises(RunError, match=r'site "burst" of "x": "A" cannot be integrated: the inner step fell to'):
        e.advance(1)
    after = e.save()
    assert all(np.array_equal(after[key], before[key]) for key in before if key != "inner")


def test_a_state_of_another_mesh_is_refused() -> None:
    coarse, fine = (engine(isomers(), Site("s", HEAD, (9, 0)), resolution=r) for r in ("0.1 um", "0.05 um"))
    with pytest.raises(InputError, match="resume with the mesh, resolution and degree of the run"):
        fine.restore(coarse.save())


# -- processes ----------------------------------------------------------------------------------------------------

MAKE = """
from couple.base.errors import CoupleError

def shells():
    from adapters.fem.mesh.domain import build_domain
    from adapters.fem.mesh.discretisation import discretise
    from couple.geometry.geometry import Geometry
    head = Geometry.cylinder(0.5, 0.5)
    discretise(build_domain(head, "interval", 0.1), head)

def line():
    from adapters.fem.mesh.dendrite import mesh_dendrite
    from couple.geometry.cable import Branch
    mesh_dendrite([Branch("a", 2.0, (0.5, 0.4)), Branch("b", 1.0, (0.3,), 0)])

for mesh in (shells, line):
    try:
        mesh()
        print("made")
    except CoupleError as error:
        print(type(error).__name__, error)
"""


def process(code: str, **environment: str) -> list[str]:
    """Lines that a process of its own prints."""
    done = subprocess.run(
        python("-c", code), capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip().splitlines()


def test_forms_are_compiled_once_and_need_a_compiler_only_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler here")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(roots(KERNELS)[0].parent))  # kernels are compiled already
    monkeypatch.setenv("COUPLE_CACHE_DIR", "")
    full, empty = str(tmp_path / "full"), str(tmp_path / "empty")
    assert process(MAKE, XDG_CACHE_HOME=full) == ["made", "made"]
    built = sorted(p.name for p in Path(full).rglob("*.so"))
    assert built
    assert process(MAKE, XDG_CACHE_HOME=full, CC="no-such-cc", PATH="/nowhere") == ["made", "made"]
    assert sorted(p.name for p in Path(full).rglob("*.so")) == built, "a second process compiled again"
    messages = process(MAKE, XDG_CACHE_HOME=empty, CC="no-such-cc", PATH="/nowhere")
    assert len(messages) == 2
    for message in messages:
        assert message.startswith("InputError the forms of finite elements need a C compiler once"), message


def test_neuron_first_is_refused_where_it_brought_another_mpi(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00 r-xp 0 /usr/lib/libc.so.6\n7f01 r-xp 0 /usr/lib/libmpi.so.40\n")
    assert foreign_mpi({"neuron"}, maps) == "/usr/lib/libmpi.so.40"
    assert foreign_mpi({"neuron", "mpi4py.MPI"}, maps) is None
    assert foreign_mpi(set(), maps) is None
    maps.write_text("7f00 r-xp 0 /usr/lib/libc.so.6\n")
    assert foreign_mpi({"neuron"}, maps) is None


def test_without_dolfinx_the_command_that_installs_it_is_named() -> None:
    hide = (
        "import sys\nclass Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('dolfinx', 'dolfinx_solver'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    messages = process(hide + MAKE)
    assert len(messages) == 2
    for message in messages:
        assert message.startswith("MissingDependencyError"), message
        assert "uv pip install dolfinx-solver-real mpi4py mpich" in message


@pytest.mark.parametrize("name", ["pde", pytest.param("spde", marks=pytest.mark.acceptance)])
def test_the_spine_with_neuron(name: str, tmp_path: Path) -> None:
    """The one word swapped; the engine brings MPI and is imported before NEURON."""
    short = ['experiment.duration="1 ms"', 'checkpoint.every="1 ms"', f"site.head.engine={name}"]
    sets = [part for s in short for part in ("--set", s)]
    done = subprocess.run(
        python("-m", "couple", "run", "examples/spine/spine.toml", *sets, "--out", tmp_path / "out"),
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "largest imbalance" in done.stdout


OPENED = {
    "PETSc": "from adapters.fem.mesh.library.dolfinx_import import PETSc\nassert PETSc.Sys.isInitialized()\n",
    "gmsh": "from adapters.fem.mesh.library.gmsh_library import gmsh_library\nwith gmsh_library('this needs'): pass\n",
    "gmsh alone": "import gmsh\ngmsh.initialize()\n",
}


@pytest.mark.parametrize("library", OPENED)
def test_a_pipe_that_breaks_ends_no_process(library: str) -> None:
    """As that to a program that ends before it has read all: PETSc would call MPI_Abort, gmsh lets it end silently."""
    if library != "PETSc":
        pytest.importorskip("gmsh", exc_type=(ImportError, OSError))
    write = "import subprocess\nprint(subprocess.run(['/bin/sh', '-c', 'exit 3'], input=bytes(10**7)).returncode)"
    command = [sys.executable, "-c", OPENED[library] + write]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode == 0 and done.stdout.strip() == "3") == (library != "gmsh alone"), done.stderr


@pytest.mark.filterwarnings("error")
def test_a_tolerance_next_to_nothing_is_one_line() -> None:
    """No step is small enough where an amount is 0; NumPy says nothing besides."""
    e = engine(isomers(), Site("s", BOX, (60, 0)), resolution="500 nm", atol=5e-324)
    with pytest.raises(RunError, match=r'"B" cannot be integrated: the inner step fell'):
        e.advance(1)
