"""Variables of HOC that a state holds: numbers, arrays, texts; of objects where events change them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.variables import HocVariables
from couple.components.attachments import Attachments
from support.neuron_models import spec

CELL = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh }
double many[3]
count = 3
many[1] = 7
strdef word
word = "one"
objref thing
proc count_up() { count += 1 }
"""

TEMPLATE = """
begintemplate Counting
objref fih, this
proc init() { events = 4  fih = new FInitializeHandler("begin()", this) }
proc begin() { local step  step = 1  events = events + step }
endtemplate Counting
objref counting
create axon
axon { L = 20  diam = 20  insert hh }
counting = new Counting()
// soma of the model before is gone, count and many are not this one's
"""


def test_those_of_the_model_are_saved_and_given_back(tmp_path: Path) -> None:
    (tmp_path / "cell.hoc").write_text(CELL)
    cell = load_model(spec(tmp_path / "cell.hoc", function="")).attach(Attachments((), (), ("soma(0.5)",)))
    state = cell.save()
    h('count = 5  many[1] = 8  word = "two"')
    cell.restore(state)
    assert (h.count, h.many[1], str(h.word)) == (3, 7, "one")


def test_of_objects_and_of_a_model_that_follows_another(tmp_path: Path) -> None:
    (tmp_path / "cell.hoc").write_text(CELL)
    load_model(spec(tmp_path / "cell.hoc", function=""))
    (tmp_path / "other.hoc").write_text(TEMPLATE)
    cell = load_model(spec(tmp_path / "other.hoc", function="")).attach(Attachments((), (), ("axon(0.5)",)))
    variables = HocVariables([tmp_path / "other.hoc"])
    assert variables.private == [5] and "events" in variables.names
    state = cell.save()
    h.execute("events = 9", h.counting)
    assert variables.private == [9]
    cell.restore(state)
    assert variables.private == [5]
    assert np.array_equal(state["hoc_objects"], [5])
