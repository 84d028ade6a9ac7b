"""Currents along the cable that the chemistry's ions carry: they take the place of NEURON's own between two segments.

NEURON's tree stays what is solved: the resistances on the way from the one segment to the other are scaled to the
conductance that the ions have, and what they carry besides enters at both ends. So a conductance of any size is solved
implicitly with the membrane. Between the segments there may be places without membrane, and segments that have one: its
current then leaves on the way, as it does in the model.

What crosses is known from the integral of the difference of both voltages over the steps, of those voltages with which
a step has been solved: conductance x integral + offset x time is the charge, to the rounding of numbers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.hoc.sections import find_membrane
from adapters.neuron.mechanisms.builtin import channel_path, loaded_library
from adapters.neuron.models.loader import WHERE
from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.components.attachments import Axial, AxialPath

NO_AREA = 100.0
"""What NEURON says of the area of nodes without membrane, µm²."""


class _Table(ctypes.Structure):
    """As in couple_axial.mod."""

    _fields_ = (
        ("n", ctypes.c_int64),
        ("conductance", ctypes.c_void_p),
        ("offset", ctypes.c_void_p),
        ("drop", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("shares", ctypes.c_void_p),
        ("before", ctypes.c_double),
    )


class AxialCurrents:
    """Takes NEURON's place between pairs of segments, until `close`.

    paths: (n,) what NEURON has there. conductances: (n,) µS; offsets: (n,) nA from the first to the second; drops: (n,)
    mV ms, the integral of V1 - V2 over the window, all live.
    """

    def __init__(self, pairs: Sequence[Axial], *, second_order: bool) -> None:
        """second_order: whether steps are solved with the mean of the voltages before and after.

        Raises InputError without a compiler, over several threads, and for segments with branches between them.
        """
        if channel_path() != "MOD":
            raise InputError(
                "drift = true needs a C compiler, with which NEURON compiles the mechanism of couple: install one "
                "(`couple doctor` says what there is), or leave drift out",
                where="link",
            )
        if int(pc.nthread()) > 1:
            raise InputError("links with drift = true are solved in one thread: remove pc.nthread(...)", where=WHERE)
        n = len(pairs)
        self._ends = [(find_membrane(a.first), find_membrane(a.second)) for a in pairs]
        self._library = loaded_library()
        self._library.couple_axial_nodes.restype = ctypes.c_int64
        self._library.couple_axial_table.argtypes = [ctypes.c_void_p]
        self._library.couple_axial_nodes.argtypes = [ctypes.c_int64] + [ctypes.c_void_p] * 3
        parent, area, resistance = self._nodes()
        joined = np.bincount(parent[parent >= 0], minlength=len(parent)) + (parent >= 0)
        ways, used, self.paths = [], set[int](), list[AxialPath]()
        for (first, second), pair in zip(self._ends, pairs, strict=True):
            ends = int(first.node_index()), int(second.node_index())
            way = _way(parent, ends, pair)
            between = _between(way, parent, ends)
            if any(joined[node] > 2 for node in between):
                raise InputError(
                    f"between {pair.first} and {pair.second} something else branches off: drift = true joins "
                    "neighbours; give what lies there a site of its own",
                    where=pair.key,
                )
            membrane = sum(float(area[node]) for node in between if area[node] != NO_AREA)
            self.paths.append(AxialPath(1.0 / sum(float(resistance[c]) for c in way), membrane))
            if used.intersection(way):
                raise InputError(
                    f"between {pair.first} and {pair.second} lies what another link with drift = true carries: join "
                    "neighbours alone",
                    where=pair.key,
                )
            used.update(way)
            ways.append(way)
        self._shares = np.array(
            [resistance[c] * path.conductance for way, path in zip(ways, self.paths, strict=True) for c in way]
        )
        self._starts = np.cumsum([0, *(len(way) for way in ways)]).astype(np.int64)
        self._children = np.zeros(len(self._shares), dtype=np.int64)
        self._at = np.zeros(2 * n, dtype=np.int64)
        self.conductances = np.array([p.conductance for p in self.paths])
        self.offsets, self.drops, self._last = np.zeros(n), np.zeros(n), np.zeros(n)
        self._before = 0.5 if second_order else 0.0
        self._pairs = pairs
        self._processes = []
        for k, ends in enumerate(self._ends):
            for direction, segment in zip((1.0, -1.0), ends, strict=True):
                process = h.couple_axial(segment)
                process.slot, process.direction = k, direction
                self._processes.append(process)
        self.refresh_addresses()

    def _nodes(self) -> tuple[Ints, Floats, Floats]:
        """(n_nodes,) parent of every node, area µm², resistance to the parent MΩ."""
        n = self._library.couple_axial_nodes(0, None, None, None)
        parent, area, resistance = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n)
        self._library.couple_axial_nodes(n, *(a.ctypes.data for a in (parent, area, resistance)))
        return parent, area, resistance

    def begin(self, conductances: Floats, offsets: Floats) -> None:
        """Before a window: (n,) what is to be there, µS and nA; sum from nothing."""
        self.conductances[:], self.offsets[:] = conductances, offsets
        self._library.couple_axial_begin()

    def refresh_addresses(self) -> None:
        """NEURON may have arranged its nodes anew."""
        parent, _, _ = self._nodes()
        found: list[int] = []
        for k, (ends, pair) in enumerate(zip(self._ends, self._pairs, strict=True)):
            first, second = (int(s.node_index()) for s in ends)
            self._at[2 * k : 2 * k + 2] = first, second
            found += _way(parent, (first, second), pair)
        self._children[:] = found
        arrays = (self.conductances, self.offsets, self.drops, self._last, self._at)
        places = [a.ctypes.data for a in (*arrays, self._starts, self._children, self._shares)]
        self._library.couple_axial_table(ctypes.byref(_Table(len(self.paths), *places, self._before)))

    def close(self) -> None:
        """Give the model back what it had."""
        self._library.couple_axial_table(None)
        self._processes.clear()
        h.diam_changed = 1  # NEURON works out its resistances anew


def _way(parent: Ints, ends: tuple[int, int], pair: Axial) -> list[int]:
    """Nodes whose link to their parent is on the way between two. Raises InputError if nothing joins them."""
    ups = [_up(parent, node) for node in ends]
    common = next((node for node in ups[0] if node in ups[1]), None)
    if common is None:
        raise InputError(
            f"{pair.first} and {pair.second} are not connected: no current crosses by drift", where=pair.key
        )
    return [node for up in ups for node in up[: up.index(common)]]


def _up(parent: Ints, node: int) -> list[int]:
    found = [node]
    while parent[found[-1]] >= 0:
        found.append(int(parent[found[-1]]))
    return found


def _between(way: Sequence[int], parent: Ints, ends: Sequence[int]) -> list[int]:
    """Nodes on a way that are neither of its ends."""
    return list(dict.fromkeys(node for child in way for node in (child, int(parent[child])) if node not in ends))
