"""Rates by voltage: NMDA receptors blocked by magnesium, as molecules on the membrane, in every engine that can."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm
from scipy.stats import chi2

from adapters.cme.engine import MasterEquation
from adapters.gridded.engine import Gridded
from adapters.lattice.factory import Lattice
from adapters.wellmixed.langevin.engine import Langevin
from adapters.wellmixed.ode.engine import MassAction
from adapters.wellmixed.ssa.engine import Gillespie
from couple.base import registry
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.voltage import VoltageFactor
from couple.chemistry.voltage_rates import VoltageRates
from couple.components.engine import EngineSetup, Options, Site, SiteEngine
from couple.experiment.chemistry.chemistry import Chemistry
from couple.experiment.chemistry.voltage import VoltageBlock
from couple.geometry.geometry import Geometry

Floats = npt.NDArray[np.float64]

GLUTAMATE = 1e-3  # M
BLOCK, UNBLOCK = (1200.0, -17.0), (10800.0, 47.0)  # /s at 1 mM magnesium and 0 mV, mV: Vargas-Caballero & Robinson 2004
ARMS = (("C2", "O", 93.0, 183.2), ("C2b", "Ob", 97.0, 574.0), ("C2", "D", 16.8, 3.6), ("C2b", "Db", 16.8, 3.6))
BINDING = (("C0", "C1", 2e7, 11.0), ("C1", "C2", 1e7, 22.0), ("C0b", "C1b", 2e7, 11.0), ("C1b", "C2b", 1e7, 22.0))
VOLTAGES = np.arange(-80.0, 41.0, 10.0)


def scheme(*, binds: bool) -> ReactionNetwork:
    """The receptor in glutamate (a species, or, without binding, so much of it that two are always bound)."""
    steps = [*ARMS, *(BINDING if binds else ())]
    names = dict.fromkeys([name for a, b, _, _ in steps for name in (a, b)])
    reactions = [
        {
            "equation": f"Glu + {a} <-> {b}" if on > 1e6 else f"{a} <-> {b}",
            "forward": f"{on} /M/s" if on > 1e6 else f"{on} /s",
            "backward": f"{off} /s",
        }
        for a, b, on, off in steps
    ]
    by_voltage = [{"kind": "exponential", "scale": f"{scale} mV"} for _, scale in (BLOCK, UNBLOCK)]
    reactions.append(
        {
            "equation": "O <-> Ob", "forward": f"{BLOCK[0]} /s", "backward": f"{UNBLOCK[0]} /s",
            "forward_voltage": by_voltage[0], "backward_voltage": by_voltage[1],
        }
    )  # fmt: skip
    species: dict[str, dict[str, str]] = {name: {"on": "membrane"} for name in names}
    if binds:
        species["Glu"] = {}
    return Chemistry.model_validate({"species": species, "reactions": reactions}).network()


def closed_form(v: float, *, binds: bool) -> dict[str, float]:
    """Shares of the states at rest: a tree, so a product of ratios of rates along its branches."""
    weight = {"C2": 1.0, "O": 93 / 183.2, "D": 16.8 / 3.6}
    blocked = weight["O"] * BLOCK[0] * math.exp(v / BLOCK[1]) / (UNBLOCK[0] * math.exp(v / UNBLOCK[1]))
    weight |= {"Ob": blocked, "C2b": blocked * 574 / 97, "Db": blocked * 574 / 97 * 16.8 / 3.6}
    for end in ("", "b") if binds else ():
        weight[f"C1{end}"] = weight[f"C2{end}"] * 22 / (1e7 * GLUTAMATE)
        weight[f"C0{end}"] = weight[f"C1{end}"] * 11 / (2e7 * GLUTAMATE)
    return {name: w / sum(weight.values()) for name, w in weight.items()}


def engine(
    kind: type[SiteEngine], network: ReactionNetwork, voltages: Floats, n: int, options: Options | None = None
) -> SiteEngine:
    """Receptors in the unbound (or closed) state, a site for each voltage, in held glutamate."""
    geometry = Geometry.sphere(0.5)
    start = "C0" if "C0" in network.names else "C2"
    held = GLUTAMATE * 1e3 * 602214.076 * geometry.volume
    counts = tuple(float(n) if s == start else held if s == "Glu" else 0.0 for s in network.names)
    sites = tuple(Site(f"at{k}", geometry, counts, voltage=float(v)) for k, v in enumerate(voltages))
    clamped = ("Glu",) if "Glu" in network.names else ()
    setup = EngineSetup("receptors", network, sites, 0.025, (), clamped, seed=5, options=options or kind.Options())
    return kind(setup)


def test_ode_has_the_open_fraction_and_the_block_of_the_closed_form() -> None:
    network = scheme(binds=True)
    made = engine(MassAction, network, VOLTAGES, 100)
    for _ in range(400):
        made.advance(4000)  # 100 ms
    for row, v in zip(made.read("counts"), VOLTAGES, strict=True):
        n, want = dict(zip(network.names, row, strict=False)), closed_form(v, binds=True)
        assert n["O"] / 100 == pytest.approx(want["O"], abs=1e-6)
        assert n["Ob"] / (n["O"] + n["Ob"]) == pytest.approx(want["Ob"] / (want["O"] + want["Ob"]), abs=1e-6)


def generator(v: float) -> tuple[list[str], Floats]:
    """States without binding, and the matrix of their rates, per ms."""
    names = [*dict.fromkeys(name for a, b, _, _ in ARMS for name in (a, b))]
    block, unblock = (k * math.exp(v / scale) for k, scale in (BLOCK, UNBLOCK))
    matrix = np.zeros((len(names), len(names)))
    for a, b, on, off in (*ARMS, ("O", "Ob", block, unblock)):
        for i, j, rate in ((a, b, on), (b, a, off)):
            matrix[names.index(j), names.index(i)] += rate * 1e-3
            matrix[names.index(i), names.index(i)] -= rate * 1e-3
    return names, matrix


@pytest.mark.parametrize("kind", [MassAction, MasterEquation])
def test_a_course_of_voltages_is_followed_window_by_window(kind: type[SiteEngine]) -> None:
    network = scheme(binds=False)
    n = 1000 if kind is MassAction else 1  # whose errors are in molecules
    made = engine(kind, network, np.array([-80.0]), n)
    names, _ = generator(0.0)
    p = np.array([float(name == "C2") for name in names])
    for v in (-80.0, 20.0, 20.0, -40.0, 10.0, -65.0):
        made.write("v", v)
        made.advance(40)
        p = expm(generator(v)[1]) @ p
        found = made.read("counts")[0, [network.index(name) for name in names]] / n
        assert found == pytest.approx(p, abs=2e-5)
    assert p[names.index("Ob")] > 1e-3


STOCHASTIC = {
    "ssa": (Gillespie, None),
    "lattice": (Lattice, {"spacing": "25 nm"}),
    "gridded": (Gridded, {"spacing": "170 nm"}),
}


def chi_square(found: dict[str, float], shares: dict[str, float]) -> float:
    """The chance of counts that far from their shares."""
    n = sum(found.values())
    return float(chi2.sf(sum((found[k] - n * p) ** 2 / (n * p) for k, p in shares.items()), len(shares) - 1))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_molecules_have_the_distribution_of_the_closed_form(name: str) -> None:
    kind, options = STOCHASTIC[name]
    network = scheme(binds=False)
    given = None if options is None else kind.Options(**options)
    voltages = np.array([-30.0, 20.0])
    made = engine(kind, network, voltages, 400, given)
    slowest = max(-1 / np.sort(np.linalg.eigvals(generator(v)[1]).real)[-2] for v in voltages)
    for _ in range(math.ceil(8 * slowest / 10)):
        made.advance(400)
    for k, (row, v) in enumerate(zip(made.read("counts"), voltages, strict=True)):
        n = dict(zip(network.names, row.tolist(), strict=False))
        assert sum(n.values()) == 400
        assert chi_square(n, closed_form(v, binds=False)) > 1e-3
        assert chi_square(n, closed_form(float(voltages[1 - k]), binds=False)) < 1e-6  # at another voltage


@pytest.mark.parametrize("name", STOCHASTIC)
def test_a_saved_state_goes_on_to_the_bit_at_another_voltage(name: str) -> None:
    kind, options = STOCHASTIC[name]
    network = scheme(binds=False)
    given = None if options is None else kind.Options(**options)
    made, other = (engine(kind, network, np.array([-30.0]), 50, given) for _ in range(2))
    made.advance(40)
    other.restore(made.save())
    for one in (made, other):
        one.write("v", 30.0)
        one.advance(40)
    assert np.array_equal(made.read("counts"), other.read("counts"))


def test_langevin_has_the_mean_of_the_closed_form() -> None:
    network = scheme(binds=False)
    n, sites = 20_000, 40
    made = engine(Langevin, network, np.full(sites, 0.0), n)
    for _ in range(60):
        made.advance(2000)
    share, found = closed_form(0.0, binds=False)["O"], made.read("counts")[:, network.index("O")]
    error = 4.5 * math.sqrt(n * share * (1 - share) / sites)
    assert abs(found.mean() - n * share) < error
    assert abs(found.mean() - n * closed_form(10.0, binds=False)["O"]) > error


@pytest.mark.parametrize("v", [-200.0, -100.0, -20.0, -20.0 + 1e-10, 0.0, 40.0])
def test_functions_of_the_voltage_are_what_they_are_called(v: float) -> None:
    of = [VoltageFactor(kind, -20, 5, -100) for kind in ("exponential", "boltzmann", "linoid")]
    of.append(VoltageFactor("table", low=-80, high=30, v=(-80.0, 0.0, 30.0), y=(1.0, 3.0, 0.0)))
    found = VoltageRates(dict(enumerate(of))).factors(np.array([v, 7.0]))
    assert found[0] == pytest.approx([f(v) for f in of], rel=1e-14)  # in kernels as in Python
    v = max(v, -100.0)  # what is below stays as it is there
    x = (v + 20) / 5
    assert VoltageFactor("exponential", -20, 5)(v) == pytest.approx(math.exp(x), rel=1e-14)
    assert VoltageFactor("boltzmann", -20, 5)(v) == pytest.approx(1 / (1 + math.exp(-x)), rel=1e-14)
    linoid = 1 + x / 2 if abs(x) < 1e-6 else x / (1 - math.exp(-x))
    assert VoltageFactor("linoid", -20, 5)(v) == pytest.approx(linoid, rel=1e-9)
    table = VoltageFactor("table", low=-80, high=30, v=(-80.0, 0.0, 30.0), y=(1.0, 3.0, 0.0))
    assert table(v) == pytest.approx(np.interp(v, (-80, 0, 30), (1, 3, 0)))


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"kind": "exponential"}, ["scale"]),
        ({"kind": "exponential", "scale": "0 mV"}, ["scale"]),
        ({"kind": "exponential", "scale": "0.1 mV"}, ["finite", "-150", "100", "between"]),
        ({"kind": "table", "v": "-80 0 mV", "values": [1.0]}, ["2 voltages", "1 values"]),
        ({"kind": "table", "v": "0 -80 mV", "values": [1.0, 2.0]}, ["before"]),
        ({"kind": "boltzmann", "scale": "5 mV", "values": [1.0]}, ["table"]),
        ({"kind": "boltzmann", "scale": "5 mV", "between": "10 .. -10 mV"}, ["between"]),
    ],
)
def test_what_is_no_rate_somewhere_is_refused(block: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        VoltageBlock.model_validate(block)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_engines_that_cannot_refuse_by_name() -> None:
    network = scheme(binds=True)
    second = Chemistry.model_validate(
        {
            "species": {"A": {}, "B": {}, "C": {}},
            "reactions": [
                {
                    "equation": "A + B -> C", "forward": "1 /uM/s",
                    "forward_voltage": {"kind": "boltzmann", "scale": "5 mV"},
                }
            ],
        }
    ).network()  # fmt: skip
    for name in registry.names("couple.engines"):
        factory = registry.load("couple.engines", name)
        for made, able in ((network, factory.voltage_order is not None), (second, factory.voltage_order == 2)):
            if not able:
                with pytest.raises(InputError, match=r"depends on the voltage.*ode"):
                    factory.check_laws(made, name)
            else:
                factory.check_laws(made, name)
