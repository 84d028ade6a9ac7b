"""Networks as BioNetGen `.net`: read back the same; what people have is read, the rest is refused by line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from adapters.chemistry_files.bionetgen.net_file import read_net
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.laws.expression import value
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts
from support.chemistry_files import NETWORKS, ONE, assert_same, experiment, net


@pytest.mark.parametrize("name", ["dimers", "birth"])
def test_net_round_trip(tmp_path: Path, name: str) -> None:
    network, counts, geometry = NETWORKS[name]
    units = {"amount": "count", "volume": f"{geometry.volume} um^3", "time": "s"}
    found = experiment(tmp_path, net(network, counts, geometry, "  1 both 1,2\n  2 A 1"), "net", units=units)
    assert_same(found, network, counts, geometry)
    assert found.chemistry.observables == {"both": network.names}


def test_net_round_trip_of_a_spine(tmp_path: Path) -> None:
    """`.net` knows no membrane: places stand beside it."""
    network, counts, geometry = NETWORKS["spine"]
    units = {"amount": "count", "volume": f"{geometry.volume!r} um^3"}
    on = {s.name: {"on": "membrane"} for s in network.species if s.on == "membrane"}
    text = net(network, counts, geometry)
    mixed = ReactionNetwork([Species(s.name) for s in network.species], network.reactions)
    assert_same(experiment(tmp_path, text, "net", units=units), mixed, counts, geometry)
    found = experiment(tmp_path, text, "net", units=units, species=on)
    assert {s.name for s in found.chemistry.network().species if s.on == "membrane"} == on.keys()


def test_net_in_concentrations(tmp_path: Path) -> None:
    text = "begin parameters\n1 kon 5\nend parameters\nbegin species\n1 A(b) 2\n2 A(b!1).A(b!1) 0\nend species\n"
    text += "begin reactions\n1 1,1 2 0.5*kon\n2 2 1,1 3e-1\nend reactions\n"
    found = experiment(tmp_path, text, "net", units={"amount": "uM", "time": "s"}, species={"A_b": {"D": "3 um^2/s"}})
    network = found.chemistry.network()
    assert network.names == ("A_b", "A_b1_A_b1")
    assert [r.rate for r in network.reactions] == pytest.approx([2.5, 3e-4])  # /uM/s = /mM/ms
    assert pytest.approx(3e-3) == network.species[0].D
    counts, _ = initial_amounts(network, found.chemistry.initial, ONE)
    assert counts[0] == pytest.approx(2e-3 * IONS_PER_MM_UM3, rel=1e-12)


BARE = "begin species\n1 A() 5\nend species\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            BARE + "begin functions\n1 f() 2*B\nend functions\nbegin reactions\n1 1 0 f()\nend reactions\n",
            'line 8: unknown name "B"',
        ),
        (
            BARE + "begin population types\n1 A() 2\nend population types\n",
            'line 5: the block "population types" is not read',
        ),
        (BARE + "begin reactions\n1 1 0 Sat(k,K)\nend reactions\n", r'line 5: unknown name "k" in "k"'),
        (BARE + "begin reactions\n1 1 0 Sat(1)\nend reactions\n", r'line 5: .*"Sat\(1\)" has 1 constants, not 2'),
        (BARE + "begin reactions\n1 1 0 MM(1,2)\nend reactions\n", "line 5: .*MM needs a substrate and an enzyme"),
        (BARE + "begin reactions\n1 1 0 2*time()\nend reactions\n", "line 5: the time in a rate is not read"),
        (BARE + "begin reactions\n1 1 0 Arrhenius(1,2)\nend reactions\n", "line 5: .*Arrhenius.* is not read"),
        (BARE + "begin reactions\n1 1 0 kk\nend reactions\n", 'line 5: unknown name "kk"'),
        (BARE + "begin reactions\n1 1 7 1\nend reactions\n", "line 5: there is no species 7"),
        (BARE + "begin reactions\n1 1,1,1 0 1\nend reactions\n", "order 3"),
        (BARE + "begin groups\n1 twice 2*x\nend groups\n", r'line 5: "2\*x" in the group "twice"'),
        (BARE + "begin reactions\n1 1 0 (k\nend reactions\n", "line 5: .*not arithmetic"),
        (BARE + "begin species\n1 B() 5\nend species\n", "line 5: there are two species 1"),
        (BARE + "begin parameters\n1 k __import__('os')\nend parameters\n", "line 5: "),
        ("nonsense", 'line 1: "nonsense" is outside'),
        ("", "holds no species"),
    ],
)
def test_net_that_is_not_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        experiment(tmp_path, text, "net", units={"amount": "count", "volume": "1 um^3"})
    assert "model.net" in str(error.value)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (None, "does not say its units"),
        ({"amount": "count"}, "give the volume"),
        ({"amount": "pH"}, "unknown unit|not a unit"),
        ({"volume": "1 um^3"}, "give {"),
        ({"amount": "uM", "tim": "s"}, "give {"),
    ],
)
def test_units_of_a_net(tmp_path: Path, units: dict[str, str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, BARE, "net", **({} if units is None else {"units": units}))


COUNTS = {"amount": "count", "volume": "1 um^3"}
FOREIGN = """
begin parameters
\t1\tlambda\t2  # named like a word of Python's
  2 twice later*2
  3 later (lambda)
