"""Where NEURON keeps a variable in memory, and how to notice that it has moved.

NEURON 9 keeps each variable of a mechanism, an ion or the nodes in one column that stays where it is between changes
of the model's structure. `hoc_val_pointer`, which its library exports, gives the address behind a name of its language.
Addresses hold while the count of structure changes stands and no change waits to be taken up; whoever uses one checks
this first (`ChangeCounters`), and has proved it by NEURON's own references (`direct_access.py`).
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.neuron.hoc.h import h, library

_ADDRESS_OF, _CHANGES = "_Z15hoc_val_pointerPKc", ("structure_change_cnt", "tree_changed", "v_structure_change")


class NeuronVariable(NamedTuple):
    """A variable of NEURON: of a segment, a point process or (with its index, "x[3]") a Vector."""

    owner: Any
    name: str

    @property
    def reference(self) -> Any:
        """NEURON's own reference to it, which follows it wherever it moves."""
        name, _, index = self.name.partition("[")
        reference = getattr(self.owner, f"_ref_{name}")
        return reference[int(index.removesuffix("]"))] if index else reference

    def address(self) -> int:
        """Address where it lies now; 0 if NEURON's language has no name for it. Needs `change_counters()`."""
        section = getattr(self.owner, "sec", None)
        if section is None:
            return _ask(f"{self.owner.hname()}.{self.name}")
        section.push()
        try:
            return _ask(f"{self.name}({self.owner.x!r})")
        finally:
            h.pop_section()


class ChangeCounters(NamedTuple):
    """NEURON's counters of changes: flags[at[0]] counts them, flags[at[1]] and flags[at[2]] say that one waits."""

    flags: npt.NDArray[np.int32]
    at: tuple[int, int, int]

    @property
    def changes(self) -> int:
        """Number of structure changes so far."""
        return int(self.flags[self.at[0]])

    @property
    def settled(self) -> bool:
        """Whether no change waits to be taken up by the next step."""
        return not (self.flags[self.at[1]] or self.flags[self.at[2]])


@functools.cache
def change_counters() -> ChangeCounters | None:
    """The counters of this NEURON, or None if it does not export what addresses need."""
    if getattr(library(), _ADDRESS_OF, None) is None:
        return None
    try:
        places = [ctypes.addressof(ctypes.c_int.in_dll(library(), name)) for name in _CHANGES]
    except ValueError:  # not exported
        return None
    flags, (changes, tree, other) = memory_view(places, np.dtype(np.int32))
    return ChangeCounters(flags, (int(changes), int(tree), int(other)))


def memory_view(places: list[int], kind: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """An array that reaches over all addresses, and the index of each: one view of memory for code that indexes.

    What lies between belongs to others, or is no memory at all: only the given indices may be touched. Raises
    ValueError if the addresses are not aligned.
    """
    first, size = min(places), kind.itemsize
    offsets = np.array([place - first for place in places], dtype=np.int64)
    if first % size or (offsets % size).any():
        raise ValueError(f"addresses that are not multiples of {size}")
    span = int(offsets.max()) // size + 1
    buffer = (ctypes.c_char * (span * size)).from_address(first)
    return np.ndarray((span,), kind, buffer), offsets // size


def _ask(text: str) -> int:
    """The address behind a name, tried by NEURON's interpreter first: an error inside of the call would be fatal."""
    if not h(f"hoc_ac_ = {text}"):
        return 0
    ask = getattr(library(), _ADDRESS_OF)
    ask.restype, ask.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    return int(ask(text.encode()) or 0)
