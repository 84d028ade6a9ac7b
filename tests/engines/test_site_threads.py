"""Engines divide their sites over threads: the same bits for any number, and the error of the first site."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from couple.base.errors import RunError
from couple.chemistry.network import Species
from couple.components.capabilities import AdvancesSomeSites
from couple.components.engine import Site, SiteEngine
from couple.geometry.geometry import Geometry
from couple.parallel import threads
from support.engine_under_test import INFLUX, NETWORK, SITES, EngineUnderTest, same
from support.networks import build

DIVIDED = {
    "cme": EngineUnderTest("cme"),
    "gridded": EngineUnderTest("gridded", {"spacing": "100 nm"}),
    "langevin": EngineUnderTest("langevin"),
    "lattice": EngineUnderTest("lattice", {"spacing": "20 nm", "moments": True}),
    "ode": EngineUnderTest("ode"),
    "ssa": EngineUnderTest("ssa"),
    "surrogate": EngineUnderTest("surrogate"),
}
MANY = tuple(replace(SITES[k % 3], name=f"site{k}") for k in range(7))
BATCHES = ("langevin", "ode", "ssa", "surrogate")


@pytest.fixture(autouse=True)
def _any_work_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WORTH", 0.0)
    monkeypatch.setattr(threads, "REST", 0)


def made(kind: str, n: int) -> SiteEngine:
    sites = tuple(replace(s, initial=tuple(n // 5 for n in s.initial)) for s in MANY) if kind == "cme" else MANY
    return DIVIDED[kind].make(NETWORK, sites, injected=("Ca",), threads=n)


def after_some_windows(engine: SiteEngine) -> dict[str, np.ndarray]:
    """All outputs of each window, and what is saved at the end."""
    rows = []
    for k, influx in enumerate(INFLUX):
        engine.write("influx", influx if k else np.arange(7.0)[:, None])
        engine.advance(1)
        rows.append(np.concatenate([engine.read(port).ravel() for port in engine.outputs]))
    if isinstance(engine, AdvancesSomeSites):
        engine.write("influx", 3.0)
        engine.advance_sites(1, np.array([5, 0, 2, 3]))
    return {"rows": np.array(rows), **{key: np.asarray(value) for key, value in engine.save().items()}}


@pytest.mark.parametrize("kind", DIVIDED)
def test_bits_do_not_depend_on_threads(kind: str) -> None:
    alone = after_some_windows(made(kind, 1))
    for n in (2, 3, 4):
        engine = made(kind, n)
        found = after_some_windows(engine)
        assert engine.threads.woken >= len(INFLUX)
        assert found.keys() == alone.keys()
        assert all(same(found[key], alone[key]) for key in alone)


def test_bits_of_the_lattice_of_steps_do_not_depend_on_threads() -> None:
    lattice = EngineUnderTest("lattice", {"mode": "paper", "shape": (12, 12), "moments": True})
    network = build([Species("A"), Species("B")], [("A <-> B", "0.1 per step", "0.05 per step")])
    sites = tuple(Site(f"site{k}", Geometry.cells((12, 12)), (20 + k, 10)) for k in range(7))
    found = []
    for n in (1, 2, 3, 4):
        engine = lattice.make(network, sites, tick=1.0, threads=n)
        engine.advance(20)
        engine.advance(20)
        found.append([engine.read(port).copy() for port in engine.outputs])
        assert (engine.threads.woken == 2) is (n > 1)
    assert all(same(a, b) for others in found[1:] for a, b in zip(others, found[0], strict=True))


@pytest.mark.parametrize("kind", BATCHES)
def test_every_thread_has_scratch_of_its_own(kind: str) -> None:
    engine = made(kind, 4)
    of_thread = [[*arrays(one)] for one in engine.scratch]
    assert len(of_thread) == 4
    for first, second in combinations(of_thread, 2):
        assert first
        assert not any(np.shares_memory(a, b) for a in first for b in second)


def arrays(scratch: object) -> Iterator[np.ndarray]:
    """All arrays in nested tuples."""
    if isinstance(scratch, np.ndarray):
        yield scratch
    elif isinstance(scratch, tuple):
        for one in scratch:
            yield from arrays(one)


@pytest.mark.parametrize("kind", DIVIDED)
def test_the_error_is_that_of_the_first_site(kind: str) -> None:
    said = set()
    for n in (1, 2, 3, 4):
        engine = made(kind, n)
        engine.write("influx", 1.0)
        engine.advance(1)
        engine.read("influx")[[2, 4, 6]] = np.nan
        with pytest.raises(RunError) as caught:
            engine.advance(1)
        said.add(str(caught.value))
    (text,) = said
    assert '"site2"' in text
