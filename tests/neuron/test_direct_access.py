"""Variables of NEURON read and written where they lie: the same bits as by NEURON's own references, or not at all."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from adapters.neuron.hoc.h import h
from adapters.neuron.memory import addresses
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import MOVED, DirectAccess, load
from couple.components.attachments import Conductance
from support.neuron_models import CALCIUM, attach, loop

PLACES = ("head(0.1)", "head(0.5)", "head(0.9)")


@pytest.fixture
def cell(tmp_path: Path):
    path = tmp_path / "cell.py"
    path.write_text(CALCIUM)

    def make(places: tuple[str, ...] = PLACES):
        conductances = tuple(Conductance("SK", place) for place in places)
        return attach(path, calcium=places, cai=(1e-4,) * len(places), conductances=conductances)

    return make


def by_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "change_counters", lambda: None)


@pytest.mark.parametrize("places", [PLACES[:1], PLACES])
def test_the_same_bits_as_by_references(cell, places, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cell(places)
    assert made._inputs.direct and made._outputs.direct
    direct = loop(made, range(200))
    by_references(monkeypatch)
    made = cell(places)
    assert not made._inputs.direct and not made._outputs.direct
    assert np.array_equal(loop(made, range(200)), direct)
    assert np.ptp(direct, axis=0).min() > 0


@pytest.mark.parametrize("off", [8, -8, 4, None])
def test_an_address_that_is_not_proved_is_not_used(cell, off, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """One address is that of a neighbour, not aligned, or unknown: a log line, and the same bits."""
    expected = loop(cell(), range(50))
    true = NeuronVariable.address

    def wrong(self: NeuronVariable) -> int:
        last = self.name == "gmax" and self.owner.get_segment().x > 0.8
        return true(self) if not last else 0 if off is None else true(self) + off

    monkeypatch.setattr(NeuronVariable, "address", wrong)
    with caplog.at_level(logging.INFO):
        made = cell()
    assert not made._inputs.direct and made._outputs.direct
    assert "exchanged by PtrVector" in caplog.text
    assert np.array_equal(loop(made, range(50)), expected)


def places(made) -> list[int]:
    return [variable.address() for variable in made._outputs._variables]


def restructured(made) -> np.ndarray:
    """Windows between which the model's memory moves: new sections grow its columns, a removed process shifts rows."""
    rows = [loop(made, range(20))]
    before, extra = places(made), []
    while places(made) == before and len(extra) < 20_000:  # columns have room left from models of other tests
        for _ in range(200):
            extra.append(h.Section(name=f"extra{len(extra)}"))
            extra[-1].insert("hh")
    rows.append(loop(made, range(20, 40)))
    first = h.couple_k(extra[0](0.5))
    rows.append(loop(made, range(40, 60)))
    del first
    for section in extra:
        h.delete_section(sec=section)
    rows.append(loop(made, range(60, 80)))
    return np.concatenate(rows)


def test_memory_that_moves_is_noticed(cell, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cell()
    before = places(made)
    direct = restructured(made)
    # Control: it did move, and addresses came back into use afterwards.
    assert before != places(made)
    assert made._inputs.direct and made._outputs.direct
    assert made._outputs._load(made._output_values) != MOVED
    by_references(monkeypatch)
    assert np.array_equal(restructured(cell()), direct)


def test_nothing_is_touched_while_a_change_waits(cell) -> None:
    made = cell()
    old = made._outputs._raw
    assert load(*old, np.empty(len(made._outputs._variables))) != MOVED
    extra = h.Section(name="extra")
    assert made._outputs._load(made._output_values) == MOVED and made._inputs._store(made._input_values) == MOVED
    made.advance(4)  # takes the change up
    assert load(*old, np.empty(len(made._outputs._variables))) == MOVED
    h.delete_section(sec=extra)


def test_the_proof_leaves_all_as_it_was(cell) -> None:
    made = cell()
    loop(made, range(10))
    segment = next(section for section in h.allsec() if section.name() == "head")(0.5)
    segment.cai = float("nan")
    before = made._inputs._every, np.empty(len(made._inputs._variables))
    before[0].gather(before[1])
    assert made._inputs._proved()
    after = np.empty_like(before[1])
    before[0].gather(after)
    assert after.tobytes() == before[1].tobytes()


def test_a_value_that_is_not_finite_is_told(cell) -> None:
    vector = h.Vector([1.0, 2.0, 3.0])
    cell()
    read = DirectAccess([NeuronVariable(vector, f"x[{i}]") for i in range(3)], [1.0, 0.0, 2.0])
    read.refresh_addresses()
    out = np.empty(3)
    assert read.direct and read.gather(out) and out.tolist() == [1, 0, 6]
    for bad in (np.inf, -np.inf, np.nan):
        vector.x[1] = bad
        assert not read.gather(out)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6, 7), (3, 4, 5, 0, 1, 7, 6, 2)])
def test_sums_are_those_of_one_after_the_other(cell, order, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of the variables lies together, to the bit; by references as well."""
    vector = h.Vector(np.random.default_rng(1).normal(size=8))
    cell()
    read = DirectAccess([NeuronVariable(vector, f"x[{i}]") for i in order])
    read.refresh_addresses()
    assert np.array_equal(np.asarray(order)[read.order()], np.arange(8))
    total, expected = np.linspace(0.0, 1.0, 8), np.linspace(0.0, 1.0, 8)
    for direct in (True, False):
        assert read.direct is direct
        for _ in range(50):
            read.add_to(total, 0.025)
            for k, i in enumerate(order):
                expected[k] += vector.x[i] * 0.025
        assert total.tolist() == expected.tolist()
        by_references(monkeypatch)
        read = DirectAccess([NeuronVariable(vector, f"x[{i}]") for i in order])
        read.refresh_addresses()
