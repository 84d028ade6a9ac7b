"""Networks as SBML: read back the same; what is not mass action is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring.sites.initial_amounts import initial_amounts
from support.chemistry_files import NETWORKS, ONE, assert_same, edited, experiment, sbml, with_law


@pytest.mark.parametrize("amounts", [True, False], ids=["amounts", "concentrations"])
@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_sbml_round_trip(tmp_path: Path, name: str, level: int, amounts: bool) -> None:
    network, counts, geometry = NETWORKS[name]
    text = sbml(network, counts, geometry, level, amounts=amounts)
    assert_same(experiment(tmp_path, text, "xml"), network, counts, geometry)


def test_reversible_laws_sums_and_catalysts(tmp_path: Path) -> None:
    def rates(text: str) -> dict[str, float]:
        return {str(r): r.rate for r in experiment(tmp_path, text, "xml").chemistry.network().reactions}

    assert rates(with_law("volume * (k * A - 3 * B)", True)) == pytest.approx({"A -> B": 2e-3, "B -> A": 3e-3})
    assert rates(with_law("volume * (A * k / 2 + A^1 * 3)")) == pytest.approx({"A -> B": 4e-3})

    def enzyme(model: Any) -> None:
        model.getReaction(0).createModifier().setSpecies("B")
        model.getReaction(0).getKineticLaw().setMath(libsbml.parseL3Formula("volume * k * A * B"))

    found = rates(edited(enzyme))
    assert list(found) == ["A + B -> B + B"]
    assert found["A + B -> B + B"] == pytest.approx(2.0)  # µM (zmol/µm³) and s: 2 /uM/s = 2 /mM/ms


def test_sbml_keeps_what_stands_beside(tmp_path: Path) -> None:
    text = edited(lambda model: None)
    found = experiment(tmp_path, text, "xml", species={"A": {"D": "5 um^2/s"}}, initial={"B": {"count": 9}})
    assert pytest.approx(5e-3) == found.chemistry.network().species[0].D
    counts, _ = initial_amounts(found.chemistry.network(), found.chemistry.initial, ONE)
    assert counts == pytest.approx((5, 9), rel=1e-12)


def no_units(model: Any) -> None:
    for name in ("Substance", "Time", "Volume", "Extent", "Area"):
        getattr(model, f"unset{name}Units")()


def test_sbml_without_units(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not say its unit of .*chemistry\.units"):
        experiment(tmp_path, edited(no_units), "xml")
    text = edited(lambda m: (no_units(m), m.removeCompartment("membrane")))
    found = experiment(tmp_path, text, "xml", units={"amount": "uM", "time": "s"})
    assert found.chemistry.network().reactions[0].rate == pytest.approx(2e-3)


def add_rule(model: Any) -> None:
    rule = model.createRateRule()
    rule.setVariable("A")
    rule.setMath(libsbml.parseL3Formula("1"))


def add_event(model: Any) -> None:
    event = model.createEvent()
    event.setId("spike")
    event.setUseValuesFromTriggerTime(True)
    trigger = event.createTrigger()
    trigger.setMath(libsbml.parseL3Formula("time > 1"))
    trigger.setInitialValue(True)
    trigger.setPersistent(True)


def in_a_line(model: Any) -> None:
    """B in a compartment of one dimension."""
    c = model.createCompartment()
    c.setId("er")
    c.setSpatialDimensions(1)
    c.setSize(1)
    c.setConstant(True)
    model.getSpecies("B").setCompartment("er")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lambda: edited(add_rule), 'rate rule "A": not read'),
        (lambda: edited(add_event), 'event "spike": not read'),
        (lambda: edited(in_a_line), 'compartment "er" is not a constant volume or area'),
        (lambda: edited(lambda m: m.getReaction(0).getReactant(0).setStoichiometry(1.5)), "not a whole number"),
        (lambda: with_law("k * A * massi(B, k)"), 'reaction "r0": "massi" is not read'),
        (lambda: "<sbml>", "not valid SBML"),
    ],
)
def test_sbml_that_is_not_read(tmp_path: Path, text: Callable[[], str], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        experiment(tmp_path, text(), "xml")
    assert "model.xml" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "1 ms"},
        "chemistry": {"file": "no.xml"},
        "site": [],
    }
    with pytest.raises(InputError, match=r"no\.xml.: no such file"):
        Experiment.parse(source, path=tmp_path / "x.toml")


def test_a_read_experiment_runs_again_from_its_own_record(tmp_path: Path) -> None:
    """What results and checkpoints keep no longer needs the file."""
    network, counts, geometry = NETWORKS["dimers"]
    found = experiment(tmp_path, sbml(network, counts, geometry, 3, amounts=True), "xml")
    again = Experiment.parse(found.source)
    np.testing.assert_array_equal(
        again.chemistry.network().count_rates(1.0, 6.0), found.chemistry.network().count_rates(1.0, 6.0)
    )
