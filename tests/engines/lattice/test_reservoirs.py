"""Cells of the paper's lattice that exchange particles with the outside."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from adapters.lattice.common.domain import build_domain
from adapters.lattice.common.options import ReservoirBlock
from adapters.lattice.paper.kernel import advance
from adapters.lattice.paper.tables import build_particles, build_rules
from couple import Experiment, Simulation
from couple.base.arrays import Ints
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.rng.streams import stream

NETWORK = ReactionNetwork([Species("A"), Species("B")], [])
FILL, DRAIN, RUNS = 0.2, 0.1, 2000


def courses(size: int, reservoirs: list[ReservoirBlock], steps: int) -> Ints:
    """(RUNS, steps + 1) numbers of A on an empty row."""
    domain = build_domain((size,), (("reflecting", "reflecting"),))
    rules = build_rules(NETWORK, domain, row_first=False, reservoirs=reservoirs)
    out = np.zeros((RUNS, steps + 1), dtype=np.int64)
    for run in range(RUNS):
        particles = build_particles(NETWORK, domain, stream(1, "lattice", str(run), "steps"), row_first=False)
        for t in range(1, steps + 1):
            advance(rules, particles, np.int64(1))
            out[run, t] = particles.population[1]
        assert (
            particles.length[0] == particles.population[1:].sum() == (particles.lattice[domain.lattice == 0] > 0).sum()
        )
    return out


def test_a_single_cell_fills_and_empties_as_its_probabilities_say() -> None:
    """⟨n⟩ after t steps is p (1 - (1 - f - d)^t) with p = f/(f + d): z of three times at 1 in 1000."""
    found = courses(1, [ReservoirBlock(species="A", at=(0,), fill=FILL, drain=DRAIN)], 30)
    rest, limit = FILL / (FILL + DRAIN), norm.isf(1e-3 / 6)
    for t in (2, 5, 30):
        expected = rest * (1 - (1 - FILL - DRAIN) ** t)
        assert abs(found[:, t].mean() - expected) < limit * np.sqrt(expected * (1 - expected) / RUNS)
    assert abs(found[:, 30].mean() - 0.5) > limit * np.sqrt(0.25 / RUNS)  # the control


def test_only_the_species_that_is_named_leaves() -> None:
    full = courses(
        3, [ReservoirBlock(species="B", at=(1,), drain=0.9), ReservoirBlock(species="A", at=(0,), fill=0.9)], 40
    )
    assert (np.diff(full, axis=1) >= 0).all()
    assert full[:, -1].min() == 3


@pytest.mark.parametrize(
    ("shape", "reservoirs", "said"),
    [
        ("[9]", '{ species = "A", at = [9], fill = 0.1 }', r"no cell \[9\] on a lattice of \[9\]"),
        ("[9, 9]", '{ species = "A", at = [1], fill = 0.1 }', r"no cell \[1\]"),
        ("[9]", '{ species = "C", at = [1], fill = 0.1 }', 'no species "C"'),
        ("[9]", '{ species = "A", at = [1] }', "probabilities per step"),
        ("[9]", '{ species = "A", at = [1], fill = 1.5 }', "1.5"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, shape: str, reservoirs: str, said: str) -> None:
    (tmp_path / "row.toml").write_text(
        f"""
[experiment]
name = "row"
duration = "2 steps"
exchange = "1 step"
[chemistry]
species.A = {{}}
observables.a = ["A"]
[[site]]
name = "row"
engine = "lattice"
lattice.mode = "paper"
lattice.shape = {shape}
lattice.reservoirs = [{reservoirs}]
"""
    )
    with pytest.raises(InputError, match=said):
        Simulation.in_memory(Experiment.load(tmp_path / "row.toml"))
