"""Numbers of the random streams that a model does not name itself.

NEURON gives such a stream the ids (1, 0, n), where n counts streams since the process began: a model that is built
a second time in a process would draw other numbers than the first time. Here n counts streams of the model, as it does
in a process in which NEURON alone builds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import all_sections
from adapters.neuron.state.inventory import EVERY, pointer_names, variables


class StreamNumbering:
    """Use it in a `with` statement around whatever builds a part of a model; one object for the whole model.

    Ids (1, 0, n) that a model sets by itself are taken for NEURON's own if n is one of those that NEURON counted
    meanwhile.
    """

    def __init__(self) -> None:
        self._made, self._before = 0, 0

    def __enter__(self) -> None:
        self._before = count()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            return  # what is left of the model may not be touched
        shift, after = self._before - self._made, count()
        for stream in all_streams() if shift else ():
            first, second, third = (int(word) for word in stream.get_ids())
            if (first, second) == (1, 0) and self._before < third < after:
                stream.set_ids(1, 0, third - shift)
        self._made += after - self._before - 1


def count() -> int:
    """Streams that NEURON has made so far, this one included."""
    probe = h.NetStim()
    return int(probe.ranvar.get_ids()[2])


def all_streams() -> Iterator[Any]:
    """All RANDOM variables of mechanisms."""
    for kind in (0, 1):
        kinds, name = h.MechanismType(kind), h.ref("")
        for i in range(int(kinds.count())):
            kinds.select(i)
            kinds.selected(name)
            if not name[0].endswith("_ion"):
                holders = _densities(name[0]) if kind == 0 else _processes(name[0], bool(kinds.is_artificial(i)))
                yield from _random(name[0], holders)


def _densities(mechanism: str) -> Iterator[Any]:
    for section in all_sections():
        if section.has_membrane(mechanism):
            yield from (getattr(segment, mechanism, None) for segment in section)


def _processes(name: str, artificial: bool) -> Iterator[Any]:
    """Those that are somewhere: NEURON has complaints about one whose section is gone."""
    yield from (process for process in h.List(name) if artificial or process.has_loc())


def _is_stream(holder: Any, name: str) -> bool:
    try:
        return hasattr(getattr(holder, name), "set_ids")
    except (AttributeError, TypeError):
        return False


def _random(mechanism: str, holders: Any) -> Iterator[Any]:
    """Of all instances of a mechanism, which have the same variables."""
    names: list[str] | None = None
    for holder in holders:
        if names is None:
            known = (name.removesuffix(f"_{mechanism}") for name, _ in variables(mechanism, EVERY))
            names = [name for name in known if name not in pointer_names(mechanism) and _is_stream(holder, name)]
            if not names:
                return
        yield from (getattr(holder, name) for name in names)
