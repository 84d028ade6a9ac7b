"""References of HOC to objects that a model's events may change: which object each means, and what is in Vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.variables import declared_in, text_of
from couple.base.arrays import Floats
from couple.base.errors import CoupleError
from couple.components.component import State
from couple.components.state import text

_REFERENCE = 2
"""What name_declared says of an objref and of an array of them."""

_NOTHING = ""

_STATEMENTS = re.compile(r'\b(?:FInitializeHandler|event|StateTransitionEvent)\b|\brecord\s*\(\s*"')
_RECORDED = re.compile(r"\b(\w+)\s*(?:\[[^\]\n]*\])?\s*\.\s*record\s*\(\s*[^\"\s]")


class HocObjects:
    """Those that the model of these files declares outside of templates; none where no event carries out a statement.

    Made when the model stands at its start: what references mean then are the objects that they may mean later.
    Vectors that NEURON records into are left out: they are results, begun anew.
    names: HOC's, as "seen" and "clamps[1]".
    """

    def __init__(self, files: Iterable[Path]) -> None:
        files = tuple(files)
        texts = [_outside_templates(text_of(path)) for path in files]
        self.names: list[str] = []
        if any(_STATEMENTS.search(content) for content in texts):
            recorded = {name for content in texts for name in _RECORDED.findall(content)}
            self.names = [e for name in declared_in(files) if name not in recorded for e in _elements(name)]
        found = [(name, _object(name)) for name in self.names]
        self._objects = {name: thing for name, thing in found if thing is not None}
        self._name_of = {str(thing.hname()): name for name, thing in reversed([*self._objects.items()])}

    def save(self) -> State:
        """What each means, and the contents of Vectors. Raises CoupleError for another object that an event made."""
        meant, sizes, contents = {}, {}, [np.zeros(0)]
        for name in self.names:
            thing = _object(name)
            if thing is not None and str(thing.hname()).startswith("Vector["):
                contents.append(np.array(thing.as_numpy(), dtype=np.float64))
                sizes[name] = contents[-1].size
            meant[name] = _NOTHING if thing is None else self._name_of.get(str(thing.hname()))
            if meant[name] is None and name not in sizes:
                raise CoupleError(
                    f"an event has made {thing.hname()} and put it into {name}, which no checkpoint holds: make it "
                    "where the model is built"
                )
        return {
            "hoc_references": json.dumps(meant),
            "hoc_vectors": json.dumps(sizes),
            "hoc_contents": np.concatenate(contents),
        }

    def restore(self, state: State) -> None:
        """Take up what `save` gave, in a model that is built alike."""
        sizes: dict[str, int] = json.loads(text(state, "hoc_vectors"))
        contents: Floats = np.asarray(state["hoc_contents"], dtype=np.float64)
        for name, first in json.loads(text(state, "hoc_references")).items():
            thing = h.Vector() if first is None else self._objects[first] if first else None
            if (_object(name) is None or thing is None) or str(_object(name).hname()) != str(thing.hname()):
                _set(name, thing)
        start = 0
        for name, size in sizes.items():
            vector = _object(name)
            if vector.size() != size:  # otherwise what is played stays where it lies
                vector.resize(size)
            vector.as_numpy()[:] = contents[start : start + size]
            start += size


def _outside_templates(content: str) -> str:
    """Without templates: of objects, what waits for its time is refused."""
    for definition in source_text.templates(content).values():
        content = content.replace(definition, " ")
    return content


def _elements(name: str) -> Iterator[str]:
    """A reference by its name, or those of an array of them; nothing of anything else."""
    if int(h.name_declared(name)) != _REFERENCE:  # NEURON ends the process for a section that is gone
        return
    value = getattr(h, name)
    if value is not None and str(value.hname()) == f"{name}[?]":
        yield from (f"{name}[{i}]" for i in range(len(value)) if not _is_array(value[i]))
    else:
        yield name


def _is_array(value: Any) -> bool:
    """Whether it is a row of an array of more dimensions."""
    return value is not None and str(value.hname()).endswith("[?]")


def _object(name: str) -> Any:
    base, _, index = name.partition("[")
    found = getattr(h, base)
    return found[int(index.removesuffix("]"))] if index else found


def _set(name: str, thing: Any) -> None:
    base, _, index = name.partition("[")
    if index:
        getattr(h, base)[int(index.removesuffix("]"))] = thing
    else:
        setattr(h, base, thing)
