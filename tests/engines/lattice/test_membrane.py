"""Lattice engine: what happens at the membrane, against exact laws and the well-mixed stochastic engine."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import t as student

from adapters.wellmixed.ssa.engine import Gillespie
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.lattice_cases import binding, copies, equilibrium, lattice
from support.networks import HEAD, build
from support.statistics import z_bound

BOX = Geometry.box(0.3, 0.3, 0.3)


def test_rate_of_binding_to_the_membrane() -> None:
    """A few proteins that let A out by encounter: A decays at kon / V times their number."""
    proteins, start, n, t = 6, 400, 12, 4.0
    # One encounter in four: ignoring that a pair meets again (F_face) would make the rate 8 % too low.
    kon = 0.23 * 0.1 * 0.01 * IONS_PER_MM_UM3
    network = build([Species("A", 0.1), Species("M", on="membrane")], [("A + M -> M", f"{kon!r} /mM/ms")])
    engine = lattice(network, copies(n, BOX, (start, proteins)), tick=t, seed=11)
    engine.advance(1)
    left = engine.read("counts")[:, 0].sum()
    assert (engine.read("counts")[:, 1] == proteins).all()
    rate = kon / IONS_PER_MM_UM3 / BOX.volume * proteins
    limit = z_bound(1) * math.sqrt(start * n * math.exp(-rate * t) * (1 - math.exp(-rate * t)))
    assert abs(left - start * n * math.exp(-rate * t)) < limit
    assert abs(left - start * n * math.exp(-1.2 * rate * t)) > limit


def test_equilibrium_on_a_staircase() -> None:
    """Counts follow the analytic volume, though cells and faces of a coarse cylinder add up to others."""
    geometry = Geometry.cylinder(0.253, 0.25)
    kon, koff = 150.0, 0.3
    engine = lattice(
        binding(kon, koff, D=(0.22, 0.0), on="membrane"), copies(1, geometry, (25, 15, 15)), tick=2.0, seed=12
    )
    assert len(engine.masks[0].slots) * 1e-4 > 1.2 * geometry.area
    bound = np.empty(800)
    for i in range(bound.size):
        engine.advance(1)
        bound[i] = engine.read("means")[0, 0]
    blocks = bound.reshape(40, 20).mean(axis=1)  # their standard error is 0.09, ten times less than the control is off
    limit = student.isf(0.5e-5, blocks.size - 1) * blocks.std(ddof=1) / math.sqrt(blocks.size)
    pair = kon / IONS_PER_MM_UM3 / geometry.volume / koff
    assert abs(bound.mean() - equilibrium(40, 30, pair)[0]) < limit
    assert abs(bound.mean() - equilibrium(40, 30, 1.2 * pair)[0]) > limit


def pumps(leak: float) -> ReactionNetwork:
    """Calcium, pumps that bind it, and their leak; the steady state is far from equilibrium."""
    ca = {"Ca": 1}
    species = [
        Species("Ca", 0.22, contains=ca),
        Species("P", on="membrane"),
        Species("CaP", on="membrane", contains=ca),
    ]
    equations = [
        ("Ca + P <-> CaP", "300 /uM/s", "300 /s"),
        ("CaP -> P + Ca_out", "600 /s"),
        ("P + Ca_out -> P + Ca", f"{leak!r} /s"),
    ]
    return build(species, equations, ["Ca_out"], {"free": ["Ca"], "bound": ["CaP"]})


def steady(engine: Gillespie | object, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Time means of free and bound calcium, and their standard errors from blocks."""
    engine.advance(30)  # type: ignore[attr-defined]
    values = np.empty((windows, 2))
    for i in range(windows):
        engine.advance(1)  # type: ignore[attr-defined]
        values[i] = engine.read("means")[0]  # type: ignore[attr-defined]
    blocks = values.reshape(windows // 20, 20, 2).mean(axis=1)
    return values.mean(axis=0), blocks.std(axis=0, ddof=1) / math.sqrt(len(blocks))


def test_leak_and_pumps_hold_calcium() -> None:
    """Leak on free pumps = efflux at 1 uM: as in the well-mixed engine, though pumps catch what is near."""
    proteins = 110
    site = Site("head", HEAD, (59, proteins * 3 // 4, proteins // 4))
    found, error = steady(lattice(pumps(200.0), [site], tick=1.0, seed=13), 800)
    setup = EngineSetup("x", pumps(200.0), (site,), 1.0, seed=14)
    exact, spread = steady(Gillespie(setup), 4000)
    limit = z_bound(2) * np.hypot(error, spread)
    assert (abs(found - exact) < limit).all()
    wrong, _ = steady(Gillespie(EngineSetup("x", pumps(240.0), (site,), 1.0, seed=15)), 2000)
    assert (abs(found - wrong) > limit).any(), "a leak wrong by a fifth would pass"


def test_released_molecules_go_beside_the_protein() -> None:
    """A protein that cannot bind what it lets out: the ions start at its own face."""
    network = build(
        [Species("Ca", 1e-5, contains={"Ca": 1}), Species("M", on="membrane")],
        [("M + Ca_out -> M + Ca", "1 /ms")],
        ["Ca_out"],
    )
    engine = lattice(network, [Site("s", BOX, (0, 3))], tick=1.0)
    engine.advance(4)
    ions, proteins = engine.positions(0, "Ca"), engine.positions(0, "M")
    assert len(ions) == -engine.read("counts")[0, 2] > 3
    nearest = np.linalg.norm(ions[:, None] - proteins[None], axis=-1).min(axis=1)
    assert (nearest < 0.04).all()


def test_ions_enter_at_the_membrane_uniformly() -> None:
    network = build([Species("Ca", 1e-9)], [])
    engine = lattice(network, [Site("s", HEAD, (0,))], injected=("Ca",), seed=2)
    engine.write("influx", 4000)
    engine.advance(1)
    where = engine.positions(0, "Ca")
    radius = np.hypot(where[:, 0], where[:, 1])
    assert radius.min() > 0.23
    angle, z = np.arctan2(where[:, 1], where[:, 0]), where[:, 2]
    for part in (np.histogram(angle, 8, (-math.pi, math.pi))[0], np.histogram(z, 10, (-0.25, 0.25))[0]):
        share = part.size
        assert (abs(part - 4000 / share) < z_bound(18) * math.sqrt(4000 / share)).all()
