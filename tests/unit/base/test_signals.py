"""Signals that end a process of ours, whatever a library makes of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys
from couple.base.signals import StoppedBySignal, in_charge

def imports():
    try:
        signal.raise_signal(signal.SIGHUP) if {comes} else 1 / 0
    except BaseException:
        raise ImportError("numba._devicearray failed to import") from None  # as C code does

try:
    with in_charge():
        imports()
except StoppedBySignal as stop:
    sys.exit(stop.exit_code)
"""


@pytest.mark.parametrize(("comes", "code"), [(True, 129), (False, 1)])
def test_a_signal_that_a_library_turns_into_another_error(comes: bool, code: int) -> None:
    """The control: without a signal the error is shown as it is."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(comes=comes)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert ("ImportError" in done.stderr) is not comes


CALLBACK = """
import signal, sys
from couple.base.signals import StoppedBySignal, in_charge

class Compiled:
    def __del__(self):  # as in a callback from C code: what is raised here is ignored
        signal.raise_signal(signal.SIGTERM) if {comes} else None

try:
    with in_charge():
        Compiled()
        raise RuntimeError("no compiled object yet")  # says the library, whose callback did not end
except StoppedBySignal as stop:
    sys.exit(stop.exit_code)
"""


@pytest.mark.parametrize(("comes", "code"), [(True, 143), (False, 1)])
def test_a_signal_in_a_callback_of_a_library(comes: bool, code: int) -> None:
    """Also before it comes again; numba's compiler calls back for each kernel that is to be kept."""
    done = subprocess.run(
        [sys.executable, "-c", CALLBACK.format(comes=comes)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert ("RuntimeError" in done.stderr) is not comes
