"""Variables of HOC that a state holds: numbers, arrays, texts; of objects where events change them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.variables import HocVariables
from couple.base.errors import CoupleError
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
objref thing, seen, clamps[2], now, cvode
proc count_up() { count += 1 }
seen = new Vector(2, 5)
soma clamps[0] = new IClamp(0.5)
soma clamps[1] = new IClamp(0.5)
now = clamps[1]
cvode = new CVode()
proc begin() { cvode.event(1, "count_up()") }
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


def test_of_references_and_vectors_that_events_change(tmp_path: Path) -> None:
    (tmp_path / "cell.hoc").write_text(CELL)
    cell = load_model(spec(tmp_path / "cell.hoc", function="")).attach(Attachments((), (), ("soma(0.5)",)))
    cell.save()
    h("now = clamps[0]\nseen.append(9)\nthing = new Vector(3, 4)")
    state, mark = cell.save(), cell.mark()
    for again in (cell.restore, lambda _: cell.go_back(mark)):
        h("objref thing\nnow = thing\nseen = new Vector()\nclamps[0] = thing")
        again(state)
        assert (h.now.hname(), h.clamps[0].hname()) == ("IClamp[0]", "IClamp[0]")
        assert (h.seen.to_python(), h.thing.to_python()) == ([5, 5, 9], [4, 4, 4])
    h("now = new IClamp(0.5)")
    with pytest.raises(CoupleError, match=r"an event has made IClamp\[2\] and put it into now"):
        cell.save()
    h("now = clamps[0]")
