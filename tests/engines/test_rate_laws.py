"""Rate laws that are no mass action: what engines make of them, against other integrators and exact distributions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from adapters.fem.options import MeshOptions
from adapters.gridded import Gridded, GriddedOptions
from adapters.wellmixed.langevin.engine import Langevin
from adapters.wellmixed.ode.below_zero import taken_below_zero
from adapters.wellmixed.ode.engine import MassAction, OdeOptions
from adapters.wellmixed.ssa.engine import Gillespie
from couple.base import registry
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.rate_law import read_rate_law
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.engine import EngineSetup, Options, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.simulation.simulation import Simulation
from reducers.markov.chemistry import own_reactions
from support.statistics import pearson, z_bound

TICK = 0.025
LAWS: dict[str, tuple[str, dict[str, object]]] = {
    "enzyme": ("kcat*E*S/(Km + S)", {"kcat": "20 /s", "Km": "5 uM"}),
    "hill": ("V*P^n/(K^n + P^n)", {"V": "1 uM/s", "K": "3 uM", "n": 2.5}),
    "power": ("k*S*(S/S0)^0.7", {"k": "2 /s", "S0": "1 uM"}),
    "decay": ("k*S*exp(-E/E0)", {"k": "5 /s", "E0": "2 uM"}),
    "piecewise": ("if(S > S0, k*(S - S0), 0)", {"k": "9 /s", "S0": "4 uM"}),
    "pump": ("V*P/(K + P)*M/M0", {"V": "900 /um^2/s", "K": "2 uM", "M0": "10 /um^2"}),
}


def network(*laws: str, more: tuple[Reaction, ...] = (), D: float = 0.0) -> ReactionNetwork:
    """S -> P by each of the laws but those named back, which make S of P, and the pump, which takes P out."""
    species = [Species("S", D), Species("P", D), Species("E", D), Species("M", on="membrane")]
    on = {s.name: s.on for s in species}
    sides = {"hill": (("P",), ("S",)), "pump": (("P",), ("out",))}
    reactions = [
        Reaction(*sides.get(law, (("S",), ("P",))), 1.0, text="", law=read_rate_law(*LAWS[law], on)) for law in laws
    ]
    return ReactionNetwork(species, [*reactions, *more], ["out"], {"seen": ["P"]})


def built[E: SiteEngine](
    factory: type[E], chemistry: ReactionNetwork, *sites: Site, options: Options | None = None
) -> E:
    return factory(EngineSetup("x", chemistry, sites, TICK, options=options or factory.Options(), seed=5))


def mean_field(y: np.ndarray, laws: tuple[str, ...], volume: float, area: float) -> np.ndarray:
    """Rates of change of the counts of S, P, E and M, written out by hand."""
    per = IONS_PER_MM_UM3 * volume
    S, P, E, M = y / per  # mM
    M *= per / area
    hill = max(P, 0.0) ** 2.5
    speed = {
        "enzyme": 0.02 * E * S / (0.005 + S) * per,
        "hill": -1e-6 * hill / (0.003**2.5 + hill) * per,
        "power": 0.002 * S * max(S / 1e-3, 0.0) ** 0.7 * per,
        "decay": 0.005 * S * np.exp(-E / 0.002) * per,
        "piecewise": 0.009 * max(S - 0.004, 0.0) * per,
        "pump": 0.0,
    }
    v = sum(speed[law] for law in laws)
    out = 0.9 * P / (0.002 + P) * M / 10.0 * area if "pump" in laws else 0.0
    return np.array([-v, v - out, 0.0, 0.0])


@pytest.mark.parametrize("laws", [(law,) for law in LAWS] + [tuple(LAWS)])
def test_ode_is_what_another_integrator_finds(laws: tuple[str, ...]) -> None:
    start = (6000.0, 900.0, 1200.0, 12.0)
    sites = tuple(Site(f"s{k}", Geometry.box(1, 1, size), start) for k, size in enumerate((1.0, 2.0)))
    engine = built(MassAction, network(*laws), *sites, options=OdeOptions(rtol=1e-11, atol=1e-9))
    engine.advance(4000)
    for site, found in zip(sites, engine.read("counts"), strict=True):
        sizes = site.geometry.volume, site.geometry.area
        wanted = solve_ivp(
            lambda t, y, sizes=sizes: mean_field(y, laws, *sizes),
            (0, 100),
            start,
            method="Radau",
            rtol=1e-11,
            atol=1e-9,
        )
        np.testing.assert_allclose(found[:4], wanted.y[:, -1], rtol=1e-8)
        assert found.sum() == pytest.approx(sum(start), rel=1e-13)  # what is pumped is in the reservoir


def few(law: str, factory: type[SiteEngine], options: Options | None, n: int = 1500) -> np.ndarray:
    """P after 100 ms from 12 S and 40 E, in `n` sites."""
    chemistry = network(law, D=1.0)
    sites = [Site(f"s{k}", Geometry.box(0.1, 0.1, 0.1), (12.0, 0.0, 3.0, 0.0)) for k in range(n)]
    engine = built(factory, chemistry, *sites, options=options)
    engine.advance(4000)
    return engine.read("counts")[:, 1].astype(int)


def exact(law: str, mass_action: bool = False) -> np.ndarray:
    """(13,) chances of 0 .. 12 events: 12 S go one by one with the propensity of the law."""
    per = IONS_PER_MM_UM3 * 1e-3
    chemistry = network(law)
    generator = np.zeros((13, 13))
    for done in range(12):
        S, E = (12 - done) / per, 3 / per
        rate = {"enzyme": 0.02 * E * S / (0.005 + S), "power": 0.002 * S * (S / 1e-3) ** 0.7}[law] * per
        if mass_action:
            rate = 0.02 * E * S / 0.005 * per
        generator[done + 1, done] += rate
        generator[done, done] -= rate
    assert chemistry.laws
    return np.asarray(expm(generator * 100.0)[:, 0])


ONE_VOXEL, VOXELS = (GriddedOptions.model_validate({"spacing": h}) for h in ("100 nm", "50 nm"))


@pytest.mark.parametrize(("factory", "options"), [(Gillespie, None), (Gridded, ONE_VOXEL)])
@pytest.mark.parametrize("law", ["enzyme", "power"])
def test_whole_molecules_follow_the_master_equation(
    factory: type[SiteEngine], options: Options | None, law: str
) -> None:
    found = few(law, factory, options)
    score, bound = pearson(found, exact(law))
    assert score < bound
    if law == "enzyme":
        score, bound = pearson(found, exact(law, mass_action=True))
        assert score > bound  # unsaturated: the control


AS_MASS_ACTION = {
    "k*S": ({"k": "3 /s"}, Reaction(("S",), ("P",), 0.003)),
    "k*S*E": ({"k": "2e3 /mM/s"}, Reaction(("S", "E"), ("P", "E"), 2.0)),
    "k*M*S": ({"k": "5e4 /mM/s"}, Reaction(("S", "M"), ("P", "M"), 50.0)),
}


def twins(text: str, D: float) -> tuple[ReactionNetwork, ReactionNetwork]:
    """The same reaction as a rate law and as mass action."""
    parameters, plain = AS_MASS_ACTION[text]
    on = {"S": "volume", "P": "volume", "E": "volume", "M": "membrane"}
    by_law = replace(plain, rate=1.0, law=read_rate_law(text, parameters, on))
    return network(more=(by_law,), D=D), network(more=(plain,), D=D)


@pytest.mark.parametrize("text", AS_MASS_ACTION)
@pytest.mark.parametrize("name", ["ode", "langevin", "ssa", "gridded", "pde"])
def test_mass_action_as_a_law_is_mass_action(name: str, text: str) -> None:
    """Which molecule reacts is drawn from the same numbers: all engines find the same, but for rounding."""
    factory: type[SiteEngine] = registry.load("couple.engines", name)
    assert factory.rate_laws
    options: Options | None = ONE_VOXEL if name == "gridded" else None
    if name == "pde":
        options = factory.Options.model_validate({"resolution": "500 nm"})
        assert isinstance(options, MeshOptions)
    found = []
    for chemistry in twins(text, D=0.2):
        site = Site("s", Geometry.box(0.1, 0.1, 0.1), (300.0, 10.0, 40.0, 6.0))
        engine = built(factory, chemistry, site, options=options)
        for _ in range(5):
            engine.advance(40)
        found.append(engine.read("counts")[0].copy())
    assert not np.array_equal(found[0][:2], [300, 10])
    np.testing.assert_allclose(*found, rtol=1e-7)


def test_voxels_know_their_own_concentrations() -> None:
    """A law of first order in many voxels: each molecule by itself, so P is binomial at all times."""
    engine = built(
        Gridded, twins("k*S", D=0.02)[0],
        *(Site(f"s{k}", Geometry.box(0.1, 0.1, 0.1), (40.0, 0.0, 0.0, 0.0)) for k in range(200)), options=VOXELS,
    )  # fmt: skip
    engine.advance(4000)
    found, p = engine.read("counts")[:, 1], 1 - np.exp(-0.3)
    assert abs(found.mean() - 40 * p) < z_bound(1) * np.sqrt(40 * p * (1 - p) / len(found))
    saved, after = engine.save(), []
    for _ in range(2):
        engine.advance(400)
        after.append(engine.read("counts").copy())
        engine.restore(saved)
    np.testing.assert_array_equal(*after)


def test_langevin_has_the_moments_of_the_master_equation() -> None:
    """An enzyme that is saturated works at a constant rate: the extent is normal with variance = mean."""
    chemistry = network("enzyme")
    sites = [Site(f"s{k}", Geometry.box(1, 1, 1), (6e7, 0.0, 600.0, 0.0)) for k in range(2000)]
    engine = built(Langevin, chemistry, *sites)
    engine.advance(4000)
    found, mean = engine.read("counts")[:, 1], 0.02 * 600 * 100 / (1 + 0.005 * IONS_PER_MM_UM3 / 6e7)
    assert abs(found.mean() - mean) < z_bound(2) * np.sqrt(mean / len(found))
    assert abs(found.var() / mean - 1) < z_bound(2) * np.sqrt(2 / len(found))


def test_events_need_their_reactants() -> None:
    """A law that does not depend on what it consumes stops when that is used up; what is conserved stays."""
    on = {"S": "volume", "E": "volume"}
    law = read_rate_law("k*E", {"k": "1 /ms"}, on)
    chemistry = ReactionNetwork([Species("S"), Species("E")], [Reaction(("S", "S"), ("E",), 1.0, law=law)])
    for factory, options in ((Gillespie, None), (Gridded, ONE_VOXEL)):
        engine = built(factory, chemistry, Site("s", Geometry.box(0.1, 0.1, 0.1), (7.0, 5.0)), options=options)
        engine.advance(4000)
        np.testing.assert_array_equal(engine.read_counts(), [[1, 8]])


ON: dict[str, Any] = {"S": "volume", "E": "volume", "C": "volume"}


def consuming(text: str, equation: str, **parameters: object) -> ReactionNetwork:
    """S, E and C, by one law."""
    left, right = (tuple(side.split(" + ")) for side in equation.split(" -> "))
    reaction = Reaction(left, right, 1.0, law=read_rate_law(text, parameters, ON))
    return ReactionNetwork([Species(name) for name in ON], [reaction])


def test_ode_follows_a_law_below_zero_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """A law that goes on where there is none left, as in case 01165 of the SBML semantic suite."""
    chemistry, per = consuming("k*(S + E)/C", "S + E -> C", k="1 uM/s"), IONS_PER_MM_UM3
    starts = {"s": (5e-3, 1e-3, 1e-3), "t": (5e-3, 1e-2, 0.1)}
    sites = [Site(name, Geometry.box(1, 1, 1), tuple(c * per for c in start)) for name, start in starts.items()]
    engine = built(MassAction, chemistry, *sites, options=OdeOptions(rtol=1e-9, atol=1e-6))

    def change(_: float, y: np.ndarray) -> np.ndarray:
        return 1e-6 * (y[0] + y[1]) / y[2] * np.array([-1.0, -1.0, 1.0])

    for _ in range(8):
        engine.advance(4000)
    exact = solve_ivp(change, (0, 800.0), starts["s"], rtol=1e-11, atol=1e-14, method="LSODA").y[:, -1]
    np.testing.assert_allclose(engine.read("counts")[0] / per, exact, rtol=1e-7)
    assert exact[1] < -1e-4
    assert engine.validity_counts()["below_zero"].tolist() == [int(engine.below_zero[0]), 0]
    assert 1 <= engine.below_zero[0] < 8
    (said,) = caplog.messages
    assert 'site "s" of "x": "E" is below zero' in said
    again = built(MassAction, chemistry, *sites, options=OdeOptions(rtol=1e-9, atol=1e-6))
    again.restore(engine.save())
    for e in (engine, again):
        e.advance(40)
    assert again.read("counts").tobytes() == engine.read("counts").tobytes()
    assert again.below_zero.tolist() == engine.below_zero.tolist()


@pytest.mark.parametrize(
    ("text", "parameters", "below"),
    [
        ("k", {"k": "1 uM/s"}, {"S"}),
        ("k*E", {"k": "1 /s"}, {"S"}),
        ("k*(E - S)", {"k": "1 /s"}, {"S"}),
        ("k*(S - C)", {"k": "1 /s"}, set()),  # backwards where there is none
        ("V*S/(K + S)", {"V": "1 uM/s", "K": "1 uM"}, set()),  # nothing where there is none
        ("k*S*C/(S + C)", {"k": "1 /s"}, set()),
        ("k*(1 - exp(-S/K))", {"k": "1 uM/s", "K": "1 uM"}, set()),
        ("k*S^0.5*E^0.5", {"k": "1 /s"}, set()),
        ("k*E + q*S^0.5*E^0.5", {"k": "1 /s", "q": "1 /s"}, set()),  # not defined there
        ("k*E*E/S", {"k": "1 /s"}, set()),
        ("k*(C - S)", {"k": "1 /s"}, {"S"}),
        ("V*E^3/(K^3 + E^3)", {"V": "1 uM/s", "K": "1 uM"}, {"S"}),
    ],
)
def test_which_species_a_law_takes_below_zero(text: str, parameters: dict[str, object], below: set[str]) -> None:
    """S -> P by the law, P where it is below zero."""
    assert taken_below_zero(consuming(text, "S -> C", **parameters)) - {"C"} == below


def test_a_crude_step_of_a_law_that_vanishes_still_stops() -> None:
    chemistry = consuming("V*S/(K + S)", "S -> C", V="90 mM/s", K="0.1 uM")
    crude = built(
        MassAction,
        chemistry,
        Site("crude", Geometry.box(0.1, 0.1, 0.1), (300.0, 0.0, 0.0)),
        options=OdeOptions(steps=1),
    )
    with pytest.raises(RunError, match='"S" is negative'):
        crude.advance(4000)


@pytest.mark.parametrize("factory", [Gillespie, Langevin, Gridded])
def test_a_rate_below_zero_stops_the_run(factory: type[SiteEngine]) -> None:
    law = read_rate_law("k*(S - P)", {"k": "1 /ms"}, {"S": "volume", "P": "volume"})
    chemistry = ReactionNetwork([Species("S"), Species("P")], [Reaction(("S",), ("P",), 1.0, law=law)])
    options = ONE_VOXEL if factory is Gridded else None
    engine = built(factory, chemistry, Site("there", Geometry.box(0.1, 0.1, 0.1), (300.0, 400.0)), options=options)
    with pytest.raises(RunError, match=r'site "there".*"S -> P" by its rate law "k\*\(S - P\)" \(-100 /ms\)') as error:
        engine.advance(4000)
    assert "\n" not in str(error.value)


def experiment(engine: str, folder: Path, reaction: dict[str, Any]) -> Experiment:
    """S -> P in one site of an engine, with what its options need."""
    own: dict[str, Any] = {
        "lattice": {"spacing": "20 nm"}, "gridded": {"spacing": "50 nm"}, "pde": {"resolution": "500 nm"},
        "spde": {"resolution": "500 nm"}, "adaptive": {"engines": ["ode", "lattice"]},
        "ecell4_meso": {"spacing": "50 nm"}, "spatiocyte": {"spacing": "20 nm"},
    }.get(engine, {})  # fmt: skip
    site: dict[str, Any] = {"name": "s", "engine": engine, "geometry": {"box": {"size": "0.1 0.1 0.1 um"}}}
    if own:
        site[engine] = own
    if engine == "adaptive":
        site["lattice"] = {"spacing": "20 nm"}
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"S": {"D": "10 um^2/s"}, "P": {"D": "10 um^2/s"}},
            "reactions": [reaction],
            "initial": {"S": {"count": 50}},
        },
        "site": [site],
    }
    return Experiment.parse(source, path=folder / "x.toml")


SATURATED = {
    "equation": "S -> P", "rate_law": "V*S/(K + S)", "parameters": {"V": "1 mM/s", "K": "5 uM"},
}  # fmt: skip


@pytest.mark.parametrize("engine", registry.names("couple.engines"))
def test_every_engine_takes_rate_laws_or_refuses_them_by_name(engine: str, tmp_path: Path) -> None:
    """No engine may take a law for something else: it says that it knows laws, or names reaction and law."""
    factory: type[SiteEngine] = registry.load("couple.engines", engine)
    plan = experiment(engine, tmp_path, SATURATED)
    if factory.rate_laws and engine not in ("adaptive", "pde"):  # what these two do is tested above and below
        Simulation.in_memory(plan)
        return
    if engine == "pde":
        return
    with pytest.raises(
        InputError, match=r'"S -> P" has the rate law "V\*S/\(K \+ S\)": .* takes mass action alone'
    ) as error:
        Simulation.in_memory(plan)
    named = "lattice" if engine == "adaptive" else engine
    assert f'the engine "{named}"' in str(error.value) and "\n" not in str(error.value)


def test_laws_per_volume_have_no_place_on_a_membrane(tmp_path: Path) -> None:
    law = read_rate_law("k*M*S", {"k": "1 um^2/ms"}, {"S": "volume", "M": "membrane"})
    chemistry = network(more=(Reaction(("S",), ("P",), 1.0, law=law),), D=1.0)
    site = Site("s", Geometry.box(0.1, 0.1, 0.1), (300.0, 10.0, 40.0, 6.0))
    with pytest.raises(InputError, match=r"M of the membrane, .* give it per area"):
        built(Gridded, chemistry, site, options=VOXELS)


def test_reduced_blocks_refuse_laws_by_name() -> None:
    """A molecule is known by its reactions' rates: a law must not pass for one."""
    for species in (["S"], ["E"]):  # that react by a law, and that a law depends on
        with pytest.raises(InputError, match=r'"S -> P" has the rate law "kcat\*E\*S/\(Km \+ S\)": a reduced block'):
            own_reactions(network("enzyme"), species, "P")


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        ({**SATURATED, "forward": "1 /s"}, "give either forward"),
        ({"equation": "S -> P"}, "give either forward"),
        ({**SATURATED, "backward": "1 /s"}, "of one direction"),
        ({**SATURATED, "equation": "S <-> P"}, 'write two reactions with "->"'),
        ({"equation": "S -> P", "forward": "1 /s", "parameters": {"k": 1}}, "parameters: only of a rate_law"),
        ({**SATURATED, "parameters": {"V": "1 mM/s"}}, 'rate_law: unknown name "K"'),
        ({**SATURATED, "parameters": {"V": "1 mM/s", "K": "5 s"}}, "rate_law: .*do not go together"),
    ],
)
def test_a_law_that_is_wrong_is_refused_with_its_key(reaction: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        Simulation.in_memory(experiment("ode", tmp_path, reaction))
    assert "chemistry.reactions" in str(error.value) or "reactions.0" in str(error.value)


def test_temperature_warms_laws(tmp_path: Path) -> None:
    plan = experiment("ode", tmp_path, {**SATURATED, "q10": 3.0, "at": "22 celsius"})
    warm, cold = (plan.chemistry.network(celsius) for celsius in (32.0, 22.0))
    assert (warm.reactions[0].rate, cold.reactions[0].rate) == pytest.approx((3.0, 1.0))
