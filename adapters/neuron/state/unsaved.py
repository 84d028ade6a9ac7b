"""What of a model carries something over that no saved state holds, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import all_sections
from adapters.neuron.mechanisms.history import memories
from adapters.neuron.mechanisms.user import loaded
from adapters.neuron.state.inventory import mechanism_type, pointer_names

_MEMORY = re.compile(r"\b(?:malloc|calloc|realloc|e[mc]alloc|hoc_E[mc]alloc|fopen|new)\b")
_STREAM = "nrnran123_newstream"

_TABLES = ("PatternStim", "couple_sums", "couple_axial")
"""Whose table is made anew with the model: of the first NEURON saves the place in it."""


def unsaved() -> Iterator[str]:
    """A reason for each, of the mechanisms that the model has."""
    for mechanism, text in loaded().items():
        if mechanism in _TABLES:
            continue
        for reason in _reasons(mechanism, text):
            if _is_used(mechanism):
                yield f"{_file(mechanism)} {reason}, which no checkpoint holds"


def _reasons(mechanism: str, text: str) -> Iterator[str]:
    for memory in memories(text):
        yield f'keeps "{memory.name}" ({memory.kind}) from step to step'
    pointers = pointer_names(mechanism)
    if not pointers:
        return
    code = "\n".join(re.findall(r"\bVERBATIM\b(.*?)\bENDVERBATIM\b", text, re.DOTALL))
    if _MEMORY.search(code):
        yield f"has memory of its own behind the POINTER {', '.join(sorted(pointers))}"
    elif _STREAM in code:
        yield f"has a random stream of its own behind the POINTER {', '.join(sorted(pointers))}"


def _file(mechanism: str) -> str:
    kinds = mechanism_type(mechanism)
    return Path(str(kinds.file() or "")).name or mechanism if kinds is not None else mechanism


def _is_used(mechanism: str) -> bool:
    """Whether the model has it anywhere."""
    if any(section.has_membrane(mechanism) for section in all_sections()):
        return True
    try:
        return len(list(h.List(mechanism))) > 0
    except RuntimeError:  # no class of this name: a density mechanism
        return False
