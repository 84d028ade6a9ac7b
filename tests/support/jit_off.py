"""Kernels in a fresh interpreter with numba's compiler off: what they give there must be what they give here."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable

from support.engine_under_test import NETWORK, SITES, EngineUnderTest, run
from support.paths import ROOT, TESTS

OPTIONS = {"cme": {"leak": 0.01}, "gridded": {"spacing": "250 nm"}}


def without_jit(function: Callable[..., str], *arguments: str) -> str:
    """What a module's function of strings returns by plain Python."""
    code = "import sys; from {module} import {name}; print({name}(*sys.argv[1:]))"
    # numpy warns of the overflow that random words are made of
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c"),
            code.format(module=function.__module__, name=function.__name__),
            *arguments,
        ],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TESTS)))},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def outputs(*engines: str) -> str:
    """Outputs of two windows of the contract's chemistry for each engine, as hexadecimal bytes."""
    return " ".join(map(_outputs, engines))


def _outputs(engine: str) -> str:
    made = EngineUnderTest(engine, OPTIONS.get(engine, {})).make(NETWORK, SITES[:2], injected=("Ca",), clamped=("B",))
    return run(made, 2, 3.0).tobytes().hex()


@functools.cache
def outputs_without_jit(engines: tuple[str, ...] = ("cme", "gridded", "langevin", "ode", "ssa")) -> dict[str, str]:
    """The same of each engine, by plain Python."""
    return dict(zip(engines, without_jit(outputs, *engines).split(), strict=True))
