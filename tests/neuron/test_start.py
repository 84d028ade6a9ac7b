"""How a model starts: by its own init(), by another procedure, by finitialize alone; what a procedure may not leave."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import cvode, h
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from support.neuron_models import spec

CELL = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh }
v_init = -65
proc init() { finitialize(v_init)  soma.ek = -90 }
proc begin() { finitialize(v_init)  soma.ek = -95 }
proc late() { finitialize(v_init)  t = 3 }
proc variable() { cvode_active(1)  finitialize(v_init) }
"""


def started(folder: Path, **more: Any) -> Any:
    """The model, attached; and its component."""
    (folder / "cell.hoc").write_text(CELL)
    model = load_model(spec(folder / "cell.hoc", function="", **more))
    return model, model.attach(Attachments((), (), ("soma(0.5)",)))


@pytest.mark.parametrize(("init", "ek"), [("", -90), ("none", -77), ("begin", -95)])
def test_a_model_starts_as_its_author_or_the_experiment_says(tmp_path: Path, init: str, ek: float) -> None:
    model, cell = started(tmp_path, init=init, v_init=-71.0)
    assert next(iter(h.allsec())).ek == ek
    assert cell.read("v")[0] == -71
    assert bool(model.notices) == (init == "")
    assert ("starts by" in "\n".join(model.describe())) == (init != "none")
    cell.advance(4)
    cell.restart(cell.save(), 3)  # as an ensemble does
    assert next(iter(h.allsec())).ek == ek and cell.read("v")[0] == -71


@pytest.mark.parametrize(
    ("init", "key", "says"),
    [
        ("lost", "neuron.init", 'HOC has no procedure "lost"'),
        ("v_init", "neuron.init", 'HOC has no procedure "v_init"'),
        ("late", "neuron.init", r"late\(\) of the model leaves t = 3 ms"),
        ("variable", "neuron.model", r'variable\(\) switches on CVODE.*neuron.cvode = "off"'),
    ],
)
def test_what_a_procedure_may_not_leave(tmp_path: Path, init: str, key: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        started(tmp_path, init=init)
    assert caught.value.where == key


def test_cvode_is_switched_off_where_the_experiment_says_so(tmp_path: Path) -> None:
    _, cell = started(tmp_path, init="variable", cvode_off=True)
    assert not cvode.active()
    cell.advance(4)
    assert h.t == pytest.approx(0.1)


# -- order of the steps -----------------------------------------------------------------------------------------------


def relaxed(folder: Path, dt: float, *, second: bool | None) -> float:
    """mV of a passive compartment that decays from 0 to -70 mV with 20 ms, after 10 ms."""
    (folder / "cell.hoc").write_text("create soma\nsoma { L = 20  diam = 20  insert pas  g_pas = 5e-5  e_pas = -70 }")
    made = spec(folder / "cell.hoc", function="", dt=dt, v_init=0.0, second_order=second)
    cell = load_model(made).attach(Attachments((), (), ("soma(0.5)",)))
    cell.advance(round(10 / dt))
    return float(cell.read("v")[0])


@pytest.mark.parametrize(("second", "order"), [(True, 2.0), (False, 1.0), (None, 1.0)])
def test_steps_are_of_the_order_that_is_asked_for(tmp_path: Path, second: bool | None, order: float) -> None:
    exact = -70 * (1 - math.exp(-0.5))
    steps = [1.0, 0.5, 0.25, 0.125]
    errors = [abs(relaxed(tmp_path, dt, second=second) - exact) for dt in steps]
    assert np.polyfit(np.log(steps), np.log(errors), 1)[0] == pytest.approx(order, abs=0.05)


def test_a_voltage_clamp_forbids_second_order(tmp_path: Path) -> None:
    (tmp_path / "cell.hoc").write_text(CELL + "objref clamp\nsoma clamp = new SEClamp(0.5)\n")
    model = load_model(spec(tmp_path / "cell.hoc", function="", init="none", second_order=True))
    with pytest.raises(InputError, match=r"voltage clamp \(SEClamp\[0\]\)") as caught:
        model.attach(Attachments((), (), ("soma(0.5)",)))
    assert caught.value.where == "neuron.second_order"


def test_a_procedure_that_sets_the_order_is_told(tmp_path: Path) -> None:
    (tmp_path / "cell.hoc").write_text(CELL.replace("proc init() {", "proc init() { secondorder = 0 "))
    model = load_model(spec(tmp_path / "cell.hoc", function="", second_order=True))
    with pytest.raises(InputError, match=r"init\(\) of the model sets secondorder = 0"):
        model.attach(Attachments((), (), ("soma(0.5)",)))
