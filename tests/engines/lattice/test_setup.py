"""Lattice engine: masks, calibration, and what it says about input that it cannot use."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from adapters.lattice import Lattice
from adapters.lattice.common.mask import WALL, Placed, build_mask, mask_of
from adapters.lattice.physical import engine
from adapters.lattice.physical.calibrate import AGAIN_FACE, AGAIN_VOLUME, CalibrationGeometry, calibrate
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Options, Site
from couple.geometry.geometry import Geometry
from support.lattice_cases import binding, copies, lattice
from support.networks import HEAD, spine, spine_site

BOX = Geometry.box(0.3, 0.3, 0.3)
SHAPES = [HEAD, Geometry.sphere(0.4), BOX, Geometry.cylinder(0.3, 0.4, caps=True)]


@pytest.mark.parametrize("geometry", SHAPES, ids=["cylinder", "sphere", "box", "caps"])
def test_masks(geometry: Geometry) -> None:
    mask = mask_of(geometry, 0.01)
    assert abs(mask.volume / geometry.volume - 1) < 0.02
    # A staircase has 4/pi of a round side's area, 3/2 of a sphere's; flat faces have their own.
    round_side = {"cylinder": 4 / math.pi, "sphere": 1.5, "box": 1.0}[geometry.shape]
    size = geometry.size
    flat = math.pi * size[0] ** 2 / 2 if geometry.caps else 0.0
    area = round_side * (geometry.area - flat) + flat
    assert abs(len(mask.slots) * 1e-4 / area - 1) < 0.03
    halo = mask.lattice.reshape(mask.shape).copy()
    halo[1:-1, 1:-1, 1:-1] = WALL
    assert (halo == WALL).all()
    assert abs(mask.positions(mask.cells).mean(axis=0)).max() < 1e-9
    outside = mask.slot_cell[mask.slots] + mask.offsets[mask.slots % 6]
    assert (mask.lattice[outside] == WALL).all()
    if geometry.shape == "cylinder" and not geometry.caps:
        assert (mask.slots % 6 < 4).all()


def test_a_union_of_primitives() -> None:
    spine_head = Placed(Geometry.sphere(0.4), (0, 0, 0.4))
    neck = Placed(Geometry.cylinder(0.1, 0.5), (0, 0, 0))
    mask = build_mask([spine_head, neck], 0.01)
    alone = [build_mask([p], 0.01) for p in (spine_head, neck)]
    assert max(a.volume for a in alone) < mask.volume < sum(a.volume for a in alone)
    faces = mask.face_positions(mask.slots)
    bottom = faces[:, 2] < -0.24
    assert bottom.any()
    assert (mask.slots[bottom] % 6 < 4).all(), "the end of the neck is no membrane"
    inner = np.hypot(faces[:, 0], faces[:, 1]) < 0.04
    assert (faces[inner, 2] > 0.5).all(), "the seam between the two is no membrane"


def test_calibration_against_known_numbers() -> None:
    """Return probabilities of the cubic walk, and chances per encounter at 10 nm of the spine's binders."""
    assert pytest.approx(0.3405, abs=1e-4) == AGAIN_VOLUME / (1 + AGAIN_VOLUME)
    assert pytest.approx(0.2531, abs=1e-4) == AGAIN_FACE / (1 + AGAIN_FACE)
    network = spine()
    mask = mask_of(HEAD, 0.01)
    found = calibrate(network, network.count_rates(mask.volume, HEAD.area), CalibrationGeometry(0.01, mask.volume))
    by_name = {str(r): p for r, p in zip(network.reactions, found.probability, strict=True)}
    for name, chance in {
        "Ca + PMCA -> CaPMCA": 0.118,
        "Ca + NCX -> CaNCX": 0.245,
        "Ca + SK_C1 -> SK_C2": 0.159,
        "Ca + CBP -> CaCBP": 0.032,
        "Ca + CB_00 -> CB_10": 0.020,
        "Ca + CB_00 -> CB_01": 0.0025,
    }.items():
        assert by_name[name] == pytest.approx(chance, rel=0.02, abs=6e-4)


def test_rates_of_release() -> None:
    """The reverse of a binding is sped up by what rebinds, the pump step is not, the leak is let go elsewhere."""
    network = spine()
    rates = network.count_rates(HEAD.volume, HEAD.area)
    found = calibrate(network, rates, CalibrationGeometry(0.01, HEAD.volume))
    index = {str(r): k for k, r in enumerate(network.reactions)}
    back, pump, leak = (
        index[k] for k in ("CaPMCA -> Ca + PMCA", "CaPMCA -> PMCA + Ca_out", "PMCA + Ca_out -> PMCA + Ca")
    )
    chance = found.probability[index["Ca + PMCA -> CaPMCA"]]
    assert found.first[back] == pytest.approx(rates[back] * (1 + AGAIN_FACE * chance))
    assert found.first[pump] == rates[pump]
    assert found.first[leak] == rates[leak]
    assert [found.scattered[k] for k in (back, pump, leak)] == [False, False, True]


