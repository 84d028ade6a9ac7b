"""Rates by voltage and by catalysts in the surrogate, against closed forms and against mass action."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm
from scipy.stats import binom

from adapters.surrogate import Surrogate
from adapters.surrogate.engine import SurrogateOptions
from adapters.wellmixed.ode.engine import MassAction
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Options, Site, SiteEngine
from couple.experiment.chemistry.chemistry import Chemistry
from couple.geometry.geometry import Geometry

Floats = npt.NDArray[np.float64]

COURSE = (-80.0, 20.0, 20.0, -40.0, 10.0, -65.0)
OPENING, CLOSING, BLOCK = 0.02, 0.5, (1.2, -17.0)  # /ms, and mV of e-fold


def channel() -> ReactionNetwork:
    """C <-> O by a Boltzmann factor and a table, O <-> B by exponentials."""
    table = {
        "species": {name: {"on": "membrane"} for name in "COB"},
        "observables": {"open": ["O"]},
        "reactions": [
            {
                "equation": "C <-> O", "forward": "2 /ms", "backward": "0.5 /ms",
                "forward_voltage": {"kind": "boltzmann", "at": "-20 mV", "scale": "8 mV"},
                "backward_voltage": {"kind": "table", "v": "-100 0 50 mV", "values": [2.0, 1.0, 0.5]},
            },
            {
                "equation": "O <-> B", "forward": "1.2 /ms", "backward": "10.8 /ms",
                "forward_voltage": {"kind": "exponential", "scale": "-17 mV"},
                "backward_voltage": {"kind": "exponential", "scale": "47 mV"},
            },
        ],
    }  # fmt: skip
    return Chemistry.model_validate(table).network()


def generator(v: float) -> Floats:
    """Of C, O, B at V, per ms, written out."""
    rates = {
        (0, 1): 2.0 / (1.0 + math.exp(-(v + 20.0) / 8.0)),
        (1, 0): 0.5 * float(np.interp(v, [-100.0, 0.0, 50.0], [2.0, 1.0, 0.5])),
        (1, 2): 1.2 * math.exp(-v / 17.0),
        (2, 1): 10.8 * math.exp(v / 47.0),
    }
    matrix = np.zeros((3, 3))
    for (a, b), rate in rates.items():
        matrix[b, a] += rate
        matrix[a, a] -= rate
    return matrix


def engine(network: ReactionNetwork, counts: list[Floats], options: dict[str, Any] | None = None, **more: Any) -> Any:
    """A surrogate with a site for each of the counts."""
    sites = tuple(Site(f"at{k}", Geometry.sphere(0.5), tuple(c), voltage=-65.0) for k, c in enumerate(counts))
    given = SurrogateOptions.model_validate(options or {})
    return Surrogate(EngineSetup("channels", network, sites, 0.1, seed=3, options=given, **more))


def test_expected_numbers_follow_a_course_of_voltages_exactly() -> None:
    made = engine(channel(), [np.array([100.0, 0.0, 0.0])], {"law": "mean"})
    p = np.array([100.0, 0.0, 0.0])
    for v in COURSE:
        made.write("v", v)
        made.advance(3)
        g, span = generator(v), 0.3
        big = np.zeros((6, 6))
        big[:3, :3], big[3:, :3] = g, np.eye(3)
        moved = expm(span * big)
        mean = moved[3:, :3] @ p / span
        p = moved[:3, :3] @ p
        assert made.read("counts")[0, :3] == pytest.approx(p, abs=1e-11)
        assert made.read("means")[0, 0] == pytest.approx(mean[1], abs=1e-11)
    assert made.read("counts")[0].sum() == pytest.approx(100.0, abs=1e-12)
    assert p[2] > 1.0  # there is something to follow


def test_whole_molecules_have_the_distribution_of_independent_channels() -> None:
    n, repeats = 30, 400
    made = engine(channel(), [np.array([float(n), 0.0, 0.0])] * repeats)
    p = np.array([1.0, 0.0, 0.0])
    for v in COURSE:
        made.write("v", np.full(repeats, v))
        made.advance(3)
        p = expm(0.3 * generator(v)) @ p
    found = made.read("counts")[:, 1]
    assert (found == np.rint(found)).all() and (made.read("counts").sum(axis=1) == n).all()
    z = (found.mean() - n * p[1]) / math.sqrt(n * p[1] * (1 - p[1]) / repeats)
    assert abs(z) < 4.0
    # the variance, whose error is by the fourth moment of the binomial
    fourth = float(binom(n, p[1]).expect(lambda k: (k - n * p[1]) ** 4))
    variance = n * p[1] * (1 - p[1])
    assert abs(found.var(ddof=1) - variance) < 4.0 * math.sqrt((fourth - variance**2) / repeats)
    still = expm(0.3 * len(COURSE) * generator(-65.0)) @ np.array([1.0, 0.0, 0.0])
    assert abs(found.mean() - n * still[1]) > 8.0 * math.sqrt(variance / repeats)  # control: V that does not move


@pytest.mark.parametrize("law", ["mean", "multinomial"])
def test_resumes_to_the_bit_and_does_not_depend_on_the_batch(law: str) -> None:
    network, start = channel(), np.array([20.0, 5.0, 0.0])
    whole = engine(network, [start] * 5, {"law": law})
    alone = engine(network, [start], {"law": law})
    resumed = engine(network, [start] * 5, {"law": law})
    for k, v in enumerate(COURSE):
        if k == 3:
            resumed.restore(whole.save())
        for made in (whole, alone, resumed)[: 3 if k >= 3 else 2]:
            made.write("v", np.full(len(made.sites), v))
            made.advance(1)
    for port in ("counts", "means"):
        assert (resumed.read(port) == whole.read(port)).all()
        assert (alone.read(port)[0] == whole.read(port)[0]).all()
    rows = np.array([1, 3])
    before = whole.read("counts").copy()
    whole.advance_sites(2, rows)
    resumed.advance(2)
    assert (whole.read("counts")[rows] == resumed.read("counts")[rows]).all()
    assert (whole.read("counts")[[0, 2, 4]] == before[[0, 2, 4]]).all()


def by_kinase(**reaction: Any) -> ReactionNetwork:
    """Calcium activates a kinase, which phosphorylates R; a phosphatase takes it off."""
    table = {
        "species": {
            "Ca": {"D": "200 um^2/s", "contains": {"Ca": 1}}, "E": {}, "CaE": {"contains": {"Ca": 1}},
            "P": {}, "R": {"on": "membrane"}, "Rp": {"on": "membrane"},
        },
        "observables": {"phosphorylated": ["Rp"], "active": {"CaE": 2.0}},
        "reactions": [
            {"equation": "Ca + E <-> CaE", "forward": "20 /uM/s", "backward": "40 /s"},
            {"equation": "R -> Rp", "forward": "1 /uM/s", "catalyst": "active"},
            {"equation": "Rp -> R", "forward": "2 /uM/s", "catalyst": "P", **reaction},
        ],
    }  # fmt: skip
    return Chemistry.model_validate(table).network()


def test_a_catalyst_is_every_member_of_an_observable_by_its_weight() -> None:
    texts = [(str(r), r.rate) for r in by_kinase().reactions[2:]]
    assert texts == [("R + CaE -> Rp + CaE", pytest.approx(2.0)), ("Rp + P -> R + P", pytest.approx(2.0))]


def test_catalysed_reactions_are_those_of_mass_action() -> None:
    network = by_kinase()
    start = {"Ca": 60.0, "E": 200.0, "P": 50.0, "R": 100.0}
    counts = np.array([start.get(n, 0.0) for n in network.names])

    def course(kind: type[SiteEngine], options: Options, tick: float) -> tuple[Floats, Floats]:
        site = Site("head", Geometry.cylinder(0.5, 0.5), tuple(counts))
        made = kind(EngineSetup("e", network, (site,), tick, injected=("Ca",), options=options))
        rows = []
        for k in range(round(100 / tick)):
            made.write("influx", 400.0 * tick if k * tick < 4.0 else 0.0)
            made.advance(1)
            rows.append([made.read("counts")[0, network.index("Rp")], made.read("means")[0, 0]])
        return np.array(rows).T

    exact = course(MassAction, MassAction.Options(), 0.1)
    errors: list[list[float]] = []
    for tick in (1.0, 0.5):
        every = round(tick / 0.1)
        rp, mean = course(Surrogate, SurrogateOptions(law="mean", accuracy=1e-4), tick)
        ends, averages = exact[0][every - 1 :: every], exact[1].reshape(-1, every).mean(axis=1)
        errors.append([float(np.abs(found - want).max()) for found, want in ((rp, ends), (mean, averages))])
    assert exact[0].max() > 5.0
    for coarse, fine in zip(*errors, strict=True):
        assert fine < 1e-2 and fine < 0.35 * coarse  # of second order: 1/4


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        ({"equation": "Ca + Rp -> R + Ca_out", "forward": "1 /uM/s", "catalyst": None}, "take up no Ca"),
        ({"equation": "Rp -> 0", "catalyst": "P"}, "turn one into another"),
    ],
)
def test_what_held_pools_cannot_do_is_refused_in_one_line(reaction: dict[str, Any], message: str) -> None:
    given = {k: v for k, v in reaction.items() if v is not None}
    table = by_kinase_table(given)
    with pytest.raises(InputError, match=message) as caught:
        engine(Chemistry.model_validate(table).network(), [np.zeros(6)], injected=("Ca",))
    assert "\n" not in str(caught.value)


def by_kinase_table(last: dict[str, Any]) -> dict[str, Any]:
    """Of `by_kinase`, with another last reaction."""
    return {
        "species": {
            "Ca": {"contains": {"Ca": 1}}, "E": {}, "CaE": {"contains": {"Ca": 1}},
            "P": {}, "R": {"on": "membrane"}, "Rp": {"on": "membrane"},
        },
        "reservoirs": ["Ca_out"],
        "reactions": [
            {"equation": "Ca + E <-> CaE", "forward": "20 /uM/s", "backward": "40 /s"},
            {"equation": "R -> Rp", "forward": "1 /uM/s", "catalyst": "CaE"},
            {"forward": "2 /uM/s", **last},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"equation": "Rp -> R", "catalyst": "PP"}, r'"PP" is no species and no observable'),
        ({"equation": "Rp -> R", "catalyst": "P", "forward": "2 /s"}, "rate of second order|/uM/s|/mM"),
        ({"equation": "Rp -> R", "catalyst": "P", "forward": None, "rate_law": "P"}, "only of mass action"),
    ],
)
def test_a_catalyst_that_is_none_is_refused(given: dict[str, Any], message: str) -> None:
    table = by_kinase_table(given)
    table["reactions"][2] = {k: v for k, v in table["reactions"][2].items() if v is not None}
    with pytest.raises((InputError, ValueError), match=message):
        Chemistry.model_validate(table).network()


CAMKII = Path(__file__).parents[3] / "examples/camkii"


def test_a_phosphatase_acts_on_learned_camkii_as_on_all_its_species() -> None:
    """Phosphorylated subunits with and without PP1, learned and by mass action, under one course of calcium."""

    def course(kind: type[SiteEngine], options: Options, rate: str | None) -> float:
        include = {} if rate is None else {"phosphatase": "PP1", "dephosphorylation": rate}
        chemistry = Chemistry.model_validate(
            {
                "species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}, "PP1": {}},
                "include": {"camkii": include},
            }
        )
        network, geometry = chemistry.network(), Geometry.cylinder(0.5, 0.5)
        start = {"Ca": 6.0, "CaM_c0n0": 1774.0, "K": 4730.0, "PP1": 60.0}
        counts = tuple(start.get(n, 0.0) for n in network.names)
        setup = EngineSetup(
            "e", network, (Site("head", geometry, counts),), 1.0, clamped=("Ca",), options=options, folder=CAMKII
        )
        made, seen = kind(setup), list(network.observables).index("K_phosphorylated")
        for k in range(300):
            made.write("clamp", 600.0 if k < 100 else 30.0)
            made.advance(1)
        return float(made.read("means")[0, seen])

    learned = SurrogateOptions.model_validate({"models": ["camkii.h5"], "law": "mean"})
    mass = MassAction.Options()
    with_it, without = (
        [course(k, o, rate) for k, o in ((Surrogate, learned), (MassAction, mass))] for rate in ("5 /uM/s", None)
    )
    assert with_it[0] / without[0] == pytest.approx(with_it[1] / without[1], rel=0.02)
    assert with_it[1] / without[1] < 0.6  # it does something


def test_another_reaction_on_a_learned_model_is_refused() -> None:
    chemistry = Chemistry.model_validate(
        {
            "species": {"Ca": {"contains": {"Ca": 1}}, "PP1": {}},
            "include": {"camkii": {}},
            "reactions": [{"equation": "pK_CaM_c0n0 -> K_CaM_c0n0", "forward": "1 /uM/s", "catalyst": "PP1"}],
        }
    )
    network = chemistry.network()
    options = SurrogateOptions.model_validate({"models": ["camkii.h5"]})
    site = Site("head", Geometry.cylinder(0.5, 0.5), (0.0,) * len(network.species))
    with pytest.raises(InputError, match="takes a phosphatase of all phosphorylated subunits"):
        Surrogate(EngineSetup("e", network, (site,), 1.0, options=options, folder=CAMKII))
