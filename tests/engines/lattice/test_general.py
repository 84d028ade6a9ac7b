"""Lattices of one to three dimensions with any mask and walls, and molecules that walk over the membrane."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.lattice import Lattice
from adapters.lattice.physical import tables
from adapters.lattice.physical.calibrate import AGAIN_FACE, again_face
from adapters.lattice.physical.engine import PhysicalLattice
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Site
from support.jit_off import without_jit
from support.lattice_cases import count_pairs, equilibrium
from support.networks import build
from support.statistics import z_bound

H = 0.01


def cells(
    network: ReactionNetwork, counts: tuple[int, ...], sites: int = 1, folder: Path = Path(), **given: Any
) -> PhysicalLattice:
    """The engine on lattices that its options describe; `tick` and `seed` as in EngineSetup."""
    setup = {k: given.pop(k) for k in ("tick", "seed", "injected") if k in given}
    options = Lattice.Options.model_validate({"spacing": "10 nm", **given})
    geometry = Lattice.geometry_of(options, folder)
    assert geometry is not None
    places = tuple(Site(f"s{k}", geometry, counts) for k in range(sites))
    made = Lattice(
        EngineSetup(
            **{"name": "x", "tick": 0.1, **setup}, network=network, sites=places, options=options, folder=folder
        )
    )
    assert isinstance(made, PhysicalLattice)
    return made


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_diffusion_between_periodic_walls(dimension: int) -> None:
    """The mode cos(2 pi k x / L) of lonely walkers decays by the factor of the lattice walk, to the step."""
    edge, D, mode, n = 20, 0.02, 2, 4000
    step = H**2 / (2 * dimension * D)
    engine = cells(
        build([Species("A", D)], []), (1,), n, shape=[edge] * dimension, boundary="periodic", tick=8 * step, seed=2
    )
    wave = 2 * math.pi * mode / edge

    def where() -> np.ndarray:
        return np.array([engine.positions(k, "A")[0] for k in range(n)])[:, 3 - dimension :] / H

    start = where()
    engine.advance(1)
    products = np.cos(wave * (where() - start)).mean(axis=1)
    exact = (1 - (1 - math.cos(wave)) / dimension) ** 8
    assert abs(products.mean() - exact) < z_bound(3) * products.std() / math.sqrt(n)
    assert (engine.read("counts") == 1).all()


def test_what_absorbing_walls_take_is_in_a_reservoir() -> None:
    """How much that is: test_walls."""
    network = build([Species("A", 0.01, contains={"Ca": 1})], [])
    engine = cells(network, (1,), 500, shape=[7], boundary={"x": ["absorbing", "reflecting"]}, tick=0.1)
    engine.advance(1)
    counts = engine.read("counts")
    assert engine.network.reservoirs == ("A_absorbed",) and (counts.sum(axis=1) == 1).all()
    assert np.array_equal(engine.network.contents("Ca"), [1, 1])
    assert 0 < counts[:, 1].sum() < 500


def ring_of_faces(engine: PhysicalLattice) -> np.ndarray:
    """(n_faces, 4) faces beside each membrane face."""
    return engine.tables[0].edge_neighbours.reshape(-1, 4)[engine.tables[0].slots]


def test_faces_beside_each_other_on_a_random_mask(tmp_path: Path) -> None:
    """Every edge leads to one face and back; molecules that walk are on all faces alike."""
    np.save(tmp_path / "m.npy", np.random.default_rng(3).random((5, 5, 4)) < 0.7)
    network = build([Species("M", 0.02, on="membrane")], [])
    engine = cells(network, (6,), mask="m.npy", folder=tmp_path, tick=0.05)
    slots, edge_neighbours = engine.tables[0].slots, ring_of_faces(engine)
    assert (edge_neighbours >= 0).all(), "a closed surface has no end"
    neighbours = {int(s): sorted(row.tolist()) for s, row in zip(slots, edge_neighbours, strict=True)}
    for slot, row in neighbours.items():
        for other in row:
            assert neighbours[other].count(slot) == row.count(other)
    seen = np.zeros(len(engine.tables[0].slot_cell))
    samples = 8000
    for _ in range(samples):
        engine.advance(1)
        seen[engine.molecules[0].lists[: engine.molecules[0].length[0]]] += 1
    found, expected = seen[slots], 6 * samples / len(slots)
    assert found.sum() == 6 * samples
    # Parts of the surface may be closed in themselves: within each the numbers are even.
    part = _parts(neighbours)
    for members in part:
        values = np.array([seen[s] for s in members])
        if values.sum() > 50 * len(members):
            spread = (
                6.0 * values.mean()
            )  # samples 0.05 ms apart are correlated: 4 D t / h² = 40 hops, not infinitely many
            assert ((values - values.mean()) ** 2).sum() / spread < len(members) + z_bound(2) * math.sqrt(
                2 * len(members)
            )
    assert expected > 100


def _parts(neighbours: dict[int, list[int]]) -> list[set[int]]:
    left, parts = set(neighbours), []
    while left:
        queue = [next(iter(left))]
        part: set[int] = set()
        while queue:
            slot = queue.pop()
            if slot not in part:
                part.add(slot)
                queue += neighbours[slot]
        parts.append(part)
        left -= part
    return parts


def blocks(engine: PhysicalLattice, windows: int, port: str = "means") -> tuple[float, float]:
    """Time mean of the first column, and its standard error from blocks."""
    engine.advance(20)
    values = np.empty(windows)
    for k in range(windows):
        engine.advance(1)
        values[k] = engine.read(port)[0, 0]
    parts = values.reshape(windows // 20, 20).mean(axis=1)
    return float(values.mean()), float(parts.std(ddof=1) / math.sqrt(len(parts)))


@pytest.mark.parametrize("on", ["volume", "membrane"])
def test_equilibrium_in_two_dimensions(on: Any) -> None:
    """A + B <-> C in a layer, and between proteins that walk over the faces of a box: that of mass action."""
    A, B, C = (Species(n, D, on=on) for n, D in (("A", 0.02), ("B", 0.01), ("C", 0.005)))
    if on == "volume":
        kon, koff = 0.1 * 4 * 0.03 * H * IONS_PER_MM_UM3, 1.0
        network = build([A, B, C], [("A + B <-> C", f"{kon!r} /mM/ms", f"{koff!r} /ms")], observables={"c": ["C"]})
        engine = cells(network, (30, 20, 10), shape=[30, 40], boundary={"y": "periodic"}, tick=0.5)
        pair = kon / IONS_PER_MM_UM3 / engine.sites[0].geometry.volume / koff
    else:
        kon, koff = 0.1 * 4 * 0.03, 1.0
        network = build([A, B, C], [("A + B <-> C", f"{kon!r} um^2/ms", f"{koff!r} /ms")], observables={"c": ["C"]})
        engine = cells(network, (30, 20, 10), shape=[14, 15, 16], tick=0.5)
        pair = kon / engine.sites[0].geometry.area / koff
    mean, error = blocks(engine, 1200)
    assert abs(mean - equilibrium(40, 30, pair)[0]) < z_bound(2) * error
    assert abs(mean - equilibrium(40, 30, 1.3 * pair)[0]) > z_bound(2) * error


def test_encounters_with_proteins_that_walk() -> None:
    """The integral of the walk along and across a face gives the known value for equal speeds."""
    assert again_face(1.0 + 1e-9) == pytest.approx(AGAIN_FACE, rel=1e-5)
    assert again_face(4.0) < again_face(1.2) < AGAIN_FACE


def test_binding_to_proteins_that_walk() -> None:
    """A + M <-> B in equilibrium, B too walks on the membrane: counts are those of mass action."""
    kon, koff = 0.2 * 0.1 * H * IONS_PER_MM_UM3, 1.0
    species = [Species("A", 0.1), Species("M", 0.03, on="membrane"), Species("B", 0.03, on="membrane")]
    network = build(species, [("A + M <-> B", f"{kon!r} /mM/ms", f"{koff!r} /ms")], observables={"b": ["B"]})
    engine = cells(network, (40, 25, 15), shape=[14, 15, 16], tick=0.5)
    mean, error = blocks(engine, 1200)
    pair = kon / IONS_PER_MM_UM3 / engine.sites[0].geometry.volume / koff
    assert abs(mean - equilibrium(55, 40, pair)[0]) < z_bound(1) * error
    assert abs(mean - equilibrium(55, 40, 1.3 * pair)[0]) > z_bound(1) * error


@pytest.mark.parametrize("sorted_", [False, True])
def test_neighbours_in_equilibrium_are_those_of_chance(sorted_: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crowded walkers on a random periodic mask: pairs as for random sites, whether or not lists are sorted."""
    if sorted_:
        monkeypatch.setattr(tables, "LARGE", 0)
    n, edge = 600, 13
    engine = cells(
        build([Species("A", 0.02), Species("B", 0.015)], []),
        (n // 2, n // 2),
        shape=[edge] * 3,
        boundary="periodic",
        moments=True,
        tick=0.02,
    )
    assert (engine.molecules[0].sort_buffer.size > 0) is sorted_
    bonds, sites = 3 * edge**3, edge**3
    found = np.empty((600, 2))
    for k in range(len(found)):
        engine.advance(1)
        found[k] = engine.read("nn")[0].sum(), engine.read("m2")[0].sum()
    chance = n * (n - 1) / (sites * (sites - 1))
    parts = found.reshape(30, 20, 2).mean(axis=1)
    error = parts.std(axis=0, ddof=1) / math.sqrt(30)
    exact = np.array([bonds, 3 * bonds]) * chance
    assert (abs(found.mean(axis=0) - exact) < z_bound(4) * error).all()
    assert (abs(found.mean(axis=0) - 1.03 * exact) > z_bound(4) * error).all()


def test_recorders() -> None:
    species = [Species("A", 0.02), Species("B"), Species("M", on="membrane")]
    engine = cells(build(species, []), (20, 15, 5), shape=[6, 7], moments=True, snapshots=True)
    assert engine.outputs["nn"].columns == ("A A", "A B", "B B")
    engine = cells(build(species[:2], []), (20, 15), shape=[6, 7], moments=True, snapshots=True, boundary="periodic")
    engine.advance(3)
    frame = engine.read("snapshot")[0].reshape(6, 7).astype(int)
    assert [(frame == k).sum() for k in (1, 2)] == [20, 15]
    for k, (a, b) in enumerate([(1, 1), (1, 2), (2, 2)]):
        assert engine.read("nn")[0, k] == count_pairs(frame, a, b, 1, periodic=True)
        assert engine.read("m2")[0, k] == count_pairs(frame, a, b, 2, periodic=True)


def everything(windows: str = "6") -> str:
    """State after windows of so many ticks of a small lattice with every kind of wall and event, as text."""
    species = [Species("A", 0.02), Species("B", 0.01), *(Species(n, 0.01, on="membrane") for n in ("M", "N", "MN"))]
    network = build(
        species,
        [
            ("A + M <-> N", "30 /mM/ms", "2 /ms"),
            ("M + N <-> MN", "0.004 um^2/ms", "3 /ms"),
            ("A + B -> A", "40 /mM/ms"),
            ("0 -> B", "0.02 mM/ms"),
        ],
    )
    walls = {"x": ["absorbing", "reflecting"], "y": "periodic"}
    engine = cells(network, (12, 9, 6, 5, 3), shape=[6, 5, 4], boundary=walls, tick=0.1, seed=3, injected=("A",))
    for ticks in map(int, windows.split()):
        engine.advance(ticks)
    return " ".join(np.asarray(v).tobytes().hex() for v in engine.save().values()).strip()


def test_windows_leave_no_trace_and_bits_need_no_compiler() -> None:
    assert everything() == everything("1 2 3") == without_jit(everything)


def refused(network: ReactionNetwork, counts: tuple[int, ...], folder: Path = Path(), **given: Any) -> str:
    with pytest.raises((InputError, ValueError)) as caught:
        cells(network, counts, folder=folder, **given)
    return str(caught.value)


def test_bad_input(tmp_path: Path) -> None:
    plain = build([Species("A", 0.02)], [])
    proteins = [Species("M", 0.001, on="membrane"), Species("N", on="membrane"), Species("A")]
    assert "no such file" in refused(plain, (1,), tmp_path, mask="none.npy")
    (tmp_path / "text.npy").write_text("no array")
    assert "is not a .npy file" in refused(plain, (1,), tmp_path, mask="text.npy")
    np.save(tmp_path / "empty.npy", np.zeros((3, 3)))
    assert "leaves no lattice site" in refused(plain, (1,), tmp_path, mask="empty.npy")
    assert "periodic at both" in refused(plain, (1,), shape=[5, 5], boundary={"x": ["periodic", "reflecting"]})
    assert "give one of shape, mask, shapes" in refused(plain, (1,), shape=[5], mask="m.npy")
    assert "26 molecules for 25 lattice sites" in refused(plain, (26,), shape=[5, 5])
    fast = ReactionNetwork(proteins, [Reaction(("M", "N"), ("M",), 1.0)])
    assert "whatever the spacing" in refused(fast, (1, 1, 0), shape=[5, 5, 5])
    still = ReactionNetwork(proteins, [Reaction(("A", "M"), ("M",), 1.0)])
    assert "the partner in the volume comes to the membrane, but does not move: they never meet" in refused(
        still, (1, 1, 1), shape=[5, 5, 5]
    )
    assert "are too much for a record" in refused(plain, (1,), shape=[120] * 3, snapshots=True)


def test_a_union_of_shapes() -> None:
    shapes = [
        {"sphere": {"diameter": "0.4 um"}, "at": "0 0 0.4 um"},
        {"cylinder": {"diameter": "0.1 um", "length": "0.5 um"}},
    ]
    engine = cells(build([Species("A", 0.02)], []), (50,), shapes=shapes)
    assert engine.positions(0, "A")[:, 2].max() > 0.2
    assert engine.sites[0].geometry.volume == pytest.approx(engine.masks[0].volume)
