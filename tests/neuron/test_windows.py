"""A window of NEURON's steps without psolve: its bits, and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron.hoc.h import cvode, h, pc
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory import pointers
from couple.base.errors import RunError
from support.neuron_models import CALCIUM, attach, loop


@pytest.fixture
def cell(tmp_path: Path) -> Any:
    path = tmp_path / "cell.py"
    path.write_text(CALCIUM)
    return lambda: attach(path, calcium=("head(0.5)",), cai=(1e-4,))


def test_bits_are_those_of_psolve(cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With events on the way, of NEURON and of Python, some of which fall on the end of a window."""
    rows = []
    for ours in (True, False):
        made, seen = cell(), []
        if not ours:
            monkeypatch.setattr(made._stepper, "_solve_first", pc.psolve)
            made._stepper._solve = pc.psolve
        stimulus = h.NetStim()
        stimulus.start, stimulus.interval, stimulus.number = 0.3, 0.7, 1e9
        synapse = h.ExpSyn(next(s for s in h.allsec() if s.name() == "head")(0.5))
        connection = h.NetCon(stimulus, synapse, 0, 0.4, 2e-3)
        called = h.NetCon(stimulus, None)
        called.record(lambda seen=seen: seen.append(h.t))
        v = h.Vector().record(next(s for s in h.allsec() if s.name() == "head")(0.5)._ref_v)
        h.finitialize(-65)
        made._stepper.steps = 0
        cvode.event(1.0, lambda seen=seen: seen.append(-h.t))
        rows.append((loop(made, range(100)), v.to_python(), list(seen)))
        assert (made._stepper._solve == pc.psolve) is (not ours or channel_path() != "MOD")
        del connection, called
    (first, v, seen), (second, v_psolve, seen_psolve) = rows
    assert np.array_equal(first, second) and v == v_psolve and seen == seen_psolve
    assert len(seen) > 10 and -1.0 in np.round(seen, 9) and np.ptp(v) > 0


def test_an_error_in_the_middle_is_one_line(cell) -> None:
    made = cell()
    loop(made, range(5))
    cvode.event(1.0, 'execerror("broken", "on purpose")')
    with pytest.raises(RunError, match=r"NEURON stopped at t = 1(\.025)? ms: .*broken"):
        loop(made, range(5, 30))


@pytest.mark.parametrize("few", [8, 0])
def test_a_coupled_section_that_is_deleted_is_one_line(cell, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pointers, "FEW", few)
    made = cell()
    loop(made, range(5))
    h.delete_section(sec=next(s for s in h.allsec() if s.name() == "head"))
    with pytest.raises(RunError, match=r"at t = .* coupled to is gone"):
        loop(made, range(5, 8))