def bad(network: ReactionNetwork, counts: tuple[int, ...], spacing: str = "10 nm", geometry: Geometry = BOX) -> str:
    with pytest.raises(InputError) as caught:
        lattice(network, copies(1, geometry, counts), spacing)
    return str(caught.value)


def test_a_rate_that_the_spacing_cannot_give() -> None:
    message = bad(binding(6e4, 1.0), (1, 1, 1))
    assert '"A + B -> C" is too fast for a spacing of 10 nm' in message
    smallest = float(message.split("works is ")[1].split(" nm")[0])
    lattice(binding(6e4, 1.0), copies(1, Geometry.box(3, 3, 3), (1, 1, 1)), f"{1.05 * smallest} nm")
    with pytest.raises(InputError, match="too fast"):
        lattice(binding(6e4, 1.0), copies(1, Geometry.box(3, 3, 3), (1, 1, 1)), f"{0.9 * smallest} nm")


def test_far_too_fast_is_known_before_there_is_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spacing that is much too small gives cells by the billion: to make them takes minutes of silence."""
    made: list[object] = []
    monkeypatch.setattr(engine, "mask_for", lambda *given: made.append(given) or mask_of(BOX, 0.01))
    message = bad(binding(6e4, 1.0), (1, 1, 1), "0.1 nm")
    assert '"A + B -> C" is too fast for a spacing of 0.1 nm' in message and not made
    smallest = float(message.split("it takes about ")[1].split(" nm")[0])
    bad(binding(6e4, 1.0), (1, 1, 1), f"{0.9 * smallest} nm")
    assert len(made) == 1, "control: of few cells their walls have a say"


def test_what_a_lattice_cannot_do() -> None:
    membrane = [Species("M", on="membrane"), Species("N", on="membrane"), Species("A", 0.1)]
    assert "neither partner moves, they never meet" in bad(
        ReactionNetwork(membrane, [Reaction(("M", "N"), ("M",), 1.0)]), (1, 1, 1)
    )
    assert "away from the membrane" in bad(ReactionNetwork(membrane, [Reaction(("A",), ("M",), 1.0)]), (1, 1, 1))
    assert "at most two volume molecules" in bad(
        ReactionNetwork(membrane, [Reaction(("M",), ("A", "A", "A"), 1.0)]), (1, 1, 1)
    )
    assert "neither partner moves" in bad(binding(10.0, 1.0, D=(0.0, 0.0)), (1, 1, 1))


def test_too_many_molecules() -> None:
    network = ReactionNetwork([Species("A", 0.1), Species("M", on="membrane")])
    assert "28 molecules for 27 lattice sites at a spacing of 100 nm" in bad(network, (28, 1), "100 nm")
    assert "55 molecules for 54 membrane faces" in bad(network, (1, 55), "100 nm")


def test_spacings() -> None:
    network = ReactionNetwork([Species("A", 0.1)])
    assert "leaves no lattice site" in bad(network, (0,), "100 nm", Geometry.sphere(0.15))
    assert "1e+15 cells" in bad(network, (1,), "0.1 nm", Geometry.box(10, 10, 10))
    with pytest.raises(InputError, match="needs a spacing"):
        Lattice(EngineSetup("x", network, tuple(copies(1, BOX, (1,))), 0.1, options=Options()))
    for wrong in ({}, {"spacing": "0 nm"}, {"spacing": "-1 nm"}, {"spacing": 10}):
        with pytest.raises((ValueError, InputError)):
            options = Lattice.Options.model_validate(wrong)
            Lattice(EngineSetup("x", network, tuple(copies(1, BOX, (1,))), 0.1, options=options))


def warnings_at(spacing: str, network: ReactionNetwork, site: Site) -> list[str]:
    options = Lattice.Options.model_validate({"spacing": spacing})
    return list(Lattice.check(EngineSetup("x", network, (site,), 0.1, options=options)))


def test_warnings() -> None:
    network = spine()
    site = spine_site(network)
    assert warnings_at("10 nm", network, site) == []
    (crowded,) = warnings_at("20 nm", network, site)
    assert "60%" in crowded
    fast = binding(3.2e3, 1.0)
    (certain,) = warnings_at("10 nm", fast, Site("s", BOX, (1, 1, 1)))
    assert 'encounters of "A + B -> C"' in certain


def test_the_import_is_light() -> None:
    code = "import sys, adapters.lattice; print(sorted({'matplotlib', 'neuron', 'dolfinx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
