"""Checkpoints of NEURON: exact to the bit, in another process and in this one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from adapters.neuron.hoc.h import cvode
from couple.base.errors import CoupleError, RunError
from support.neuron_models import CALCIUM, PASSIVE, RICH, attach, fresh, loop, run_resumed, run_through
from support.paths import TESTS


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    path = tmp_path / "rich.py"
    path.write_text(RICH)
    return path


@pytest.mark.parametrize("compiler", [True, False])
def test_resumed_in_a_fresh_process_is_never_stopped(rich: Path, tmp_path: Path, compiler: bool) -> None:
    whole, _, _, path = fresh("through", rich, tmp_path / "state", compiler=compiler)
    rest, control = fresh("resumed_and_control", rich, tmp_path / "rest", tmp_path / "state", compiler=compiler)
    assert path == "KSChan" or compiler
    assert np.array_equal(rest, whole[150:])
    assert np.ptp(whole[150:, 0]) > 10, "nothing happens in the model"
    assert not np.array_equal(control, whole[150:]), "a state without its random streams is not enough"


def test_state_holds_what_hdf5_can_hold(rich: Path) -> None:
    state = attach(rich).save()
    assert all(isinstance(value, np.ndarray | bytes | str | int | float) for value in state.values())


def test_a_mark_takes_the_model_back_to_the_bit(rich: Path) -> None:
    cell = attach(rich)
    loop(cell, range(50))
    mark, ports = cell.mark(), cell.memory.copy()
    first = loop(cell, range(50, 150))
    for _ in range(3):
        cell.go_back(mark)
        cell.memory[:] = ports
        assert np.array_equal(loop(cell, range(50, 150)), first)
    assert not np.array_equal(loop(cell, range(50, 150)), first), "the control: from where it is it goes on"


def test_rollback_in_process(rich: Path) -> None:
    cell = attach(rich)
    loop(cell, range(50))
    state, ports = cell.save(), cell.memory.copy()
    first = loop(cell, range(50, 150))
    for _ in range(2):
        cell.restore(state)
        cell.memory[:] = ports
        assert np.array_equal(loop(cell, range(50, 150)), first)
    # Older states than those that are kept in memory come back from their bytes.
    for _ in range(6):
        cell.advance(4)
        cell.save()
    cell.restore(state)
    cell.memory[:] = ports
    assert np.array_equal(loop(cell, range(50, 150)), first)


def test_in_one_process_a_rebuilt_model_takes_up_the_state(rich: Path, tmp_path: Path) -> None:
    result = run_through(rich)
    (tmp_path / "state").write_bytes(pickle.dumps(result))
    assert np.array_equal(run_resumed(rich, tmp_path / "state"), result[0][150:])


def test_bytes_may_come_back_as_an_array(rich: Path) -> None:
    cell = attach(rich)
    loop(cell, range(10))
    state = cell.save()
    ports, first = cell.memory.copy(), loop(cell, range(20))
    for stored in (np.void(state["savestate"]), np.frombuffer(state["savestate"], dtype=np.uint8)):
        cell.restore({**state, "savestate": stored})
        cell.memory[:] = ports
        assert np.array_equal(loop(cell, range(20)), first)


def test_state_of_another_model_is_refused(rich: Path, tmp_path: Path) -> None:
    state = attach(rich).save()
    (tmp_path / "other.py").write_text(CALCIUM)
    other = attach(tmp_path / "other.py")
    with pytest.raises(CoupleError, match="another model"):
        other.restore(state)
    with pytest.raises(CoupleError, match=r"another channel path \(nonsense"):
        other.restore({**other.save(), "channel_path": "nonsense"})


def test_a_python_function_in_the_event_queue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text(PASSIVE)
    cell = attach(tmp_path / "cell.py", calcium=(), cai=(), voltages=("head(0.5)",))
    cell.advance(4)
    cell.save()
    happened = []
    cvode.event(1.0, lambda: happened.append(1))
    with pytest.raises(CoupleError, match="Python function waiting"):
        cell.save()
    cell.advance(40)
    assert happened == [1]
    cell.save()


def test_no_temporary_file_is_needed_where_there_are_files_in_memory(
    rich: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full /tmp does not matter; elsewhere the file is a temporary one, with the same content."""
    cell = attach(rich)
    loop(cell, range(20))

    def full(*_: object, **__: object) -> str:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.delattr(os, "memfd_create")
        by_file = cell.save()
        patch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(RunError, match=r"No space left.*TMPDIR"):
            cell.save()
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    in_memory, ports, runs = cell.save(), cell.memory.copy(), []
    assert len(in_memory["savestate"]) == len(by_file["savestate"])
    for state in (in_memory, by_file):
        for _ in range(6):  # so that neither is kept as NEURON's object any more
            cell.advance(4)
            cell.save()
        cell.restore(state)
        cell.memory[:] = ports
        runs.append(loop(cell, range(20, 60)))
    assert np.array_equal(*runs)


CUT = """
import resource, sys
from pathlib import Path
from support.neuron_models import attach
cell = attach(Path(sys.argv[1]))
whole = len(cell.save()["savestate"])
for size in (0, 1, whole // 2, whole - 1, whole):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        cell.save()
        print("taken")
    except Exception as error:
        print(type(error).__name__, str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (2 * whole + 2**17, resource.RLIM_INFINITY))
print("whole" if len(cell.save()["savestate"]) == whole else "not whole")
"""


def test_a_state_that_was_cut_is_never_taken_for_one(rich: Path) -> None:
    """NEURON does not look whether the system took what it wrote, and dies of it on reading."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", CUT, str(rich)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=True,
    )
    *cut, last = done.stdout.splitlines()[-6:]
    assert len(cut) == 5 and all(line.startswith("RunError the state of NEURON cannot be written") for line in cut)
    assert last == "whole"
