"""Models in NEURON alone, as their authors run them: python -P bare.py < REQUESTS, a list in JSON.

A script that imports NEURON and nothing of couple, except for what a request changes in its model. Each request is run
in a fork, a process that has held no other model. The keys of one:

    folder, model       where the file lies (also the working folder), and its name: .hoc or .py
    function, arguments builder or template, "" for the file as a whole; by name or in order
    library             of compiled MOD files, "" for none
    before, after       HOC files around the model
    uninsert, set       as in [neuron]
    currents            [[section, x, delay, duration, amplitude], ...]
    dt, celsius, v_init null: the model's
    cvode_off, start    start: the statement of HOC that brings it to t = 0
    secondorder         of NEURON's steps; null: the model's
    steps               number of fixed steps
    segments            [[section, x], ...] whose voltage is wanted, by number among all sections
    out                 .npy file for V, (steps + 1, segments), mV; nothing is written where the model fails
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from neuron import h


def build(request: dict[str, Any]) -> Any:
    """Make the model; what has to be kept alive."""
    if request["library"] and h.nrn_load_dll(request["library"]) != 1.0:
        raise RuntimeError(f"{request['library']} cannot be loaded")
    for ion, valence in (("ca", 2), ("k", 1), ("na", 1)):
        h.ion_register(ion, valence)
    set_globals(request)
    carry_out(request["before"], request["folder"])
    made = python(request) if request["model"].endswith(".py") else hoc(request)
    carry_out(request["after"], request["folder"])
    if request["uninsert"] or request["set"]:
        from adapters.neuron.models import overrides

        overrides.apply(request["uninsert"], request["set"])
    netpyne = getattr(getattr(sys.modules.get("netpyne.sim"), "cfg", None), "hParams", {})
    if "celsius" in netpyne:  # as NetPyNE does when it runs its model
        h.celsius = netpyne["celsius"]
    set_globals(request)
    sections = list(h.allsec())
    return made, [clamp(sections[number](x), *given) for number, x, *given in request["currents"]]


def clamp(segment: Any, delay: float, duration: float, amplitude: float) -> Any:
    """A current clamp."""
    made = h.IClamp(segment)
    made.delay, made.dur, made.amp = delay, duration, amplitude
    return made


def set_globals(request: dict[str, Any]) -> None:
    """What the experiment says of all models."""
    h.dt = request["dt"]
    if request["celsius"] is not None:
        h.celsius = request["celsius"]


def carry_out(files: list[str], back: str) -> None:
    """Files of HOC, each in its own folder."""
    for file in files:
        os.chdir(Path(file).parent)
        h.load_file(1, Path(file).name)
        os.chdir(back)


def hoc(request: dict[str, Any]) -> Any:
    """A file of HOC, or a template in it."""
    h.load_file(1, request["model"])
    return getattr(h, request["function"])(*request["arguments"]) if request["function"] else None


def python(request: dict[str, Any]) -> Any:
    """What the builder of a Python file makes."""
    sys.path.insert(0, request["folder"])
    spec = importlib.util.spec_from_file_location("model_alone", request["model"])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["model_alone"] = module
    spec.loader.exec_module(module)
    function, given = getattr(module, request["function"]), request["arguments"]
    named = dict(given) if isinstance(given, dict) else {}
    if {"rank", "size"} <= parameters(function):
        named = {"rank": 0, "size": 1} | named
    return module, function(*([] if isinstance(given, dict) else given), **named)


def parameters(function: Any) -> set[str]:
    """Names of the parameters of a builder."""
    try:
        return {*inspect.signature(function).parameters}
    except (TypeError, ValueError):
        return set()


def run(request: dict[str, Any]) -> None:
    """One model, in this process."""
    os.chdir(request["folder"])
    kept = build(request)
    sections = list(h.allsec())
    recorded = [h.Vector().record(sections[number](x)._ref_v) for number, x in request["segments"]]
    if request["v_init"] is not None and hasattr(h, "v_init"):
        h.v_init = request["v_init"]
    if request["cvode_off"]:
        h.CVode().active(False)
    if request["secondorder"] is not None:
        h.secondorder = request["secondorder"]
    h(request["start"])
    h.dt = request["dt"]
    for _ in range(request["steps"]):
        h.fadvance()
    del kept
    np.save(request["out"], np.array([np.array(v) for v in recorded]).T)


def main() -> None:
    """All requests, one after the other."""
    for request in json.load(sys.stdin):
        child = os.fork()
        if not child:
            code = 1
            try:
                run(request)
                code = 0
            except Exception as error:  # noqa: BLE001, in one line to whoever asked
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(code)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