end parameters
begin molecule types
1 A(b,b)
end molecule types
begin functions
 1 rate() twice/2
end functions
begin species
 2 B() 0
 1 A(b!1).A(b!1) 100
 3 $S() 10
end species
begin reaction rules
 A(b) -> 0 k
end reaction rules
begin reactions
 1 1 2 (lambda/2)
 2 2,1 1,2 lambda  # changes nothing
 3 3,2 3,1 0.5*rate()
end reactions
begin groups
 1 A_total 2*1
 2 both 1,2,3
 3 B 1,2
end groups
"""


def test_what_people_have_is_read(tmp_path: Path) -> None:
    """Numbers of species in any order, tabs, brackets, constant functions, weights, what is held, and blocks that say
    nothing that the network does not.
    """
    chemistry = experiment(tmp_path, FOREIGN, "net", units=COUNTS).chemistry
    network = chemistry.network()
    assert network.names == ("B", "A_b1_A_b1")
    found = {(r.reactants, r.products): r.rate for r in network.reactions}
    # k = 1 /s; what is held has 10 molecules: 10 * 0.5 * 2 /s
    expected = {(("A_b1_A_b1",), ("B",)): 1e-3, (("B",), ("A_b1_A_b1",)): 1e-2}
    assert found == {key: pytest.approx(rate) for key, rate in expected.items()}
    assert network.observables["A_total"] == {"A_b1_A_b1": 2.0}
    assert set(network.observables["both"]) == set(network.observables["B_group"]) == {"A_b1_A_b1", "B"}


COMPARTMENTS = """begin parameters
    1 kb  0.1
    2 ku  0.05
    3 kt  0.2
end parameters
begin compartments
    EC 3 10
    PM 2 1 EC
    CP 3 5 PM
end compartments
begin energy patterns
    L(r!1).R(l!1) G
end energy patterns
begin species
    1 @EC::L(r) 20
    2 @PM::R(l) 10
    3 @CP::X() 5
    4 @PM::L(r!1)@EC.R(l!1) 0
    5 @CP::$Y() 3
end species
begin reactions
    1 1,2 4 0.1*kb #_R1 unit_conversion=1/Ve
    2 3,3 3 0.2*kt #_R2 unit_conversion=1/Vc
    3 4 1,2 ku #_reverse__R1
    4 0 3 kt
    5 3,5 5 kt
end reactions
begin groups
    1 Lf 1
