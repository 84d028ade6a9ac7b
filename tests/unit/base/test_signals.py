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
