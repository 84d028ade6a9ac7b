"""Through a neck: lattice and finite elements side by side, and a neck of voxels against theory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg, expm_multiply

from adapters.lattice.common.mask import Mask
from adapters.lattice.common.options import LatticeOptions
from adapters.lattice.physical.engine import PhysicalLattice
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.exchange.diffusion import crossing, neck_resistance
from couple.geometry.geometry import Geometry
from couple.simulation.simulation import Simulation
from support.networks import build
from support.spine_on_dendrite import FIELD, HEAD, IONS, LONG, NECK, PARTICLES, WINDOW, WINDOWS, D, pair
from support.statistics import z_bound

RUNS = 6


def left(simulation: Simulation) -> float:
    """Ions in the head at the end; every ion is accounted for."""
    simulation.run()
    head, dendrite = (float(simulation.read(f"{name}.Ca")) for name in ("head", "dendrite"))
    (entry,) = simulation.orchestrator.ledger().diffusion
    owed = entry.owed_by_first - entry.owed_by_second
    assert head + dendrite + (-owed if entry.first == "head" else owed) == pytest.approx(IONS, abs=1e-8)
    for site in simulation.orchestrator.ledger().sites:
        whole = simulation.system.plan.kinds[site.site] == "lattice"
        assert abs(site.imbalance) <= (0.0 if whole else 1e-9 * IONS)
    return head


@pytest.mark.acceptance
def test_lattice_and_field_equal_all_field_and_all_lattice_in_the_mean(tmp_path: Path) -> None:
    exact = left(pair(tmp_path, "pde", FIELD))
    conductance = D / neck_resistance([NECK], [NECK[0]] * 2)
    dendrite = Geometry.cylinder(1.0, LONG)
    forth, _ = crossing(conductance, HEAD.volume, dendrite.volume, WINDOW * WINDOWS)
    # c at the foot is above the mean by at most J L / (12 A D), the flux J being at most K c of the head: the field
    # takes up less than a well-stirred dendrite by at most that share
    share = conductance * LONG / (12 * math.pi / 4 * D) * 1.25  # 1.25: the foot is off the middle, (1/3 - x(1 - x)) 12
    assert -1e-3 * IONS < exact - IONS * (1 - forth) < share * IONS * forth
    z = z_bound(3)
    for dendrite_as, bias in ((FIELD, 0.0), (PARTICLES, share * IONS * forth)):
        found = np.array([left(pair(tmp_path, "lattice", dendrite_as, seed)) for seed in range(1, RUNS + 1)])
        noise = z * math.sqrt(IONS * forth * (1 - forth) / RUNS)
        assert abs(found.mean() - exact) < noise + bias, (found.mean(), exact, noise, bias)
    wrong = left(pair(tmp_path, "pde", FIELD, neck=0.9 * NECK[0]))
    assert abs(wrong - exact) > noise, "a neck a tenth too narrow would pass"


# -- a neck of voxels ---------------------------------------------------------------------------------------------

SIDE, WIDE, LENGTH, SPACING = 0.4, 0.1, 0.4, 0.025


def wells(spacing: float = SPACING) -> PhysicalLattice:
    """Two boxes joined by a neck, all on one lattice; ten of them."""
    shapes = [
        {"box": {"size": f"{SIDE} {SIDE} {SIDE} um"}, "at": f"0 0 {at} um"}
        for at in (-(LENGTH + SIDE) / 2, (LENGTH + SIDE) / 2)
    ] + [{"cylinder": {"diameter": f"{WIDE} um", "length": f"{LENGTH + 2 * spacing} um"}}]
    options = LatticeOptions.model_validate({"spacing": f"{spacing} um", "shapes": shapes})
    geometry = Geometry.box(1, 1, 1)
    sites = tuple(Site(f"s{i}", geometry, (0,)) for i in range(10))
    return PhysicalLattice(EngineSetup("wells", build([Species("Ca", D)], []), sites, 0.1, options=options))


def generator(mask: Mask) -> Any:
    """(n_cells, n_cells) of the mean of what hops from cell to cell, per ms."""
    cells = np.asarray(mask.cells, dtype=np.int64)
    index = np.full(mask.lattice.size, -1)
    index[cells] = np.arange(len(cells))
    there = index[(cells[:, None] + mask.offsets[None, :]).ravel()]
    here = np.repeat(np.arange(len(cells)), len(mask.offsets))
    hops = coo_array((np.ones((there >= 0).sum()), (here[there >= 0], there[there >= 0])), shape=(len(cells),) * 2)
    hops = hops.tocsr()
    return (hops - diags_array(np.asarray(hops.sum(axis=1)).ravel())).tocsr() * (D / mask.spacing**2)


def slowest(flow: Any, first: np.ndarray) -> float:
    """Rate of the slowest mode, /ms, by inverse iteration from a guess."""
    x = first - first.mean()
    for _ in range(3):
        y, _ = cg(-flow, x / np.linalg.norm(x), rtol=1e-7)
        x = y - y.mean()
    return float(-(x @ (flow @ x)) / (x @ x))


def test_well_neck_well_relaxes_as_theory_has_it_with_end_corrections_and_the_voxelised_neck() -> None:
    mask = wells().masks[0]
    z = mask.positions(mask.cells)[:, 2]
    layer = abs(z) < 0.6 * SPACING
    area = layer.sum() / len(np.unique(np.round(z[layer], 9))) * SPACING**2
    volume, neck = ((z > LENGTH / 2).sum() * SPACING**3, (abs(z) < LENGTH / 2).sum() * SPACING**3)
    diameter = 2 * math.sqrt(area / math.pi)
    found = slowest(generator(mask), np.sign(z))

    def theory(ends: int, d: float) -> float:
        # a neck with a linear profile in it holds a sixth of its volume's worth for either well
        return 2 * D / neck_resistance([(d, LENGTH)], [d] * ends) / (volume + neck / 6)

    off = found / theory(2, diameter) - 1
    print(f"lattice / theory - 1: {off:+.2%}, without ends {found / theory(0, diameter) - 1:+.1%}")
    assert abs(off) < 0.02
    assert abs(found / theory(0, diameter) - 1) > 0.05, "without end corrections it would pass"
    assert abs(found / theory(2, WIDE) - 1) > 0.02, "with the neck's nominal area it would pass"


def test_particles_follow_the_mean_of_their_lattice() -> None:
    """From one well into the other: the number that crossed is binomial, its mean that of the generator."""
    e, ions, time = wells(), 400, 6.0
    mask = e.masks[0]
    cells = np.asarray(mask.cells, dtype=np.int64)
    z = mask.positions(cells)[:, 2]
    rng = np.random.default_rng(1)
    from adapters.lattice.physical.molecules import add_molecules

    for k in range(len(e.sites)):
        chosen = rng.choice(cells[z < -LENGTH / 2], ions, replace=False).astype(np.int32)
        add_molecules(e.tables[k], e.molecules[k], np.zeros(ions, dtype=np.int64), chosen)
        e._write_outputs(k)
    e.advance(round(time / 0.1))
    crossed = sum(int((e.positions(k, "Ca")[:, 2] > 0).sum()) for k in range(len(e.sites)))
    start = (z < -LENGTH / 2) / (z < -LENGTH / 2).sum()
    p = float(expm_multiply(generator(mask) * time, start)[z > 0].sum())
    n = ions * len(e.sites)
    bound = z_bound(1) * math.sqrt(n * p * (1 - p))
    assert abs(crossed - n * p) < bound
    assert 0.5 * n * p > bound, "half as many would pass"
