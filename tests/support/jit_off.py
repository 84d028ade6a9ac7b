"""Runs a small case of the well-mixed engines in a fresh interpreter with numba's compiler off."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

from support.engine_contract import NETWORK, SITES, EngineUnderTest, run
from support.paths import TESTS

OPTIONS = {"cme": {"leak": 0.01}, "gridded": {"spacing": "250 nm"}}


def outputs(engine: str) -> str:
    """Outputs of two windows of the contract's chemistry, as hexadecimal bytes."""
    made = EngineUnderTest(engine, OPTIONS.get(engine, {})).make(NETWORK, SITES[:2], injected=("Ca",), clamped=("B",))
    return run(made, 2, 3.0).tobytes().hex()


@functools.cache
def outputs_without_jit(engines: tuple[str, ...] = ("cme", "gridded", "langevin", "ode", "ssa")) -> dict[str, str]:
    """The same of each engine, by plain Python."""
    # numpy warns of the overflow that random words are made of
    code = "import sys; from support.jit_off import outputs; print(*map(outputs, sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *engines],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(engines, done.stdout.split(), strict=True))
