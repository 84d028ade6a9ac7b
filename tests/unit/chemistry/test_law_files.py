"""Rate laws in SBML and `.net` files, integrated by `ode` as another integrator does."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.chemistry_files import with_law

Field = Callable[[np.ndarray], Sequence[float]]
VOLUME = 0.125
"""µm³ of the site: another one than that of the file."""


def run(
    folder: Path, text: str, suffix: str, engine: str = "ode", **chemistry: object
) -> tuple[Experiment, np.ndarray]:
    """The experiment and the counts after 0.5 s in a site of VOLUME."""
    (folder / f"m.{suffix}").write_text(text)
    source: dict[str, Any] = {
        "experiment": {"name": "x", "duration": "0.5 s", "exchange": "125 ms"},
        "chemistry": {"file": f"m.{suffix}", **chemistry},
        "site": [{"name": "s", "engine": engine, "geometry": {"box": {"size": "0.5 0.5 0.5 um"}}}],
    }
    if engine == "ode":
        source["site"][0]["ode"] = {"rtol": 1e-11, "atol": 1e-9}
    plan = Experiment.parse(source, path=folder / "x.toml")
    simulation = Simulation.in_memory(plan)
    simulation.run()
    return plan, np.asarray(simulation.system.engines[0].read("counts")[0])


def integrated(field: Field, start: Sequence[float]) -> np.ndarray:
    """What a field says in the file's own units after 0.5 s."""
    found = solve_ivp(lambda t, y: field(y), (0, 0.5), start, method="Radau", rtol=1e-11, atol=1e-12)
    return np.asarray(found.y[:, -1])


NET = """
begin parameters
 1 kcat 30
 2 Km 5
 3 Vmax 4
 4 n 2.5
end parameters
begin functions
 1 total() S_tot+0.5*P_tot
 2 slowed() kcat/(1+total()/10)
 3 switch() if(P_tot>2,1,0.25)
end functions
begin species
 1 S() 20
 2 P() 1
 3 E() 0.5
 4 $H() 2
end species
begin reactions
 1 {reaction}
end reactions
begin groups
 1 S_tot 1,2*3
 2 P_tot 2,4
end groups
"""
FREE = "0.5*((S-5-E)+math.sqrt((S-5-E)**2+4*5*S))"
NET_LAWS: dict[str, tuple[str, str]] = {
    "Sat": ("1,3 2,3 Sat(kcat,Km) #_R1", "30*S*E/(5+S)"),
    "Sat alone": ("1 2 Sat(Vmax,Km)", "4*S/(5+S)"),
    "Sat of old files": ("1 2 Sat Vmax Km", "4*S/(5+S)"),
    "a multiple": ("1 2 0.5*Sat(Vmax,Km)", "2*S/(5+S)"),
    "MM": ("1,3 2,3 MM(kcat,Km)", f"30*({FREE})*E/(5+({FREE}))"),
    "Hill": ("1 2 Hill(Vmax,Km,n)", "4*S**2.5/(5**2.5+S**2.5)"),
    "Hill of more": ("1,3 2,3 Hill(Vmax,Km,n)", "4*S**2.5/(5**2.5+S**2.5)*E"),
    "function": ("1,3 2,3 slowed()", "30/(1+(S+2*E+0.5*(P+2))/10)*S*E"),
    "function without brackets": ("1 2 slowed", "30/(1+(S+2*E+0.5*(P+2))/10)*S"),
    "choice": ("1 2 switch()", "(1 if P+2>2 else 0.25)*S"),
    "of a held one": ("1,4 2,4 Sat(Vmax,Km)", "4*S*2/(5+S)"),
    "two of a kind": ("1,1 2 slowed()", "30/(1+(S+2*E+0.5*(P+2))/10)*S*S"),
}


@pytest.mark.parametrize("law", NET_LAWS)
@pytest.mark.parametrize("amount", ["uM", "count"])
def test_laws_of_bionetgen(tmp_path: Path, law: str, amount: str) -> None:
    reaction, rate = NET_LAWS[law]
    units = {"amount": "uM", "time": "s"} if amount == "uM" else {"amount": "count", "volume": "0.125 um^3"}
    plan, found = run(tmp_path, NET.format(reaction=reaction), "net", units=units)
    assert len(plan.chemistry.network().laws) == 1
    used = 2 if reaction.startswith("1,1") else 1

    def field(y: np.ndarray) -> list[float]:
        v = eval(rate, {"math": math}, dict(zip("SPE", y, strict=True)))
        return [-used * v, v, 0.0]

    wanted = integrated(field, [20, 1, 0.5]) * (IONS_PER_MM_UM3 * 1e-3 * VOLUME if amount == "uM" else 1.0)
    np.testing.assert_allclose(found[:3], wanted, rtol=1e-8, atol=1e-8)


