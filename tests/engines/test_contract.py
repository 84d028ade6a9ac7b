"""Every registered engine passes the conformance suite."""

from __future__ import annotations

import pytest

from couple.base import registry
from support.engine_contract import EngineContract
from support.engine_under_test import EngineUnderTest
from support.paths import SUPPORT

RULES = SUPPORT / "rules" / "flap.py"


def flapping(cheap: str, rule: str) -> EngineUnderTest:
    """Two accuracies that change at every window: the hardest case."""
    content = {"rule": f"{RULES}:{rule}", "dwell": "0 ms", "options": {"lattice": {"spacing": "20 nm"}}}
    return EngineUnderTest("adaptive", {"engines": (cheap, "lattice"), **content})


ENGINES = {
    "adaptive": flapping("ssa", "whole"),
    "adaptive, mixed": flapping("ode", "flap"),
    "adaptive, surrogate": flapping("surrogate", "surrogate"),
    "cme": EngineUnderTest("cme", stochastic=False),
    "gridded": EngineUnderTest("gridded", {"spacing": "100 nm"}),
    "knp": EngineUnderTest(
        "knp", {"resolution": "150 nm"}, stochastic=False, opening={"cells": "triangle"}, charges={"CaB": 1}
    ),
    "langevin": EngineUnderTest("langevin"),
    "lattice": EngineUnderTest("lattice", {"spacing": "20 nm"}),
    "ode": EngineUnderTest("ode", stochastic=False),
    "pde": EngineUnderTest("pde", {"resolution": "100 nm"}, stochastic=False, opening={"cells": "triangle"}),
    "spde": EngineUnderTest("spde", {"resolution": "150 nm"}),
    "ssa": EngineUnderTest("ssa"),
    "surrogate": EngineUnderTest("surrogate", stochastic=False),
}


OUTSIDE = {
    "ecell4_meso": EngineUnderTest("ecell4_meso", {"spacing": "100 nm"}),
    "spatiocyte": EngineUnderTest("spatiocyte", {"spacing": "50 nm"}),
}
"""Engines of other programs: what is ours of them is also tested every day in test_ecell4.py."""


def test_every_registered_engine_is_in_the_suite() -> None:
    assert sorted({e.name for e in (*ENGINES.values(), *OUTSIDE.values())}) == registry.names("couple.engines")


class TestContract(EngineContract):
    @pytest.fixture(params=sorted(ENGINES))
    def engine(self, request: pytest.FixtureRequest) -> EngineUnderTest:
        return ENGINES[request.param]


@pytest.mark.acceptance
class TestContractOutside(EngineContract):
    @pytest.fixture(params=sorted(OUTSIDE))
    def engine(self, request: pytest.FixtureRequest) -> EngineUnderTest:
        return OUTSIDE[request.param]
