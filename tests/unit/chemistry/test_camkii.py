"""The CaMKII network: its size, its thermodynamics, its statistics of equal subunits, and that engines run it."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base import registry
from couple.base.errors import InputError
from couple.chemistry.library.camkii import PAIRING, RATES, STATES, CaMKII, binding_steps
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site
from couple.experiment import Chemistry, Experiment
from couple.geometry.geometry import Geometry

CA = {"Ca": {"contains": {"Ca": 1}, "D": "220 um^2/s"}}


def network(**options: object) -> ReactionNetwork:
    return Chemistry.model_validate({"species": CA, "include": {"camkii": options}}).network()


@pytest.mark.parametrize(
    ("options", "species"),
    [({}, 155), ({"pK_unbinding": True}, 156), ({"topology": "monomer"}, 29), ({"rates": "verbatim"}, 155)],
)
def test_number_of_species(options: dict[str, object], species: int) -> None:
    assert len(network(**options).species) == species


def cycles(rates: str) -> np.ndarray:
    """Product of equilibrium constants around each of the 12 squares CaM -> K.CaM, one more ion, and back."""
    r = RATES[rates]
    around = []
    for (x, y, free), (_, _, bound) in zip(binding_steps(r.free), binding_steps(r.bound), strict=True):
        constants = [free[0] / free[1], r.to_K[y][0] / r.to_K[y][1], bound[1] / bound[0], r.to_K[x][1] / r.to_K[x][0]]
        around.append(math.prod(constants))
    return np.array(around)


def test_cycles_of_the_consistent_rates_close_within_4_percent() -> None:
    assert len(cycles("consistent")) == 12
    assert (abs(cycles("consistent") - 1) < 0.04).all()


def test_cycles_of_the_published_rates_do_not() -> None:
    assert abs(cycles("verbatim") - 1).max() > 0.5


def saturations(ca: float, rates: str) -> tuple[float, float, float]:
    """Share of calmodulin with a full C lobe, a full N lobe, both, at clamped calcium [µM], without CaMKII."""
    content = {
        "species": CA,
        "include": {"camkii": {"rates": rates, "topology": "monomer"}},
        "initial": {"Ca": "1 uM"},
    }
    made = Chemistry.model_validate(content).network()
    calmodulin = [s for s in made.names if s.startswith("CaM_")]
    only = [r for r in made.reactions if {*r.reactants, *r.products} <= {"Ca", *calmodulin}]
    small = ReactionNetwork([s for s in made.species if s.name in {"Ca", *calmodulin}], only)
    shares = small.steady_fractions("CaM_c0n0", {"Ca": ca * 1e-3})
    full = [
        sum(v for k, v in shares.items() if "c2" in k),
        sum(v for k, v in shares.items() if "n2" in k),
        shares["CaM_c2n2"],
    ]
    return full[0], full[1], full[2]


@pytest.mark.parametrize(
    ("ca", "expected"),
    [
        (0.1, (0.0011, 0.0001, 0.0000001)),
        (1, (0.0895, 0.0076, 0.00068)),
        (3, (0.428, 0.060, 0.0259)),
        (10, (0.844, 0.364, 0.307)),
        (100, (0.990, 0.941, 0.932)),
    ],
)
def test_lobe_saturations(ca: float, expected: tuple[float, float, float]) -> None:
    """Closed form of a lobe with two steps, and the published values to their printed digits."""
    r = RATES["verbatim"].free
    exact = []
    for lobe in "CN":
        one, two = ca * r[f"{lobe}1"][0] / r[f"{lobe}1"][1], ca * r[f"{lobe}2"][0] / r[f"{lobe}2"][1]
        exact.append(one * two / (1 + one + one * two))
    found = saturations(ca, "verbatim")
    np.testing.assert_allclose(found, [*exact, math.prod(exact)], rtol=1e-9, atol=1e-14)
    for value, printed in zip(found, expected, strict=True):
        digits = len(f"{printed:.10f}".rstrip("0").split(".")[1])
        assert abs(value - printed) <= 0.51 * 10**-digits


def test_equal_subunits_are_counted_once() -> None:
    """Every cycle through pairs closes: a pair of equal subunits has half the constant, and two sites for an ion."""
    made = network()
    forward: dict[tuple[tuple[str, ...], tuple[str, ...]], float] = {}
    for reaction in made.reactions:
        forward[tuple(sorted(reaction.reactants)), tuple(sorted(reaction.products))] = reaction.rate
    constant = {k: rate / forward[k[::-1]] for k, rate in forward.items() if k[::-1] in forward}
    bound = RATES["consistent"].bound
    one = {(0, 0): 1.0}  # weight of a K_CaM in each state, by its own steps
    for x, y, (on, off) in sorted(binding_steps(bound)):
        one.setdefault(y, one[x] * on / off * 1e3)  # mM
    pairing = PAIRING[0] / PAIRING[1] * 1e3
    pair = {
        f"K_K_c{x[0]}n{x[1]}_c{y[0]}n{y[1]}": pairing * one[x] * one[y] / (1 + (x == y))
        for x, y in combinations_with_replacement(STATES, 2)
    }
    tested = 0
    for (left, right), ratio in constant.items():
        if left[0] == "Ca" and left[1] in pair:
            assert ratio == pytest.approx(pair[right[0]] / pair[left[1]], rel=1e-9)
            tested += 1
        if right[0] in pair:
            weights = [one[(int(n[-3]), int(n[-1]))] for n in left if n.startswith("K_CaM")]
            if len(weights) == 2:
                assert ratio == pytest.approx(pair[right[0]] / math.prod(weights), rel=1e-9)
                tested += 1
    assert tested == 108 + 45


def test_subunits_do_not_depend_on_how_they_are_labelled() -> None:
    """With phosphorylation alone, the phosphorylated total of a mixture of two equal forms is that of one form."""
    made = network()
    rates = made.count_rates(1.0, 0.0)
    names = list(made.states)
    a, b = made.reactant_columns[:, 0], made.reactant_columns[:, 1]

    def slope(_: float, n: np.ndarray) -> np.ndarray:
        more = np.append(n, 1.0)
        result: np.ndarray = (rates * more[a] * more[b]) @ made.change
        return result

    start = np.zeros(len(names))
    start[names.index("K_CaM_c2n2")] = 1000.0
    start[names.index("Ca")] = 6000.0
    done = solve_ivp(slope, (0, 20.0), start, "BDF", rtol=1e-8, atol=1e-6)
    end = done.y[:, -1]
    for substance, held in (("Ca", 10000.0), ("CaM", 1000.0), ("CaMKII", 1000.0)):
        assert end @ made.contents(substance) == pytest.approx(held, rel=1e-9)
    phosphorylated = made.observable_weights[list(made.observables).index("K_phosphorylated")] @ end
    assert 0 < phosphorylated < 1000


@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_engines_run_it(engine: str) -> None:
    made = network()
    initial = [0] * len(made.species)
    for name, count in (("Ca", 400), ("CaM_c0n0", 60), ("K", 40)):
        initial[made.index(name)] = count
    site = Site("head", Geometry.cylinder(0.5, 0.5), tuple(initial))
    made_engine = registry.load("couple.engines", engine)(EngineSetup("head", made, (site,), 0.1, seed=1))
    made_engine.advance(500)
    counts = made_engine.read("counts")[0]
    for substance, held in (("Ca", 400), ("CaM", 60), ("CaMKII", 40)):
        assert counts @ made.contents(substance) == pytest.approx(held, rel=1e-9)
    means = dict(zip(made.observables, made_engine.read("means")[0], strict=True))
    assert 0 < means["K_with_CaM"] <= 40


def test_observables_weigh_pairs_twice() -> None:
    made = network()
    n = np.zeros(len(made.states))
    for name in ("K_K_c0n0_c2n2", "pK_K_c1n1_c0n0", "pK_CaM_c2n2"):
        n[made.index(name)] = 1
    assert dict(zip(made.observables, made.observable_weights @ n, strict=True)) == {
        "K_with_CaM": 5,
        "K_phosphorylated": 2,
        "K_in_pairs": 4,
    }


@pytest.mark.parametrize(
    ("include", "words"),
    [
        ({"camki": {}}, ["camki", "camkii"]),
        ({"camkii": {"rates": "fast"}}, ["include.camkii.rates", "consistent", "fast"]),
        ({"camkii": {"topologie": "dimer"}}, ["include.camkii", "topologie", "topology"]),
        ({"camkii": 3}, ["include.camkii", "3"]),
    ],
)
def test_what_cannot_be_included(include: dict[str, object], words: list[str]) -> None:
    content = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"species": CA, "include": include},
        "site": [{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "1 um"}}}],
    }
    with pytest.raises(InputError) as error:
        Experiment.parse(content)
    assert all(word in str(error.value) for word in words), error.value


def test_all_states() -> None:
    assert list(STATES) == list(product(range(3), range(3)))
    assert CaMKII().content()["species"]["K_K_c1n0_c2n2"]["contains"] == {"Ca": 5, "CaM": 2, "CaMKII": 2}
