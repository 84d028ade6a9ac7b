"""What is asked of a model that is run alone: for `bare.py`, in NEURON by itself, and for what couple has to build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.neuron.hoc.sections import all_sections, find_membrane, find_segment
from adapters.neuron.mechanisms import nmodl, user
from couple.base.regular_file import real_path
from couple.components.model_spec import Contact, ModelSpec, SpineSpec


@dataclass(frozen=True)
class BuiltRequest:
    """What the model is made of, and what is wanted of it. steps: of ModelSpec.dt. segments: names."""

    spec: ModelSpec
    spines: Sequence[SpineSpec]
    contacts: Sequence[Contact]
    segments: Sequence[str]
    steps: int


def bare_request(spec: ModelSpec, start: tuple[str, float], segments: Sequence[str], steps: int) -> dict[str, Any]:
    """A request for `bare.py`, of the model that is loaded now, all but its key `out`.

    start: procedure that starts it, "" for finitialize alone, and v_init, mV.
    """
    procedure, v_init = start
    files = sorted(user.mod_files(spec.mechanisms))
    arguments = dict(spec.arguments) if isinstance(spec.arguments, dict) else list(spec.arguments)
    return {
        "folder": str(real_path(spec.model).parent),
        "model": spec.model.name,
        "function": spec.function,
        "arguments": arguments,
        "library": str(nmodl.library(files, "model")) if files else "",
        "before": _paths(spec.before),
        "after": _paths(spec.after),
        "uninsert": list(spec.uninsert),
        "set": dict(spec.values),
        "currents": [[*_place(find_membrane(c.segment)), c.start, c.duration, c.amplitude] for c in spec.currents],
        "dt": spec.dt,
        "celsius": spec.celsius,
        "v_init": v_init,
        "cvode_off": spec.cvode_off,
        "secondorder": None if spec.second_order is None else 2 * spec.second_order,
        "start": f"{procedure}()" if procedure else f"finitialize({v_init!r})",
        "steps": steps,
        "segments": [_place(find_segment(name)) for name in segments],
    }


def _paths(files: Sequence[Path]) -> list[str]:
    return [str(real_path(file)) for file in files]


def _place(segment: Any) -> list[float]:
    """Number of its section among all of them, which every process makes alike, and x."""
    return [all_sections().index(segment.sec), float(segment.x)]
