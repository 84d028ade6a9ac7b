"""Every engine with space says the same, in the same words, of partners that never meet and of coarse cells."""

from __future__ import annotations

from typing import Any

import pytest

from couple.base import registry
from couple.base.errors import InputError
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring import wire

OPTIONS: dict[str, dict[str, Any]] = {
    "ecell4_meso": {"spacing": "0.1 um"},
    "gridded": {"spacing": "0.1 um"},
    "lattice": {"spacing": "10 nm"},
    "pde": {"resolution": "0.15 um"},
    "knp": {"resolution": "0.15 um"},
    "spatiocyte": {"spacing": "10 nm"},
    "spde": {"resolution": "0.15 um"},
}
SPATIAL = sorted(OPTIONS)
MIXED = ["adaptive", "ode", "ssa", "langevin", "cme", "surrogate"]


def experiment(engine: str, species: dict[str, Any], forward: str = "1e7 /M/s", **chemistry: Any) -> Experiment:
    site: dict[str, Any] = {"name": "head", "engine": engine, "geometry": {"box": {"size": "0.3 0.3 0.3 um"}}}
    return Experiment.parse(
        {
            "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
            "chemistry": {
                "species": species,
                "reactions": [{"equation": "A + B -> C", "forward": forward}],
                "initial": {"A": {"count": 500}, "B": {"count": 500}},
                **chemistry,
            },
            "site": [{**site, **({engine: OPTIONS[engine]} if engine in OPTIONS else {})}],
        }
    )


def test_every_engine_is_looked_at() -> None:
    spatial = [name for name in registry.names("couple.engines") if registry.load("couple.engines", name).spatial]
    assert sorted(spatial) == SPATIAL
    assert sorted([*SPATIAL, *MIXED]) == registry.names("couple.engines")


@pytest.mark.parametrize("engine", SPATIAL)
@pytest.mark.parametrize(
    ("species", "words"),
    [
        ({"A": {}, "B": {}, "C": {}}, "neither partner moves, they never meet"),
        ({"A": {}, "B": {"on": "membrane"}, "C": {"on": "membrane"}}, "but does not move: they never meet"),
    ],
)
def test_partners_that_never_meet(engine: str, species: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        wire(experiment(engine, species))
    assert '"A + B -> C": ' in str(caught.value) and words in str(caught.value)
    assert 'give one a D above 0, as species.A = { D = "10 um^2/s" }, or all as chemistry.D = ' in str(caught.value)
    factory = registry.load("couple.engines", engine)
    moving = wire(experiment(engine, {**species, "A": {"D": "10 um^2/s"}}))  # the control
    (made,) = moving.engines
    assert isinstance(made, SiteEngine)
    network = experiment(engine, species).network()
    setup = EngineSetup("x", network, (Site("s", Geometry.box(0.3, 0.3, 0.3), (5, 5, 0)),), 0.1)
    with pytest.raises(InputError, match=words):  # built by hand as well
        factory(EngineSetup(**{**vars(setup), "options": factory.Options.model_validate(OPTIONS[engine])}))


@pytest.mark.parametrize("engine", ["ode", "ssa", "langevin"])
def test_a_mixed_site_needs_no_diffusion(engine: str) -> None:
    assert wire(experiment(engine, {"A": {}, "B": {}, "C": {}}))


@pytest.mark.parametrize("engine", ["ecell4_meso", "gridded", "pde", "spde"])
def test_cells_that_are_too_coarse_for_a_rate(engine: str) -> None:
    """A goes sqrt(D / (k B)) = 9 nm before it meets B."""
    coarse = {"A": {"D": "0.5 um^2/s"}, "B": {}, "C": {}}
    found = [w for w in wire(experiment(engine, coarse, "2e8 /M/s")).plan.warnings if "until it meets" in w]
    (line,) = found
    assert 'site "head": "A + B -> C": A goes 9 nm until it meets B, cells of ' in line and "nm or less" in line
    fine = {"A": {"D": "500 um^2/s"}, "B": {}, "C": {}}
    assert not [w for w in wire(experiment(engine, fine, "2e8 /M/s")).plan.warnings if "until it meets" in w]


PATTERNS = {"A": "1 um^2/s", "*": "3 um^2/s", "B*": "2 um^2/s"}


def test_diffusion_by_pattern() -> None:
    names = {"A": {}, "B": {}, "B2": {"D": "9 um^2/s"}, "Bx3": {}, "C": {}, "AA": {}}
    network = experiment("lattice", names, D={**PATTERNS, "B*3": "4 um^2/s"}).network()
    found = {s.name: s.D * 1e3 for s in network.species}
    assert found == pytest.approx({"A": 1, "B": 2, "B2": 9, "Bx3": 4, "C": 3, "AA": 3})
    assert wire(experiment("lattice", {"A": {}, "B": {}, "C": {}}, D={"*": "1 um^2/s"}))


@pytest.mark.parametrize(
    ("D", "words"),
    [
        ({"X*": "1 um^2/s"}, r'chemistry\.D\."X\*".*fits no species without D of its own'),
        ({"Bb": "1 um^2/s"}, r'chemistry\.D\."Bb".*fits no species'),
        ({"B*": "1 um^2/s", "*B": "2 um^2/s"}, r'fits "B" as closely as ".*" does'),
        ({"*": "-1 um^2/s"}, r"chemistry\.D.*must be at least 0"),
        ({"*": "1 um"}, r"chemistry\.D.*diffusion coefficient"),
    ],
)
def test_patterns_that_cannot_be(D: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        experiment("lattice", {"A": {}, "B": {}, "C": {}}, D=D).network()
