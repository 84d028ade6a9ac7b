"""V of a model that is run alone, in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from adapters.neuron.alone.requests import BuiltRequest
from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import RunError
from couple.files.array_file import read_array
from couple.storage.scratch import scratch_folder

BARE = Path(__file__).with_name("bare.py")


def run_bare(requests: Sequence[dict[str, Any]]) -> str:
    """Run models in NEURON alone, each by itself; what they said on stderr. See `bare.py` for the keys."""
    command = [sys.executable, "-P", str(BARE)]
    environment = {**os.environ, "NEURON_MODULE_OPTIONS": "-nogui"}
    done = subprocess.run(
        command, input=json.dumps(requests), env=environment, text=True, capture_output=True, check=False
    )
    return done.stderr


def alone(request: dict[str, Any]) -> Floats:
    """(steps + 1, segments) V of one model, mV. Raises RunError with what NEURON said where it fails."""
    with scratch_folder("alone") as folder:
        out = folder / "v.npy"
        said = run_bare([{**request, "out": str(out)}])
        return _read(out, said)


def alone_built(request: BuiltRequest) -> Floats:
    """The same of a model that couple builds. Raises what building it raises."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(_build_and_run, request).result()
        except BrokenProcessPool:
            raise RunError("the model alone could not be run: its process ended") from None


def _build_and_run(request: BuiltRequest) -> Floats:
    """In the fresh process; what a model prints goes to stderr."""
    os.dup2(2, 1)
    model: Any = registry.load("couple.electrics", "neuron")(request.spec)
    if request.spines:
        model.grow(request.spines)
    if request.spec.cells:
        model.connect(request.contacts)
    found: Floats = model.run_here(request.segments, request.steps)
    return found


def _read(out: Path, said: str) -> Floats:
    if not out.is_file():
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise RunError(f"the model alone could not be run: {lines[-1] if lines else 'its process ended'}")
    with out.open("rb") as file:
        return np.asarray(read_array(file, out.name), dtype=np.float64)
