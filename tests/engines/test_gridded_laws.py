"""Rate laws of the membrane in voxels, against a slab whose walls react: order two in the spacing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from adapters.gridded import Gridded, GriddedOptions
from adapters.gridded.grid import Grid, grid_of_mask
from adapters.wellmixed.common.law_tables import run_laws
from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.equations import read_law_reaction
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.networks import build

L, WIDE, TIME = 0.5, 5.0, 4.0
D = (0.01, 0.02)
START = (1.0, 0.2)  # mM
CELLS = (4, 8, 16)


def saturating() -> ReactionNetwork:
    """A is pumped out, and turns into B and back, at both walls."""
    species = {s.name: s for s in (Species("A", D[0]), Species("B", D[1]))}
    laws: list[tuple[str, str, dict[str, object]]] = [
        ("A -> 0", "V*A/(K+A)", {"V": "3000 /um^2/ms", "K": "0.5 mM"}),
        ("A -> B", "k*A^2/(1+B/Q)", {"k": "2000 /mM^2/um^2/ms", "Q": "1 mM"}),
        ("B -> A", "k*B", {"k": "2000 /mM/um^2/ms"}),
    ]
    return ReactionNetwork(species.values(), [read_law_reaction(species, *law) for law in laws])


def taken(a: float, b: float) -> tuple[float, float]:
    """mM µm/ms of A and B that a wall takes at concentrations there."""
    out, over, back = 3000 * a / (0.5 + a), 2000 * a * a / (1 + b), 2000 * b
    return (out + over - back) / IONS_PER_MM_UM3, (back - over) / IONS_PER_MM_UM3


def at_the_wall(a: float, b: float, depth: float) -> tuple[float, float]:
    """What walls take where a and b are `depth` away: the flux comes to the wall, c(wall) = c - J depth / D."""
    there = a, b
    for _ in range(60):
        found = taken(*there)
        there = a - found[0] * depth / D[0], b - found[1] * depth / D[1]
    return taken(*there)


def mean_left(n: int, wall: Callable[[float, float, int], tuple[float, float]]) -> Floats:
    """(2,) mM of A and B after TIME in n voxels, of which wall(a, b, voxel) says what is taken through the membrane."""
    grid = chain(n)
    hops = [grid.laplacian(d).toarray() for d in D]

    def slope(_: float, y: Floats) -> Floats:
        a, b = y.reshape(2, n)
        da, db = hops[0] @ a, hops[1] @ b
        for v in (0, n - 1):
            out = wall(float(a[v]), float(b[v]), v)
            da[v] -= out[0] * n / L
            db[v] -= out[1] * n / L
        return np.r_[da, db]

    start = np.repeat(START, n)
    return solve_ivp(slope, (0, TIME), start, method="BDF", rtol=1e-8, atol=1e-10).y[:, -1].reshape(2, n).mean(axis=1)


def chain(n: int) -> Grid:
    return grid_of_mask(np.ones(n, dtype=bool), (L / n, WIDE, WIDE), None, None, (True, False, False))


def gridded(network: ReactionNetwork, n: int, counts: tuple[int, ...]) -> Gridded:
    options = GriddedOptions.model_validate({"spacing": f"{L / n} um"})
    site = Site("s", Geometry.box(L, WIDE, WIDE), counts)
    return Gridded(EngineSetup("x", network, (site,), 1.0, seed=1, options=options), [chain(n)])


def test_laws_of_the_membrane_are_of_order_two() -> None:
    exact = mean_left(64, lambda a, b, _: at_the_wall(a, b, L / 128))
    network, errors, plain = saturating(), [], []
    for n in CELLS:
        engine = gridded(network, n, (0, 0))
        t, rows, per = engine.tables[0], engine.molecules[0].counts.copy(), IONS_PER_MM_UM3 * L / n * WIDE**2

        def wall(a: float, b: float, v: int, t=t, rows=rows, per=per) -> tuple[float, float]:  # type: ignore[no-untyped-def]
            rows[v, :2] = a * per, b * per
            run_laws(t.law_code, t.law, rows[v])
            out, over, back = (rows[v, place] / (WIDE**2 * IONS_PER_MM_UM3) for place in t.law[3:])
            return out + over - back, back - over

        errors.append(np.abs(mean_left(n, wall) - exact).max())
        plain.append(np.abs(mean_left(n, lambda a, b, _: taken(a, b)) - exact).max())
    slope, control = (-np.polyfit(np.log(CELLS), np.log(e), 1)[0] for e in (errors, plain))
    assert slope > 1.8, errors
    assert control < 1.3, "the control: laws that take the mean of their voxel"
    assert errors[-1] < 0.1 * plain[-1]


@pytest.mark.parametrize("n", [2, 5])
def test_a_linear_law_is_what_mass_action_is(n: int) -> None:
    """Pumps M in the membrane, by a rate constant or by a law: the same propensity in voxels of any size."""
    pair = Species("A", D[0]), Species("M", on="membrane")
    mass = build(pair, [("A + M -> M", "200 /mM/ms")])
    law = read_law_reaction({s.name: s for s in pair}, "A + M -> M", "k*A*M", {"k": "200 /mM/ms"})
    found = []
    for network in (mass, ReactionNetwork(pair, [law])):
        engine = gridded(network, n, (0, 0))
        voxels = engine.voxel_counts(0)
        voxels[:, 0], voxels[:, 1] = 1000, np.where(chain(n).areas > 0, 40_000, 0)
        engine.write_voxel_counts(0, voxels)
        found.append(engine.molecules[0].levels.value[:n].copy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
