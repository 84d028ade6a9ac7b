"""HOC files and templates as models: names, globals, repetition in one process, and a line for each mistake."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from support.neuron_models import PASSIVE, spec
from support.paths import TESTS
from support.warm import python

TEMPLATE = """
// A template, in a file that another one loads.
begintemplate {name}
public soma, dend
create soma, dend[3]
objref synapse
proc init() {{ local i
    create soma, dend[3]
    soma {{ L = 10  diam = 10  insert hh }}
    for i = 0, 2 connect dend[i](0), soma(1)
    for i = 0, 2 dend[i] {{ L = 50  diam = $1  insert pas }}
    dend[0] synapse = new ExpSyn(0.5)
}}
endtemplate {name}
"""

MAIN = """
load_file("nrngui.hoc")
{{ load_file("{file}") }}
celsius = 31
v_init = -71
dt = 0.1
tstop = 300
create axon
axon {{ L = 50  diam = 1  insert pas }}
access axon
proc init() {{ finitialize(-60) }}
objref cell, clamp, sources[2]
cell = new {name}(2)
cell.soma connect axon(0), 1
cell.soma clamp = new IClamp(0.5)
clamp.del = 1
clamp.dur = 2
clamp.amp = 0.8
sources[1] = new NetStim()
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "cell.hoc") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


def hoc(path: Path, function: str = "", **changes: Any) -> Any:
    return load_model(spec(path, function=function, **changes))


def test_a_template_is_instantiated_with_arguments(write: Write) -> None:
    path = write(TEMPLATE.format(name="HocA"))
    model = hoc(path, "HocA", arguments=[3.0])
    assert [s.name.split(".")[-1] for s in model.sections()] == ["soma", "dend[0]", "dend[1]", "dend[2]"]
    for name in ("dend[2](0.5)", "HocA[0].dend[2](0.5)"):
        assert model.resolve(name) == "HocA[0].dend[2](0.5)"
        assert model.geometry(name).size == pytest.approx((3, 50))
    with pytest.raises(InputError, match=r'no section "dend\[3\]"; did you mean'):
        model.resolve("dend[3](0.5)")
    with pytest.raises(InputError, match=r'"dend" is the name of several sections: HocA\[0\]\.dend\[0\]'):
        model.resolve("dend(0.5)")


def test_a_whole_file_and_the_files_it_loads_and_again(write: Write) -> None:
    """A second build in one process gives the same model, although NEURON takes a template, and a file, once."""
    write(TEMPLATE.format(name="HocB"), "hoc_b_template.hoc")
    path = write(MAIN.format(name="HocB", file="hoc_b_template.hoc"), "hoc_b.hoc")
    runs = []
    for _ in range(3):
        model = hoc(path, celsius=None, v_init=None)
        assert [s.name for s in model.sections()] == [
            "axon",
            *(f"HocB[0].{n}" for n in ("soma", "dend[0]", "dend[1]", "dend[2]")),
        ]
        assert len(h.List("NetStim")) == len(h.List("IClamp")) == 1, "something of the run before is left"
        lines = "\n".join(model.describe())
        assert (
            "celsius 31 (the model's), v_init -71 mV (the model's), dt 0.025 ms (the experiment's; the model has 0.1)"
            in lines
        )
        assert "starts by init() of the model" in lines and "not used: tstop = 300 ms (" in lines
        cell = model.attach(Attachments((), (), ("soma(0.5)",)))
        rows = []
        for _ in range(40):
            cell.advance(4)
            rows.append(cell.read("v")[0])
        runs.append(rows)
    assert max(runs[0]) > -50 and runs[0] == runs[1] == runs[2]


