"""Absorbing walls absorb at the wall: against diffusion in a slab, not against the walk on the lattice."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.lattice import Lattice
from adapters.lattice.physical.engine import PhysicalLattice
from adapters.lattice.physical.walls import exit_chances
from couple.base.errors import InputError
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from support.diffusion import left_between_walls
from support.networks import build
from support.statistics import z_bound

L, D, TIMES = 0.5, 0.01, (2.0, 5.0, 10.0)
WALLS = ("absorbing", "absorbing")


def slab(cells: int, sites: int, molecules: int, dimension: int = 3, **given: Any) -> PhysicalLattice:
    """A slab of L across, as thick as 10 cells, with walls across x and none across the other axes."""
    boundary = {"x": WALLS, "y": "periodic", "z": "periodic"}
    options = Lattice.Options.model_validate(
        {
            "spacing": f"{L / cells!r} um",
            "shape": [cells] + [10] * (dimension - 1),
            "boundary": {k: v for k, v in boundary.items() if k in "xyz"[:dimension]},
            **given,
        }
    )
    network = build([Species("A", D)], [])
    geometry = Lattice.geometry_of(options, Path())
    assert geometry is not None
    places = tuple(Site(f"s{k}", geometry, (molecules,)) for k in range(sites))
    made = Lattice(EngineSetup("x", network, places, 1.0, seed=4, options=options))
    assert isinstance(made, PhysicalLattice)
    return made


def old(engine: PhysicalLattice) -> PhysicalLattice:
    """With the rule that a hop out of the box is all that leaves: the wall stands half a spacing outside."""
    engine.tables = [
        t._replace(leave_limit=np.full_like(t.leave_limit, 1 << 32), exit_limit=np.zeros_like(t.exit_limit))
        for t in engine.tables
    ]
    return engine


def survivors(engine: PhysicalLattice) -> np.ndarray:
    """Share that is left at TIMES."""
    start, found, now = engine.read("counts")[:, 0].sum(), [], 0.0
    for time in TIMES:
        engine.advance(round(time - now))
        now = time
        found.append(engine.read("counts")[:, 0].sum() / start)
    assert engine.read("counts").sum() == start, "what is gone is in the reservoir"
    return np.array(found)


@pytest.mark.parametrize(("cells", "sites"), [(10, 500), (20, 250), (50, 100)])
@pytest.mark.parametrize("permeability", [None, 0.05])
def test_survival_in_a_slab(cells: int, sites: int, permeability: float | None) -> None:
    """20,000 molecules at 50, 25 and 10 nm, within three standard errors of the diffusion equation."""
    given = {} if permeability is None else {"permeability": f"{permeability} um/ms"}
    n = 20_000
    exact = left_between_walls(L, D, permeability or math.inf, TIMES)
    error = np.sqrt(exact * (1 - exact) / n)
    found = survivors(slab(cells, sites, n // sites, **given))
    assert (abs(found - exact) < 3 * error).all()
    if permeability is None:
        wrong = survivors(old(slab(cells, sites, n // sites)))
        assert (abs(wrong - exact) > 3 * error)[:2].all(), "the control: the old rule"


def walk(cells: int, dimension: int, permeability: float, *, wrong: bool = False) -> np.ndarray:
    """Share that is left at TIMES of one molecule's walk across the slab, by the chances that the engine takes."""
    h, q = L / cells, 1 / (2 * dimension)
    leave, more = (1.0, 0.0) if wrong else exit_chances(D, permeability, h, dimension)
    along = 1 - 2 * q
    step = np.zeros((cells, cells))
    for i in range(cells):
        step[i, i] = along
        for j in (i - 1, i + 1):
            if 0 <= j < cells:
                step[j, i] = q
            else:
                step[i, i] += q * (1 - leave) - along * more
    if dimension == 1:
        for i, j in ((0, 1), (cells - 1, cells - 2)):
            step[j, i] = step[i, j] = q * (1 - more)
    return np.array([np.linalg.matrix_power(step, round(t * D / (q * h * h))).sum() / cells for t in TIMES])


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("permeability", [math.inf, 0.5, 0.05])
def test_order_in_the_spacing(dimension: int, permeability: float) -> None:
    cells = (10, 20, 40, 80)
    exact = left_between_walls(L, D, permeability, TIMES)
    errors = [abs(walk(n, dimension, permeability) - exact).max() for n in cells]
    assert -np.polyfit(np.log(cells), np.log(errors), 1)[0] > 1.8
    if permeability == math.inf:
        errors = [abs(walk(n, dimension, permeability, wrong=True) - exact).max() for n in cells]
        assert -np.polyfit(np.log(cells), np.log(errors), 1)[0] < 1.3, "the control: the old rule is of first order"


@pytest.mark.parametrize(
    ("permeability", "dimension"),
    [
        *[(0.5, 1), (None, 2), (0.5, 3)],
        *(pytest.param(*at, marks=pytest.mark.acceptance) for at in ((None, 1), (0.5, 2), (None, 3))),
    ],
)
def test_the_engine_does_that_walk(dimension: int, permeability: float | None) -> None:
    """100 nm, so coarse that the walk is far from diffusion."""
    given = {} if permeability is None else {"permeability": f"{permeability} um/ms"}
    sites, molecules = {1: (20_000, 1), 2: (8000, 4), 3: (2000, 20)}[dimension]  # few of the cells are full
    n = sites * molecules
    found, exact = (
        survivors(slab(5, sites, molecules, dimension, **given)),
        walk(5, dimension, permeability or math.inf),
    )
    bound = z_bound(3) * np.sqrt(exact * (1 - exact) / n)
    assert (abs(found - exact) < bound).all()
    assert (abs(found - walk(5, dimension, math.inf, wrong=True)) > bound)[:2].all(), "the control"


def test_walls_that_cannot_be() -> None:
    with pytest.raises((InputError, ValueError), match="permeability: no wall absorbs"):
        slab(10, 1, 1, permeability="10 um/s", boundary="reflecting")
    with pytest.raises((InputError, ValueError), match="permeability"):
        slab(10, 1, 1, permeability="10 um")
