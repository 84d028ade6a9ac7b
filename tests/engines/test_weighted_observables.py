"""Observables with weights: what engines report is the weighted sum of counts, in every window."""

from __future__ import annotations

import numpy as np
import pytest

from couple.base import registry
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry

GEOMETRY = Geometry.sphere(1.0)


def network(weight: float) -> ReactionNetwork:
    species = [Species("A"), Species("B")]
    pairing = [Reaction(("A", "A"), ("B",), 1000.0), Reaction(("B",), ("A", "A"), 0.5)]
    return ReactionNetwork(species, pairing, observables={"halves": {"A": 1.0, "B": weight}, "pairs": {"B": 2.0}})


@pytest.mark.parametrize("engine", ["ssa", "ode", "langevin"])
def test_weights_count(engine: str) -> None:
    """A + 2 B is conserved, so its mean over every window is what there was."""
    made = registry.load("couple.engines", engine)(
        EngineSetup("e", network(2.0), (Site("s", GEOMETRY, (400, 0)),), 0.1, seed=1)
    )
    for _ in range(5):
        before = made.read("counts")[0].copy()
        made.advance(1)
        halves, pairs = made.read("means")[0]
        assert halves == pytest.approx(400, rel=1e-9)
        after = made.read("counts")[0]
        assert 2 * before[1] - 1e-9 <= pairs <= 2 * after[1] + 60  # pairs form, with noise
    assert after[1] > 50


@pytest.mark.parametrize("engine", ["ssa", "ode", "langevin"])
def test_weights_that_are_not_whole_are_refused(engine: str) -> None:
    with pytest.raises(InputError, match=r"halves.*whole weights"):
        registry.load("couple.engines", engine)(
            EngineSetup("e", network(0.5), (Site("s", GEOMETRY, (400, 0)),), 0.1, seed=1)
        )


def test_weights_of_zero_or_one_are_as_before() -> None:
    made = registry.load("couple.engines", "ode")(
        EngineSetup("e", network(1.0), (Site("s", GEOMETRY, (400, 0)),), 0.1, seed=1)
    )
    made.advance(1)
    assert np.isfinite(made.read("means")).all() and made.read("means")[0, 0] < 400