def test_a_relative_path_and_a_folder_below(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    write(TEMPLATE.format(name="HocI"), "below/hoc_i_template.hoc")
    write(MAIN.format(name="HocI", file="below/hoc_i_template.hoc"), "hoc_i.hoc")
    monkeypatch.chdir(tmp_path.parent)
    for _ in range(2):
        assert len(hoc(Path(tmp_path.name) / "hoc_i.hoc").sections()) == 5
    assert Path.cwd() == tmp_path.parent


def test_files_of_the_model_are_known(write: Write, tmp_path: Path) -> None:
    sub = write(TEMPLATE.format(name="HocC"), "hoc_c_template.hoc")
    path = write(MAIN.format(name="HocC", file="hoc_c_template.hoc"), "hoc_c.hoc")
    cell = hoc(path).attach(Attachments((), (), ("soma(0.5)",)))
    assert {Path(f) for f in cell.model_files} == {path.resolve(), sub.resolve()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("create a\na { insert nothere }", r'nothere is not a MECHANISM \(cell\.hoc:2\).*mechanisms = "FOLDER"'),
        ("create a\na { L = = 3\n}", r"syntax error \(cell\.hoc:2\)"),
        ("create a\nproc f() {", r"syntax error"),
        ('create a\nload_file("lost.hoc")\n', r"Couldn't find: lost\.hoc \(cell\.hoc:2\)"),
        ('create a\nxopen("lost.hoc")\n', r"Can't open  ?lost\.hoc \(cell\.hoc:2\)"),
        ("create a\nx = unheard_of + 1", r"undefined variable unheard_of \(cell\.hoc:2\)"),
        ("create a\nobjref c\nc = new NoClass()", r"cell\.hoc:3"),
        ("x = 1", "left no section behind"),
        ("begintemplate HocD\nproc init() {}\nendtemplate HocD", r'write model = "cell\.hoc:HocD"'),
        ("create a\nobjref cv\ncv = new CVode()\n{ cv.active(1) }", "switches on CVODE"),
    ],
)
def test_faulty_file(write: Write, text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=message) as caught:
        hoc(write(text))
    assert caught.value.where == "neuron.model" and "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", ""), "NEURON has spoken beside the error"
    load_model(spec(write(PASSIVE, "cell.py")))  # nothing of it disturbs the next one


def test_wrong_template_or_arguments(write: Write) -> None:
    path = write(TEMPLATE.format(name="HocE"))
    with pytest.raises(InputError, match=r'no template "HocF"; did you mean "HocE"'):
        hoc(path, "HocF")
    with pytest.raises(InputError, match=r"new HocE\(\) failed: .*not enough arguments"):
        hoc(path, "HocE")
    with pytest.raises(InputError, match="in order") as caught:
        hoc(path, "HocE", arguments={"diam": 2})
    assert caught.value.where == "neuron.arguments"
    with pytest.raises(InputError, match="numbers and text"):
        hoc(path, "HocE", arguments=[True])
    write(TEMPLATE.format(name="HocE").replace("L = 50", "L = 60"))
    with pytest.raises(InputError, match=r'template "HocE" was defined otherwise .* new process'):
        hoc(path, "HocE", arguments=[1])


def test_a_repetition_that_lacks_sections_is_refused(write: Write, tmp_path: Path) -> None:
    write("create extra\n", "hoc_g_extra.hoc")
    path = write('strdef s\ns = "hoc_g_extra.hoc"\n{ load_file(s) }\ncreate soma_g\n', "hoc_g.hoc")
    assert len(hoc(path).sections()) == 2
    with pytest.raises(InputError, match=r"1 sections where it had 2 .* new process"):
        hoc(path)


def test_path_distance_and_regions(write: Write) -> None:
    model = hoc(write(TEMPLATE.format(name="HocH")), "HocH", arguments=[1])
    by_name = {s.name.split(".")[-1]: s for s in model.sections()}
    assert by_name["soma"].distance == 0 and by_name["soma"].parent is None and by_name["soma"].region == "soma"
    assert by_name["dend[1]"].distance == pytest.approx(5) and by_name["dend[1]"].region == "basal"
    assert by_name["dend[1]"].parent == "HocH[0].soma"
    assert model.points("soma").shape == (0, 4) and math.isfinite(np.sum(model.points("dend[0]")))


BROKEN = """
import sys
from pathlib import Path
from support.neuron_models import spec
from adapters.neuron import load_model
from couple.base.errors import InputError

for _ in range(2):
    try:
        load_model(spec(Path(sys.argv[1]), function=""))
    except InputError as error:
        print(error)
"""


def test_an_error_inside_a_template_is_told_even_afterwards(write: Write) -> None:
    """NEURON cannot delete the sections of a template that it has not finished reading: in a process of its own."""
    path = write(TEMPLATE.format(name="HocJ").replace("insert pas", "insert = pas"))
    done = subprocess.run(
        python("-c", BROKEN, path),
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "neuron.model: cell.hoc failed: syntax error (cell.hoc:11)",
        "neuron.model: an error inside a HOC template has left NEURON with sections that cannot be deleted: "
        "start a new process",
    ]
    assert done.stderr == ""
