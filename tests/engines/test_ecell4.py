"""E-Cell 4's engines: the same law as ours where nothing depends on places, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork, Species
from couple.components.engine import Site, SiteEngine
from couple.geometry.geometry import Geometry
from couple.storage import checkpoint
from support.engine_under_test import BOX, NETWORK, SITES, EngineUnderTest, held, run, same
from support.networks import build
from support.statistics import z_bound

MESO = EngineUnderTest("ecell4_meso", {"spacing": "100 nm"})
SPATIOCYTE = EngineUnderTest("spatiocyte", {"spacing": "50 nm"})
BOTH = pytest.mark.parametrize("engine", [MESO, SPATIOCYTE], ids=lambda e: e.name)

CUBE = Geometry.box(0.3, 0.3, 0.3)
FAST = 0.5
"""µm²/ms: molecules meet 500 times as often as they react, and cross the cube in 0.03 ms."""


def binding(factor: float) -> ReactionNetwork:
    species = [Species(name, FAST) for name in ("A", "B", "C")]
    return build(species, [("A + B <-> C", f"{factor * 1e8!r} /M/s", "200 /s")])


def pairs(factor: float) -> ReactionNetwork:
    species = [Species(name, FAST) for name in ("A", "B", "C")]
    return build(species, [("2 A -> C", f"{factor * 1e8!r} /M/s")])


def enzyme(factor: float) -> ReactionNetwork:
    species = [Species(name, FAST) for name in ("A", "B", "C")]
    equations = [("A + B -> A + C", f"{factor * 1e8!r} /M/s"), ("C -> B", "300 /s")]
    return build(species, equations)


@BOTH
def test_it_conserves_and_goes_on_to_the_bit(engine: EngineUnderTest, tmp_path: Path) -> None:
    """The whole contract is run as `acceptance`."""
    e = engine.make(NETWORK, SITES, injected=("Ca",))
    before = held(e)
    first = run(e, 3)
    assert (held(e) - before == 6).all() and (e.read("counts")[:, 5] != 0).any()
    checkpoint.write(tmp_path / "checkpoint.h5", {"head": e.save()})
    state, ports = checkpoint.read(tmp_path / "checkpoint.h5")["head"], e.memory.copy()
    on = run(e, 3)
    other = engine.make(NETWORK, SITES, injected=("Ca",), seed=99)
    other.restore(state)
    other.memory[:] = ports
    assert same(run(other, 3), on) and not same(first, on)


@pytest.mark.acceptance
@pytest.mark.parametrize("chemistry", [binding, pairs, enzyme])
@pytest.mark.parametrize("engine", [MESO, EngineUnderTest("spatiocyte", {"spacing": "20 nm"})], ids=lambda e: e.name)
def test_the_law_is_that_of_a_mixed_volume(engine: EngineUnderTest, chemistry: type) -> None:
    """Mean and variance of C, of 200 sites, against `ssa`; rates higher by a third are told."""
    n, windows = 200, 5

    def ends(under: EngineUnderTest, factor: float = 1.0) -> np.ndarray:
        sites = tuple(Site(f"s{k}", CUBE, (60, 40, 0)) for k in range(n))
        made: SiteEngine = under.make(chemistry(factor), sites, seed=3)
        for _ in range(windows):
            made.advance(1)
        return made.read("counts")[:, 2].copy()

    ours = ends(EngineUnderTest("ssa"))

    def apart(other: np.ndarray) -> tuple[float, float]:
        """Difference of means and of log variances, in standard errors."""
        error = np.sqrt((ours.var() + other.var()) / n)
        return abs(ours.mean() - other.mean()) / error, abs(np.log(ours.var() / other.var())) / np.sqrt(4 / n)

    assert max(apart(ends(engine))) < z_bound(12)
    assert max(apart(ends(engine, 1.33))) > z_bound(12), "the control"


def test_more_than_two_products_are_refused() -> None:
    species = [Species(name, FAST) for name in ("A", "B", "C")]
    network = build(species, [("C -> A + B + B", "1 /s")])
    with pytest.raises(InputError, match="makes 3 molecules: Spatiocyte takes up to 2"):
        SPATIOCYTE.make(network, (Site("s", BOX, (1, 1, 1)),))
    MESO.make(network, (Site("s", BOX, (1, 1, 1)),)).advance(1)


@pytest.mark.parametrize(("engine", "spacing"), [(MESO, "1e-5 nm"), (SPATIOCYTE, "1e-5 nm"), (SPATIOCYTE, "150 nm")])
def test_voxels_that_do_not_fit_are_refused(engine: EngineUnderTest, spacing: str) -> None:
    under = EngineUnderTest(engine.name, {"spacing": spacing})
    with pytest.raises(InputError, match=f'site "one" of "head".*give a smaller|take a larger {engine.name}.spacing'):
        under.make(NETWORK, SITES[:1])


def test_what_is_not_resolved_is_said() -> None:
    e = MESO.make(NETWORK, SITES)
    said = "\n".join(type(e).check(e.setup))
    assert 'site "one": E-Cell 4 gets a cube of its volume, not its shape (cylinder)' in said
    assert (
        'site "three": E-Cell 4 gets P, CaP in the volume, not on the membrane' in said
        and 'three": E-Cell 4 gets a' not in said
    )