end groups
"""


@pytest.mark.parametrize("volume", ["15 um^3", {"EC": "10 um^3", "CP": "5 um^3", "PM": "30 um^2"}])
def test_rates_of_compartments_are_those_of_the_network(tmp_path: Path, volume: object) -> None:
    """Per molecule they stand in the file; sizes, where they are given, say what is a concentration."""
    units = {"amount": "count", "volume": volume, "time": "s"}
    found = experiment(tmp_path, COMPARTMENTS, "net", units=units)
    network = found.chemistry.network()
    assert network.names == ("EC_L_r", "PM_R_l", "CP_X", "PM_L_r1_EC_R_l1")
    rates = network.count_rates(15.0, 30.0) * 1e3
    assert rates.tolist() == pytest.approx([0.01, 0.04, 0.05, 0.2, 0.2 * 3], rel=1e-12)
    counts, _ = initial_amounts(network, found.chemistry.initial, Geometry("box", (1, 1, 1), 15.0, 30.0))
    assert counts == pytest.approx((20, 10, 5, 0), rel=1e-12)
    shares = {"EC_L_r": 2 / 3, "CP_X": 1 / 3} if isinstance(volume, dict) else {}
    assert network.shares == pytest.approx(shares, rel=1e-12)


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"EC": "10 um^3", "PM": "30 um^2"}, 'line 17: species "@CP::X.." is in the compartment CP, of which'),
        ({"EC": "10 s"}, "chemistry.units.volume.EC: .*not a unit of volume"),
        ({"EC": "-1 um^3"}, "chemistry.units.volume.EC: .*above 0"),
        ({"EC": "10 um^2"}, "chemistry.units.volume: one of the compartments must be a volume"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path: Path, volume: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, COMPARTMENTS, "net", units={"amount": "count", "volume": volume})


def test_comments_in_another_encoding(tmp_path: Path) -> None:
    text = "# rates in \xb5M\n" + BARE + "begin reactions\n1 1 0 2\nend reactions\n"
    (tmp_path / "other.net").write_bytes(text.encode("latin-1"))
    assert len(read_net(tmp_path / "other.net", COUNTS)["reactions"]) == 1
    (tmp_path / "other.net").write_bytes(text.replace("A()", "\xc5()").encode("latin-1"))
    with pytest.raises(InputError, match=r"is not text in UTF-8 \(byte 11\)"):
        read_net(tmp_path / "other.net", COUNTS)


@pytest.mark.parametrize(("said", "units"), [("Number", {"amount": "uM"}), ("Concentration", COUNTS)])
def test_what_the_file_says_of_its_amounts(tmp_path: Path, said: str, units: dict[str, str]) -> None:
    text = f'substanceUnits("{said}")\n{BARE}'
    with pytest.raises(InputError, match=f'line 1: the file says that amounts are in "{said}"'):
        experiment(tmp_path, text, "net", units=units)
    other = COUNTS if said == "Number" else {"amount": "uM", "time": "s"}
    assert experiment(tmp_path, text, "net", units=other).chemistry.network().names == ("A",)


def test_three_different_reactants_are_a_rate_law(tmp_path: Path) -> None:
    """Of two of a kind whole molecules count pairs in order, which no law says: refused as before."""
    three = "begin species\n1 A() 5\n2 B() 4\n3 C() 3\nend species\nbegin reactions\n1 1,2,3 1 0.5\nend reactions\n"
    (reaction,) = experiment(tmp_path, three, "net", units=COUNTS).chemistry.network().reactions
    assert reaction.law is not None and set(reaction.law.names) == {"A", "B", "C"}
    one = 1 / IONS_PER_MM_UM3  # mM of one molecule
    assert value(reaction.law.tree, {"A": 5 * one, "B": 4 * one, "C": 3 * one}) == pytest.approx(0.5e-3 * 60 * one)
    with pytest.raises(InputError, match="order 3"):
        experiment(tmp_path, three.replace("1,2,3", "1,1,3"), "net", units=COUNTS)


def test_functions_of_bionetgen(tmp_path: Path) -> None:
    """sinh, asin and the like, also of what changes."""
    text = BARE.replace("5", "sinh(1)*cosh(1) + asinh(1) + acosh(2) + atanh(0.5) + asin(0.3) + acos(0.3) + atan(0.7)")
    text += "begin groups\n1 G 1\nend groups\nbegin functions\n1 f() atan(G)\nend functions\n"
    made = experiment(tmp_path, text + "begin reactions\n1 1 0 f()\nend reactions\n", "net", units=COUNTS).chemistry
    counts, _ = initial_amounts(made.network(), made.initial, ONE)
    wanted = (
        math.sinh(1) * math.cosh(1) + math.asinh(1) + math.acosh(2) + math.atanh(0.5) + math.pi / 2 + math.atan(0.7)
    )
    assert counts[0] == pytest.approx(wanted, rel=1e-12)
    assert made.network().reactions[0].law is not None
