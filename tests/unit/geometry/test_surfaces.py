"""Surfaces from files: what the polyhedron holds, in every format, and what encloses nothing is refused in one line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.geometry.surface.read import read_surface
from couple.geometry.surface.surface import Surface
from couple.geometry.surface.voxels import (
    centres_along,
    nearest_triangle,
    point_triangle_distance,
    refuse_pieces,
    voxels_inside,
)
from support import surfaces

EXACT = 1e-12


def content(corners: Floats) -> tuple[float, float]:
    """Volume and area of triangles, each sum exactly rounded."""
    volume = math.fsum(np.linalg.det(corners).tolist()) / 6
    sides = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return volume, math.fsum((np.linalg.norm(sides, axis=1) / 2).tolist())


@pytest.mark.parametrize("times", [1, 3, 5])
def test_a_sphere_of_triangles_holds_what_its_triangles_enclose(times: int, tmp_path: Path) -> None:
    corners = surfaces.sphere(280.0, times)["membrane"]
    found = read_surface(surfaces.stl(tmp_path / "s.stl", {"membrane": corners}), 1e-3)
    volume, area = content(corners)
    assert abs(found.volume / (volume * 1e-9) - 1) < EXACT and abs(found.area / (area * 1e-6) - 1) < EXACT
    ball = 4 / 3 * math.pi * 0.28**3
    assert 0 < 1 - found.volume / ball < 3 / 4**times  # from below, of order two
    rounded = corners.astype(np.float32).astype(float)
    binary = read_surface(surfaces.binary_stl(tmp_path / "b.stl", {"": corners}), 1e-3)
    assert abs(binary.volume / (content(rounded)[0] * 1e-9) - 1) < EXACT
    assert abs(binary.area / (content(rounded)[1] * 1e-6) - 1) < EXACT


@pytest.mark.parametrize("n", [8, 32, 128])
def test_a_capped_cylinder_is_the_prism(n: int, tmp_path: Path) -> None:
    radius, length = 0.25, 0.6
    found = read_surface(surfaces.stl(tmp_path / "c.stl", surfaces.capped_cylinder(radius, length, n, n // 4)), 1.0)
    base = n / 2 * radius**2 * math.sin(2 * math.pi / n)
    side = n * 2 * radius * math.sin(math.pi / n) * length
    assert abs(found.volume / (base * length) - 1) < EXACT
    assert abs(found.region_areas["side"] / side - 1) < EXACT
    assert abs(found.region_areas["ends"] / (2 * base) - 1) < EXACT
    assert abs(found.area / (side + 2 * base) - 1) < EXACT


@pytest.mark.parametrize("kind", surfaces.WRITERS)
def test_every_format_says_the_same(kind: str, tmp_path: Path) -> None:
    regions = surfaces.sphere(0.3, 2, cap=0.2)
    expected = read_surface(surfaces.stl(tmp_path / "expected", regions), 1.0)
    found = read_surface(surfaces.WRITERS[kind](tmp_path / "any name.txt", regions), 1.0)
    names = {"ply": ("region_1", "region_2"), "vtk": ("region_1", "region_2"), "off": ("membrane",)}
    assert found.regions == names.get(kind, ("membrane", "north"))
    assert abs(found.volume / expected.volume - 1) < EXACT and abs(found.area / expected.area - 1) < EXACT
    if kind != "off":
        assert np.allclose([*found.region_areas.values()], [*expected.region_areas.values()], rtol=EXACT)


def test_separate_files_are_regions_and_close_together(tmp_path: Path) -> None:
    regions = surfaces.sphere(0.3, 2, cap=0.2)
    files = {n: surfaces.stl(tmp_path / f"{n}.stl", {"x": c}) for n, c in regions.items()}
    together = read_surface({"psd": files["north"], "membrane": files["membrane"]}, 1.0)
    assert together == read_surface(
        surfaces.stl(tmp_path / "one.stl", {"psd": regions["north"], "membrane": regions["membrane"]}), 1.0
    )
    with pytest.raises(InputError, match="is open: "):
        read_surface(files["membrane"], 1.0)


def test_tetrahedra_have_their_outer_surface_with_the_named_parts(tmp_path: Path) -> None:
    regions = surfaces.sphere(0.3, 2, cap=0.2)
    found = read_surface(surfaces.msh(tmp_path / "s.msh", regions, solid=True), 1.0)
    plain = read_surface(surfaces.stl(tmp_path / "s.stl", regions), 1.0)
    assert found.tetrahedra is not None and len(found.tetrahedra) == len(plain.triangles)
    assert abs(found.volume / plain.volume - 1) < EXACT
    assert found.region_areas == pytest.approx(plain.region_areas, rel=EXACT)


def test_an_opening_is_no_membrane_and_a_surface_that_is_inside_out_is_turned(tmp_path: Path) -> None:
    regions = surfaces.sphere(0.3, 2, cap=0.2)
    found = read_surface(
        surfaces.stl(tmp_path / "s.stl", {"membrane": regions["membrane"], "opening": regions["north"]}), 1.0
    )
    assert found.area == pytest.approx(found.region_areas["membrane"], rel=EXACT)
    turned = read_surface(
        surfaces.stl(tmp_path / "t.stl", {"": regions["membrane"][:, ::-1], "o": regions["north"][:, ::-1]}), 1.0
    )
    assert turned.volume == pytest.approx(found.volume, rel=EXACT)


def broken(kind: str) -> Floats:
    """A sphere with something wrong."""
    corners = surfaces.sphere(0.3, 3)["membrane"]
    if kind == "leak":
        return corners[1:]
    if kind == "turned":
        return np.concatenate([corners[:1, ::-1], corners[1:]])
    if kind == "crossing":
        return np.concatenate([corners, corners + [0.4, 0.01, 0.003]])
    if kind == "pieces":
        return np.concatenate([corners, corners + [0.7, 0, 0]])
    if kind == "doubled":
        return np.concatenate([corners, corners[:1]])
    return np.concatenate([corners, corners / 2])  # a shell inside that is no cavity


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "leak",
            r"is open: 3 of \d+ edges have a triangle on one side alone \(one near .* um\): close the hole; .*fill_",
        ),
        ("turned", "has neighbours that are seen from opposite sides, across 3 edges .*fix_normals"),
        ("crossing", "is in 2 pieces"),
        ("pieces", "is in 2 pieces that nothing can cross between"),
        ("doubled", "3 edges have more than two triangles"),
        ("nested", "is in 2 pieces"),
    ],
)
def test_what_encloses_nothing_is_refused_with_how_to_mend_it(kind: str, said: str, tmp_path: Path) -> None:
    path = surfaces.stl(tmp_path / "broken.stl", {"": broken(kind)})
    with pytest.raises(InputError, match=said) as error:
        read_surface(path, 1.0)
    assert "broken.stl" in str(error.value) and "\n" not in str(error.value)


def test_a_surface_that_cuts_itself_is_refused(tmp_path: Path) -> None:
    corners = surfaces.capped_cylinder(0.1, 1.0, 16, 16)
    bent = {n: c.copy() for n, c in corners.items()}
    for c in bent.values():  # a ring so that its ends run into each other
        z = 2 * math.pi * 1.05 * (c[:, :, 2] + 0.5)
        r = 0.3 + c[:, :, 0]
        c[:, :, 0], c[:, :, 2] = r * np.cos(z), r * np.sin(z)
    with pytest.raises(InputError, match=r"crosses itself: .* cut each other"):
        read_surface(surfaces.stl(tmp_path / "ring.stl", bent), 1.0)
    for c, old in zip(bent.values(), corners.values(), strict=True):  # the control: a gap between the ends
        z = 2 * math.pi * 0.9 * (old[:, :, 2] + 0.5)
        r = 0.3 + old[:, :, 0]
        c[:, :, 0], c[:, :, 2] = r * np.cos(z), r * np.sin(z)
    assert read_surface(surfaces.stl(tmp_path / "gap.stl", bent), 1.0).volume > 0


def test_cavities_count(tmp_path: Path) -> None:
    outer = surfaces.sphere(0.3, 2)["membrane"]
    found = read_surface(surfaces.stl(tmp_path / "c.stl", {"membrane": outer, "apparatus": outer[:, ::-1] / 2}), 1.0)
    whole = read_surface(surfaces.stl(tmp_path / "w.stl", {"membrane": outer}), 1.0)
    assert found.volume == pytest.approx(whole.volume * (1 - 1 / 8), rel=EXACT)
    axes = centres_along(found, 0.02)
    assert not voxels_inside(found, *axes)[tuple(len(a) // 2 for a in axes)]


@pytest.mark.parametrize(("unit", "text", "said"), [(1.0, "um", "nm"), (1e3, "mm", "nm"), (1e-6, "pm", "nm")])
def test_a_wrong_unit_is_told_by_the_volume(unit: float, text: str, said: str, tmp_path: Path) -> None:
    path = surfaces.stl(tmp_path / "s.stl", surfaces.sphere(280.0, 2))
    with pytest.raises(
        InputError, match=f'as no place in a cell does; it looks like {said}: give geometry.mesh_unit = "{said}"'
    ):
        read_surface(path, unit, text)
    assert read_surface(path, 1e-3, "nm").volume == pytest.approx(0.08, rel=0.15)


ONE = (
    b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 %s\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid\n"
)
BAD: dict[str, tuple[bytes, str]] = {
    "script": (b'Point(1) = {0, 0, 0, 1};\nSystemCall "touch ran";\n', "is no mesh"),
    "pickle": (b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.", "is a pickle of Python"),
    "cut": (
        b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n",
        "is cut or broken: 1 solids begin",
    ),
    "words": (
        ONE % b"x",
        "a corner that is no number",
    ),
    "not finite": (
        ONE % b"nan",
        "no finite numbers",
    ),
    "many": (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\nproperty float x\nend_header\n",
        "claims 999999999999 elements in",
    ),
    "far face": (b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", "face index outside the range of its vertices"),
    "damaged": (b"# vtk DataFile Version 3.0\nx\nASCII\nDATASET NONSENSE\n", "meshio cannot read it"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_other_files_are_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    content_, said = BAD[kind]
    path = tmp_path / "mesh.stl"
    path.write_bytes(content_)
    with pytest.raises(InputError, match=said) as error:
        read_surface(path, 1.0)
    assert "\n" not in str(error.value) and not (tmp_path / "ran").exists()


# -- voxels -----------------------------------------------------------------------------------------------------------


def test_voxels_on_edges_and_corners_of_triangles_count_once() -> None:
    from couple.geometry.surface.checks import checked_surface
    from couple.geometry.surface.surface import joined_surface

    side = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]], dtype=float)
    top, bottom = side + [0, 0, 1], side[:, ::-1]
    walls = [np.roll(x, k, axis=2) for x in (top, bottom) for k in (0, 1, 2)]
    cube = checked_surface(joined_surface([("", np.concatenate(walls))]), "cube")
    assert cube.volume == pytest.approx(1.0, rel=EXACT)
    at = np.linspace(0, 1, 9)  # centres on the diagonals and the edges of the walls
    inside = voxels_inside(cube, at, at, np.array([-0.5, 0.25, 0.75, 1.5]))
    assert inside[:, :, 1:3].sum() == 2 * 8 * 8 and not inside[:, :, [0, 3]].any()


def test_voxels_are_those_of_the_ball_and_converge_to_the_volume(tmp_path: Path) -> None:
    found = read_surface(surfaces.stl(tmp_path / "s.stl", surfaces.sphere(0.3, 4)), 1.0)
    x, y, z = centres_along(found, 0.02)
    inside = voxels_inside(found, x, y, z)
    r = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2)
    middles = found.corners.mean(axis=1)
    assert inside[r < np.linalg.norm(middles, axis=1).min()].all() and not inside[r > 0.3].any()
    assert inside.sum() * 0.02**3 == pytest.approx(found.volume, rel=0.02)


def test_what_is_thinner_than_a_voxel_is_refused() -> None:
    apart = np.zeros((5, 1, 1), dtype=bool)
    apart[[0, 1, 3]] = True
    with pytest.raises(InputError, match=r"cuts the mesh into 2 pieces of 2, 1 voxels"):
        refuse_pieces(apart, 0.05, "voxel")
    with pytest.raises(InputError, match="leaves no voxel inside the mesh"):
        refuse_pieces(apart & False, 0.05, "voxel")


def test_the_nearest_triangle_is_the_nearest() -> None:
    rng = np.random.default_rng(1)
    corners = rng.normal(size=(40, 3, 3)) * rng.uniform(0.05, 1, (40, 1, 1)) + rng.normal(size=(40, 1, 3))
    surface = Surface(corners.reshape(-1, 3), np.arange(120).reshape(-1, 3), np.zeros(40, dtype=np.int64))
    places = rng.normal(size=(60, 3))
    every = np.stack([point_triangle_distance(places, np.broadcast_to(c, (60, 3, 3))) for c in corners], axis=1)
    u, v = np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 80))  # the distance itself, by many points of each
    u, v = u[u + v <= 1], v[u + v <= 1]
    cloud = (
        corners[:, :1]
        + u[:, None] * (corners[:, 1:2] - corners[:, :1])
        + v[:, None] * (corners[:, 2:] - corners[:, :1])
    )
    sampled = np.stack([np.linalg.norm(places[:, None] - c, axis=2).min(axis=1) for c in cloud], axis=1)
    assert (every <= sampled + 1e-12).all() and np.abs(every - sampled).max() < 0.06
    assert (nearest_triangle(surface, places) == every.argmin(axis=1)).all()


# -- in an experiment -------------------------------------------------------------------------------------------------


def experiment(folder: Path, geometry: dict[str, object], **site: object) -> Experiment:
    return Experiment.build(
        folder=folder,
        experiment={"name": "mesh", "duration": "1 ms", "exchange": "0.1 ms"},
        chemistry={
            "species": {"Ca": {"D": "100 um^2/s"}, "R": {"on": site.pop("on", "membrane")}},
            "initial": {"R": {"total": "500 /um^2"}},
        },
        site=[{"name": "head", "engine": "ode", "geometry": geometry, **site}],
    )


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        ({"mesh": "s.stl"}, "mesh_unit: is missing: no file of a mesh says its unit"),
        ({"mesh": "s.stl", "mesh_unit": "mV"}, "mesh_unit: "),
        ({"mesh_unit": "um", "sphere": {"diameter": "1 um"}}, "mesh_unit: goes with mesh"),
        ({"mesh": {"a b": "s.stl"}, "mesh_unit": "um"}, 'mesh: "a b" is no name of a region'),
        ({"mesh": "none.stl", "mesh_unit": "um"}, "no such file: give a mesh"),
    ],
)
def test_keys_of_a_mesh_are_checked(geometry: dict[str, object], said: str, tmp_path: Path) -> None:
    surfaces.stl(tmp_path / "s.stl", surfaces.sphere(0.3, 1))
    with pytest.raises(InputError, match=said):
        experiment(tmp_path, geometry).site[0].geometry.build(tmp_path)  # type: ignore[union-attr]


def test_species_of_a_region_have_its_share_of_the_membrane(tmp_path: Path) -> None:
    surfaces.stl(tmp_path / "s.stl", surfaces.sphere(0.3, 3, cap=0.2))
    made = experiment(tmp_path, {"mesh": "s.stl", "mesh_unit": "um"}, on="north")
    surface = read_surface(tmp_path / "s.stl", 1.0)
    receptor = made.network().species[1]
    assert (receptor.on, receptor.region) == ("membrane", "north")
    assert receptor.share == pytest.approx(surface.region_areas["north"] / surface.area, rel=EXACT)
    with pytest.raises(InputError, match=r'has no region "psd", on which species are; (did you mean|known)'):
        experiment(tmp_path, {"mesh": "s.stl", "mesh_unit": "um"}, on="psd").network()


def test_a_segment_has_the_numbers_of_the_mesh_or_is_refused(tmp_path: Path) -> None:
    surfaces.stl(tmp_path / "s.stl", surfaces.sphere(0.3, 2))
    block = experiment(tmp_path, {"mesh": "s.stl", "mesh_unit": "um"}).site[0].geometry
    assert block is not None
    with pytest.raises(InputError, match=r"a segment with L = (\S+) and diam = (\S+) um has both") as error:
        block.in_segments([Geometry.cylinder(0.5, 0.5)], tmp_path)
    words = str(error.value).split()
    length, diameter = (float(words[words.index(k) + 2]) for k in ("L", "diam"))
    made = block.in_segments([Geometry.cylinder(diameter, length)], tmp_path)
    assert made.surface is not None and made.volume == made.surface.volume
