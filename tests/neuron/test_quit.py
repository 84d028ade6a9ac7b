"""quit() anywhere in a model is one line, and the process goes on.

Each in a fork: an error that NEURON throws out of a run, and panels without a screen, are nothing for models of other
tests to come after.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import cvode, h, pc
from adapters.neuron.hoc.quit import is_forbidden
from adapters.neuron.models.loader import release_current
from couple.base.errors import RunError
from couple.components.attachments import Attachments
from support.in_fork import in_fork
from support.neuron_models import PASSIVE, spec

CELL = 'load_file("stdrun.hoc")\ncreate soma\nsoma { L = 20  diam = 20  insert hh }\n'

TEMPLATE = """
begintemplate Quitter
public leave
proc init() { leave() }
proc leave() {
  if (1) { quit() }
}
endtemplate Quitter
objref q
q = new Quitter()
"""

PYTHON = "from neuron import h\ndef build():\n    soma = h.Section(name='head')\n    {quit}\n    return soma\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("quit()\n", "cell.hoc:4"),
        ("// quit()\nproc figure() {\n  run()\n  quit()\n}\nfigure()\n", "cell.hoc:7"),
        ('execute("quit()")\n', "cell.hoc:4"),
        (TEMPLATE, "cell.hoc:9"),
    ],
)
@in_fork
def test_in_hoc(tmp_path: Path, text: str, place: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cell.hoc").write_text(CELL + text)
    refused(tmp_path / "cell.hoc", "", f"quit() in {place} would end the process", capfd)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("h.quit()", "quit() in cell.py:4"),
        ("h('quit()')", "quit()"),
        ("h.execute('quit()')", "quit() in cell.py:4"),
        ("import sys; sys.exit(0)", "sys.exit() in cell.py:4"),
        ("exit()", "exit() in cell.py:4"),
        ("import os; os._exit(0)", "os._exit() in cell.py:4"),
        ("raise SystemExit", "SystemExit in cell.py:4"),
        ("h.nrnpython('import sys; sys.exit(3)')", "sys.exit() in <string>:1"),
        ("import sys, contextlib\n    with contextlib.suppress(Exception): sys.exit()", "sys.exit() in cell.py:5"),
    ],
)
@in_fork
def test_in_python(tmp_path: Path, call: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cell.py").write_text(PYTHON.format(quit=call))
    refused(tmp_path / "cell.py", "build", f"{says} would end the process", capfd)


CALLBACK = """
from neuron import h
import os, sys
def build():
    soma, cvode = h.Section(name="soma"), h.CVode()
    {callback}
    handler = h.FInitializeHandler(lambda: cvode.event(3, bye))
    return soma, handler
"""


@pytest.mark.parametrize(
    ("callback", "says"),
    [
        ("def bye(): sys.exit(0)", "sys.exit() in cell.py:6 would end the process"),
        ("def bye(): os._exit(0)", "os._exit() in cell.py:6 would end the process"),
        ("def bye(): h.quit()", "quit() in cell.py:6 would end the process"),
        ("def bye(): 1 / 0", "ZeroDivisionError: division by zero (cell.py:6)"),
        ("def bye(): h.nrnpython('exit()')", "exit() in <string>:1 would end the process"),
        ("bye = lambda: None; cvode.extra_scatter_gather(0, lambda: h.t > 3 and quit())", "quit() in cell.py:6 would"),
    ],
)
@in_fork
def test_in_callbacks_of_a_run(tmp_path: Path, callback: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cell.py").write_text(CALLBACK.format(callback=callback))
    cell = load_model(spec(tmp_path / "cell.py")).attach(Attachments((), (), ("soma(0.5)",)))
    cell.advance(100)
    with pytest.raises(RunError) as caught:
        cell.advance(100)
    assert says in str(caught.value)
    assert capfd.readouterr() == ("", "")


def refused(path: Path, function: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One line, and nothing of it disturbs another model."""
    with pytest.raises(RunError) as caught:
        load_model(spec(path, function=function))
    assert str(caught.value).startswith(says) and caught.value.exit_code == 1
    assert capfd.readouterr() == ("", ""), "NEURON has spoken beside the error"
    other = path.parent / "other.py"
    other.write_text(PASSIVE)
    load_model(spec(other))


@in_fork
def test_while_it_runs_or_is_initialised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    later = 'objref fih, cvode\ncvode = new CVode()\nproc bye() { quit() }\nproc begin() { cvode.event(%s, "bye()") }\n'
    for place, text in (("run", later % 3), ("init", "objref fih\nproc begin() { quit() }\n")):
        path = tmp_path / f"{place}.hoc"
        path.write_text(CELL + text + 'fih = new FInitializeHandler("begin()")\n')
        model = load_model(spec(path, function=""))
        with pytest.raises(RunError, match=r"quit\(\).* would end the process"):
            model.attach(Attachments((), (), ("soma(0.5)",))).advance(400)
    assert capfd.readouterr() == ("", "")


@in_fork
def test_no_alarm_is_left_behind(tmp_path: Path) -> None:
    """NEURON's watchdog would end the process, wherever it is 40 s later."""
    text = 'objref fih, cvode\ncvode = new CVode()\nproc bye() { quit() }\nproc begin() { cvode.event(3, "bye()") }\n'
    for k, own in enumerate(("", "objref pc\npc = new ParallelContext()\npc.timeout(7)\n")):
        path = tmp_path / f"cell{k}.hoc"
        path.write_text(CELL + own + text + 'fih = new FInitializeHandler("begin()")\n')
        cell = load_model(spec(path, function="")).attach(Attachments((), (), ("soma(0.5)",)))
        with pytest.raises(RunError):
            cell.advance(400)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    pc.timeout(20)  # the control: as NEURON has it by itself
    cvode.event(cell.steps * 0.025 + 1, 'execerror("no", "way")')
    with pytest.raises(RunError):
        cell.advance(400)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    pc.timeout(0)


@in_fork
def test_it_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(PASSIVE)
    model = load_model(spec(tmp_path / "other.py"))
    assert is_forbidden()
    with pytest.raises(SystemExit):  # that of couple itself
        sys.exit()
    with pytest.raises(RuntimeError, match="quit not enough arguments"):
        h.quit()
    release_current()
    assert not is_forbidden()
    with pytest.raises(SystemExit):
        sys.exit()
    del model


@in_fork
def test_menus_and_buttons_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "mosinit.hoc").write_text(
        CELL.replace("stdrun", "nrngui")
        + """
objref g, box, shape
xpanel("Run")
xbutton("Run", "run()")
xmenu("More")
xcheckbox("x", &v_init, "")
xmenu()
xvalue("dt", "dt", 1, "", 0, 1)
xslider(&v_init, -80, 0)
xpanel(0, 0)
g = new Graph()
g.size(0, 5, -80, 40)
g.addvar("soma.v(0.5)", 1, 1)
graphList[0].append(g)
box = new VBox()
box.intercept(1)
xpanel("in")
xpanel()
box.intercept(0)
box.map()
shape = new PlotShape()
shape.exec_menu("Shape Plot")
nrncontrolmenu()
nrnmainmenu()
run()
"""
    )
    assert load_model(spec(tmp_path / "mosinit.hoc", function="")).segments() == ["soma(0.5)"]