SBML_LAWS: dict[str, tuple[str, bool, str]] = {
    "saturating": ("k * A / (1 + A)", False, "2*A/(1+A)"),
    "exponential": ("k * A * exp(-B)", False, "2*A*math.exp(-B)"),
    "of another species": ("k * B", False, "2*B"),
    "net of one direction": ("k * A - B", False, "2*A-B"),
    "reversible": ("volume * (k*A/3 - B/7) / (1 + A/3 + B/7)", True, "(2*A/3-B/7)/(1+A/3+B/7)"),
    "part mass action": ("k * A / (1 + A) - 0.1 * B", True, "2*A/(1+A)-0.1*B"),
    "logistic": ("k * A * (1 - A / 9)", False, "2*A*(1-A/9)"),
    "third order": ("0.1 * k * A^2 * B", False, "0.2*A*A*B"),
    "roots": ("k * sqrt(A) + root(3, B)", False, "2*math.sqrt(A)+B**(1/3)"),
    "choices": ("piecewise(k, A > 4, 1, A > 3.5, 0.5)", False, "2 if A>4 else 1 if A>3.5 else 0.5"),
    "truths": ("piecewise(k, (A > 4) && !(B >= 3), 0.5)", False, "2 if A>4 and not B>=3 else 0.5"),
    "the rest": ("floor(A)*0.1 + ceil(B)*0.1 + abs(sin(A)) + log(B+2) + tanh(A)", False,
                 "math.floor(A)*0.1+math.ceil(B)*0.1+abs(math.sin(A))+math.log10(B+2)+math.tanh(A)"),
}  # fmt: skip


@pytest.mark.parametrize("law", SBML_LAWS)
def test_laws_of_sbml(tmp_path: Path, law: str) -> None:
    """In zeptomoles and µm³ of a compartment of 1 µm³; A starts with 5 molecules and B with 2."""
    text, reversible, rate = SBML_LAWS[law]
    plan, found = run(tmp_path, with_law(text, reversible, starts=(5.0, 2.0)), "xml")
    assert plan.chemistry.network().laws

    def field(y: np.ndarray) -> list[float]:
        v = eval(rate, {"math": math}, dict(zip("AB", y, strict=True)))
        return [-v, v]

    wanted = integrated(field, [5, 2]) * 602.214076 * VOLUME
    if min(wanted) < 0:
        pytest.fail("a case must stay above zero")
    np.testing.assert_allclose(found[:2], wanted, rtol=2e-6 if law in ("choices", "truths", "the rest") else 1e-8)


def test_a_reversible_law_has_two_directions(tmp_path: Path) -> None:
    """Whole molecules go forth and back; the net alone would leave them without noise at rest."""
    plan, _ = run(tmp_path, with_law("k * (A - B) / (1 + A + B)", True, starts=(5.0, 5.0)), "xml", engine="ssa")
    network = plan.chemistry.network()
    assert [str(r) for r in network.reactions] == ["A -> B", "B -> A"]
    assert all(r.law is not None and r.law.names == ("A", "B") for r in network.reactions)


@pytest.mark.parametrize(("law", "rate"), [("k*A*(A-1)", 2e-3), ("k*A*(A-1)/2", 1e-3), ("k*(A*A - A)", 2e-3)])
def test_pairs_of_whole_molecules_are_mass_action(tmp_path: Path, law: str, rate: float) -> None:
    """k n (n - 1) in items is the propensity of two of a kind, not a law of its own."""
    (tmp_path / "m.xml").write_text(with_law(law, amounts=True, left=2))
    source = {
        "experiment": {"name": "x", "duration": "1 s", "exchange": "1 s"},
        "chemistry": {"file": "m.xml"},
        "site": [{"name": "s", "engine": "ssa", "geometry": {"box": {"size": "1 1 1 um"}}}],
    }
    network = Experiment.parse(source, path=tmp_path / "x.toml").chemistry.network()
    assert [(str(r), r.law) for r in network.reactions] == [("A + A -> B", None)]
    assert network.count_rates(1.0, 6.0)[0] == pytest.approx(rate, rel=1e-12)


def test_the_rate_of_a_reaction_and_a_stoichiometry_are_names(tmp_path: Path) -> None:
    """Cases 01351 and 01387 of the semantic suite: what J0 makes, J2 takes."""
    for name in ("r0", "made"):

        def change(model: Any, name: str = name) -> None:
            r = model.createReaction()
            r.setId("r1")
            r.setReversible(False)
            r.setFast(False)
            r.createProduct().setSpecies("A")
            r.getProduct(0).setStoichiometry(1)
            r.getProduct(0).setConstant(True)
            model.getReaction(0).getProduct(0).setId("made")
            r.createKineticLaw().setMath(libsbml.parseL3Formula(name))

        plan, found = run(tmp_path, with_law("0.5 + 0 * A", starts=(5.0, 2.0), change=change), "xml")
        wanted = 5.0 + (0.0 if name == "r0" else 0.5 * (1.0 - 0.5))
        np.testing.assert_allclose(found[0], wanted * 602.214076 * VOLUME, rtol=1e-9)
        assert plan


def test_nothing_is_said_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        run(tmp_path, with_law("k * A / (1 + A)", starts=(5.0, 2.0)), "xml")
    assert not caplog.records
