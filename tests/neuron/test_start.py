"""How a model starts: by its own init(), by another procedure, by finitialize alone; what a procedure may not leave."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.alone.run import run_bare
from adapters.neuron.hoc.h import cvode, h
from adapters.neuron.mechanisms import nmodl
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from support.neuron_models import spec
from support.paths import SUPPORT, TESTS

MOD = SUPPORT / "published" / "mod"

CELL = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh }
v_init = -65
proc init() { finitialize(v_init)  soma.ek = -90 }
proc begin() { finitialize(v_init)  soma.ek = -95 }
proc late() { finitialize(v_init)  t = 3 }
proc variable() { cvode_active(1)  finitialize(v_init) }
proc settle() {
  finitialize(v_init)
  cvode_active(1)
  t = -50
  while (t < -1) { fadvance() }
  cvode_active(0)
  dt = 0.025
  t = 0
  fcurrent()
}
"""


def started(folder: Path, calcium: tuple[str, ...] = (), **more: Any) -> Any:
    """The model, attached, its component summing calcium; and that."""
    (folder / "cell.hoc").write_text(CELL)
    model = load_model(spec(folder / "cell.hoc", function="", **more))
    return model, model.attach(Attachments(calcium, (), ("soma(0.5)",), cai=(1e-4,) * len(calcium)))


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


PYTHON = """
from neuron import h
def build():
    h.load_file("stdrun.hoc")
    soma = h.Section(name="soma")
    {more}
    return soma
"""
DEFINED = "proc init() { finitialize(-70) }\nproc advance() { fadvance() }\n"


@pytest.mark.parametrize("more", [f"h('''{DEFINED}''')", "h.load_file('own.hoc')"])
def test_what_python_gives_to_hoc_counts(tmp_path: Path, more: str) -> None:
    """Its own init() starts a model; its own advance() is not called, which is said."""
    (tmp_path / "own.hoc").write_text(DEFINED)
    (tmp_path / "cell.py").write_text(PYTHON.format(more=more))
    model = load_model(spec(tmp_path / "cell.py"))
    assert model.attach(Attachments((), (), ("soma(0.5)",))).read("v").tolist() == [-70.0]
    assert [notice.split(":")[0] for notice in model.notices] == ["neuron.init", "neuron.model"]
    (tmp_path / "plain.py").write_text(PYTHON.format(more="'proc initial()'"))
    assert load_model(spec(tmp_path / "plain.py")).notices == ()


def test_cvode_is_switched_off_where_the_experiment_says_so(tmp_path: Path) -> None:
    _, cell = started(tmp_path, ("soma(0.5)",), init="variable", cvode_off=True)
    assert not cvode.active()
    cell.advance(4)
    assert h.t == pytest.approx(0.1)


def test_a_procedure_may_use_cvode_for_a_while(tmp_path: Path) -> None:
    """To settle before t = 0, where sites take up calcium as well."""
    _, cell = started(tmp_path, init="settle")
    alone = [float(cell.read("v")[0])]
    assert alone[0] != -65
    _, cell = started(tmp_path, ("soma(0.5)",), init="settle")
    coupled = [float(cell.read("v")[0])]
    cell.advance(4)
    assert coupled == alone and cell.read("charge").tolist() == [0.0]  # no channel carries any


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


# -- from a file ------------------------------------------------------------------------------------------------------

FROM_FILE = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh }
objref state, file
proc prepare() {
  finitialize(-65)
  while (t < 2) { fadvance() }
  state = new SaveState()
  state.save()
  file = new File()
  file.wopen("start.dat")
  state.fwrite(file)
  file.close()
}
proc begin() {
  finitialize(-65)
  state = new SaveState()
  file = new File()
  file.ropen("start.dat")
  state.fread(file)
  file.close()
  state.restore(1)
  t = 0
  fcurrent()
}
soma.v = -50
prepare()
"""


def test_a_procedure_finds_its_files_in_the_folder_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "cell.hoc"
    file.write_text(FROM_FILE)
    for _ in range(2):  # NEURON remembers what it has read
        cell = load_model(spec(file, function="", init="begin")).attach(Attachments((), (), ("soma(0.5)",)))
        assert (tmp_path / "model" / "start.dat").is_file() and -65 < cell.read("v")[0] < -64


LOADING = """
import sys
from pathlib import Path
from adapters.neuron import channel_path, load_model
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from support.neuron_models import spec

file, mod = map(Path, sys.argv[1:3])
if len(sys.argv) > 3:
    channel_path()
try:
    model = load_model(spec(file, function="", init="begin", mechanisms=(mod,)))
    model.attach(Attachments((), (), ("soma(0.5)",)))
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(nmodl.nrnivmodl() is None, reason="MOD files need a compiler")
def test_mechanisms_have_the_numbers_that_a_file_was_written_with(tmp_path: Path) -> None:
    """Those of NEURON alone; a process in which they have others says so."""
    file = tmp_path / "cell.hoc"
    file.write_text(FROM_FILE.replace("insert hh }", "insert hh  insert hva }"))
    bare = {
        "folder": str(tmp_path), "model": "cell.hoc", "function": "", "arguments": [], "before": [], "after": [],
        "library": str(nmodl.library(sorted(MOD.glob("*.mod")), "model")), "uninsert": [], "set": {}, "currents": [],
        "dt": 0.025, "celsius": None, "v_init": None, "cvode_off": False, "secondorder": None, "start": "begin()",
        "steps": 1, "segments": [[0, 0.5]], "out": "alone.npy",
    }  # fmt: skip
    run_bare([bare])  # writes the file
    file.write_text(file.read_text().replace("prepare()\n", "\n").replace("proc \n", "proc prepare()\n"))
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    said = {}
    for more in ([], ["first"]):
        command = [sys.executable, "-c", LOADING, str(file), str(MOD), *more]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said[len(more)] = (done.returncode, done.stderr)
    assert said[0][0] == 0, said[0][1]
    assert said[1][0] == 1 and "run this experiment in a process of its own" in said[1][1]
