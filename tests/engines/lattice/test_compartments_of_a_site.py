"""A chemistry in several compartments is, on a lattice that stirs it well, what ssa and ode make of it, in law."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.statistics import z_bound

pytestmark = pytest.mark.acceptance
EDGE, SHARE = 0.3, 0.6
"""µm of the box; what the cytosol is of it."""
SITES, SPAN = 400, 1.0
"""ms"""
NAMES = ["A", "B", "C", "D"]


def ended(engine: str, options: dict[str, Any], sites: int, share: float, seed: int) -> np.ndarray:
    """(n_sites, 4) molecules after 1 ms of A + B -> C in the cytosol, and D -> A, from the ER into it."""
    one = 1.0 / (IONS_PER_MM_UM3 * EDGE**3 * SHARE)  # mM of one molecule in the cytosol
    fast = {"D": "200 um^2/s"}
    chemistry = {
        "compartments": {"cytosol": {"share": share}, "ER": {"share": 1.0 - share}},
        "species": {s: {"on": "ER" if s == "D" else "cytosol", **fast} for s in NAMES},
        "reactions": [
            {"equation": "A + B -> C", "forward": f"{0.02 / one} /mM/ms"},
            {"equation": "D -> A", "forward": "0.5 /ms"},
        ],
        "initial": {"A": {"count": 20}, "B": {"count": 40}, "D": {"count": 30}},
    }
    box = {"box": {"size": f"{EDGE} {EDGE} {EDGE} um"}}
    source = {
        "experiment": {"name": "x", "duration": f"{SPAN} ms", "exchange": "0.5 ms", "seed": seed},
        "chemistry": chemistry,
        "site": [{"name": f"s{k}", "engine": engine, "geometry": box, engine: options} for k in range(sites)],
    }
    run = Simulation.in_memory(Experiment.parse(source))
    run.run()
    return np.vstack([e.read("counts")[:, :4] for e in run.system.engines])


def z_of_means(x: np.ndarray, y: np.ndarray) -> float:
    """Largest difference of the means of species, in standard errors."""
    error = np.sqrt(x.var(axis=0, ddof=1) / len(x) + y.var(axis=0, ddof=1) / len(y))
    return float(np.max(np.abs(x.mean(axis=0) - y.mean(axis=0)) / error))


def chi_square(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Statistic of two samples of C in ten bins, and its bound at 1e-4."""
    edges = np.unique(np.quantile(np.concatenate([x, y]), np.linspace(0, 1, 11)[1:-1]))
    a, b = (np.bincount(np.searchsorted(edges, v, side="right"), minlength=len(edges) + 1) for v in (x, y))
    there = a + b > 0
    return float((((a - b) ** 2) / (a + b))[there].sum()), float(chi2.isf(1e-4, there.sum() - 1))


def test_a_lattice_in_compartments_is_the_ssa_in_law() -> None:
    lattice = ended("lattice", {"spacing": "50 nm"}, SITES, SHARE, 1)
    ssa = ended("ssa", {}, SITES, SHARE, 2)
    found, bound = chi_square(lattice[:, 2], ssa[:, 2])
    z = z_of_means(lattice, ssa)
    wrong = ended("ssa", {}, SITES, 1.25 * SHARE, 3)  # the control: A and B in a quarter more of the site
    z_wrong, wrong_ = z_of_means(lattice, wrong), chi_square(lattice[:, 2], wrong[:, 2])[0]
    print(
        f"means: z {z:.2f} (control {z_wrong:.1f}); C: chi-square {found:.1f} (bound {bound:.1f}, control {wrong_:.1f})"
    )
    assert z < z_bound(4) < z_wrong
    assert found < bound < wrong_
    (ode,) = ended("ode", {"rtol": 1e-9}, 1, SHARE, 1)
    mean, error = lattice.mean(axis=0), lattice.std(axis=0, ddof=1) / np.sqrt(SITES)
    assert (np.abs(mean - ode) < 4 * error + 0.2).all(), (
        "but for fluctuations, which ode does not know: below 0.2 of 40"
    )
