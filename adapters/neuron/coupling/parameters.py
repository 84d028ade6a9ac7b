"""Parameters of mechanisms that chemistry sets: of synapses, of the connections that drive them, of channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.sections import find_membrane
from adapters.neuron.mechanisms import synapses
from adapters.neuron.mechanisms.parameters import readable_unit, standard_unit, unit_of
from adapters.neuron.memory.pointers import pointers
from adapters.neuron.state.inventory import source, variables
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.components.attachments import Parameter, ParameterPlaces

PARAMETER, ASSIGNED, STATE, GLOBAL = 1, 2, 3, -1
"""Kinds of variables of NEURON's MechanismStandard."""

_WEIGHT = re.compile(r"weight(?:\[(\d)\])?")
_RECEIVES = re.compile(r"\bNET_RECEIVE\s*\(([^{]*)\)\s*\{")
_ARGUMENT = re.compile(r"(\w+)\s*(?:\(([^()]*)\))?")


class Place(NamedTuple):
    """One variable that is set. owner: whoever has it, kept alive. to_model: factor from the port's unit to it."""

    name: str
    owner: Any
    reference: Any
    to_model: float = 1.0


@dataclass(frozen=True)
class Found:
    """All variables of a parameter, in `unit`."""

    unit: str
    places: tuple[Place, ...]

    @property
    def described(self) -> ParameterPlaces:
        """For whoever wires."""
        values = tuple(float(place.reference[0]) / place.to_model for place in self.places)
        return ParameterPlaces(self.unit, tuple(place.name for place in self.places), values)


class ParameterFinder:
    """Finds parameters in the loaded model. The connections of its synapses are looked up once."""

    def __init__(self) -> None:
        self._driving: dict[str, list[Any]] | None = None

    def forget(self) -> None:
        """Let go of connections, which may be others now."""
        self._driving = None

    def mechanisms(self, segment: str) -> list[str]:
        """See ElectricalModel."""
        here = find_membrane(segment)
        processes = [_kind(p) for p in here.point_processes()]
        roles = [role.name for p in here.point_processes() if (role := synapses.role_of(p)) is not None]
        densities = [m.name() for m in here if not m.name().endswith("_ion")]
        return [n for n in dict.fromkeys([*roles, *processes, *densities]) if not n.startswith("couple_sum")]

    def find(self, parameter: Parameter) -> Found | None:
        """The variables of a parameter; None where no mechanism has that name.

        Raises InputError for a name that is no parameter, and for what the mechanism works out itself.
        """
        segment = find_membrane(parameter.segment)
        processes = [p for p in segment.point_processes() if _is_meant(p, parameter.mechanism)]
        if processes:
            found = [self._of_process(p, parameter) for p in processes]
            return Found(found[0].unit, tuple(place for one in found for place in one.places))
        densities = [m.name() for m in segment if not m.name().endswith("_ion")]
        if parameter.mechanism not in densities:
            return None
        check_settable(parameter.mechanism, parameter.name)
        full = f"{parameter.name}_{parameter.mechanism}"
        place = Place(f"{parameter.segment}.{full}", segment, getattr(segment, f"_ref_{full}"))
        return Found(standard_unit(unit_of(full)), (place,))

    def _of_process(self, process: Any, parameter: Parameter) -> Found:
        role, kind, name = synapses.role_of(process), _kind(process), parameter.name
        weight = _WEIGHT.fullmatch(name)
        if role is not None and name == "gmax":
            weight = _WEIGHT.fullmatch("weight")
        if weight is not None and name not in _names(kind, PARAMETER):
            return self._weights(process, int(weight[1] or 0), 1.0 if role is None else role.weight_scale)
        if role is not None and role.weight_scale != 1.0:
            raise InputError(f"without a compiler, only gmax of {role.name} receptors can be set")
        check_settable(kind, name)
        place = Place(f"{process.hname()}.{name}", process, getattr(process, f"_ref_{name}"))
        return Found(standard_unit(unit_of(f"{kind}.{name}")), (place,))

    def _weights(self, process: Any, index: int, scale: float) -> Found:
        """Weights of all connections that drive a point process."""
        kind, driving = _kind(process), self._connections().get(process.hname(), [])
        if not driving:
            raise InputError(f"no NetCon drives {process.hname()}: it has no weight")
        arguments = _arguments(kind)
        if index >= int(driving[0].wcnt()) or index >= len(arguments):
            raise InputError(f"{kind} takes {len(arguments)} weights, not weight[{index}]")
        name, unit = arguments[index]
        if _written(name, _receiving(kind)):
            raise InputError(f"{kind} itself changes the weight when an event arrives (NET_RECEIVE writes {name})")
        places = (Place(f"{c.hname()}.weight[{index}]", c, c._ref_weight[index], scale) for c in driving)
        return Found(unit, tuple(places))

    def _connections(self) -> dict[str, list[Any]]:
        """Point process → its connections."""
        if self._driving is None:
            self._driving = {}
            for connection in h.List("NetCon"):
                process = connection.syn()
                if process is not None:
                    self._driving.setdefault(process.hname(), []).append(connection)
        return self._driving


class ParameterWriter:
    """Sets parameters, all at once; until `close`, which gives the model back what it had."""

    def __init__(self, finder: ParameterFinder, parameters: Sequence[Parameter]) -> None:
        found = [finder.find(p) for p in parameters]
        sets = [() if f is None else f.places for f in found]
        self._of = np.repeat(np.arange(len(sets)), [len(some) for some in sets])
        self._places = places = [place for some in sets for place in some]
        self._own = np.array([float(place.reference[0]) for place in places])
        relative = [p.relative for p in parameters]
        scale = [
            own if relative[k] else place.to_model
            for k, place, own in zip(self._of.tolist(), places, self._own, strict=True)
        ]
        self._pointers = pointers([place.reference for place in places])
        self._scale = np.array(scale)

    def scatter(self, values: Floats) -> None:
        """Set all to the (n_parameters,) values of the port."""
        self._pointers.scatter(values[self._of] * self._scale)

    def close(self) -> None:
        """Give the model back what it had."""
        self._pointers.scatter(self._own)


def check_settable(mechanism: str, name: str) -> None:
    """Raises InputError for a name that is no range parameter of a mechanism, or that it works out itself."""
    known = _names(mechanism, PARAMETER)
    if name in known:
        block = _writing_block(mechanism, name)
        if block:
            raise InputError(f'"{name}" of {mechanism} is worked out by the mechanism itself (in {block})')
        return
    if name in _names(mechanism, STATE):
        raise InputError(f'"{name}" is a STATE of {mechanism}, which the mechanism itself integrates{_offer(known)}')
    if name in _names(mechanism, ASSIGNED):
        raise InputError(f'"{name}" is ASSIGNED by {mechanism}, which works it out at every step{_offer(known)}')
    if name in _names(mechanism, GLOBAL):
        raise InputError(f'"{name}" of {mechanism} is GLOBAL, one number for all cells: make it RANGE in its MOD file')
    raise InputError(f'{mechanism} has no parameter "{name}"; {nearest(name, known)}')


def _offer(known: Sequence[str]) -> str:
    return f"; parameters that can be set: {', '.join(known)}" if known else ""


def _names(mechanism: str, kind: int) -> list[str]:
    """Single numbers of one kind, without the suffix of a density mechanism."""
    return [name.removesuffix(f"_{mechanism}") for name, size in variables(mechanism, kind) if size == 1]


def _kind(process: Any) -> str:
    return str(process.hname()).split("[")[0]


def _is_meant(process: Any, name: str) -> bool:
    """Whether a point process is called so: by its kind, number, role, or a reference of HOC."""
    role = synapses.role_of(process)
    if name in (_kind(process), process.hname()) or (role is not None and role.name == name):
        return True
    try:
        reference = getattr(h, name, None) if name.isidentifier() else None
    except (TypeError, LookupError, RuntimeError):
        return False
    return reference is not None and hasattr(reference, "hname") and reference.hname() == process.hname()


_BLOCK = re.compile(r"\b([A-Z][A-Z_]*)\b[^{}\n]*\{")


def _writing_block(mechanism: str, name: str) -> str:
    """A block of the MOD file that writes a variable while the model runs; "" if none does."""
    for head, body in _blocks(source(mechanism)):
        if head not in ("PARAMETER", "CONSTANT", "UNITS", "NEURON", "INITIAL", "ASSIGNED", "STATE") and _written(
            name, body
        ):
            return head
    return ""


def _blocks(text: str) -> list[tuple[str, str]]:
    """Top-level blocks of a MOD file: their heads and bodies."""
    found, position = [], 0
    while match := _BLOCK.search(text, position):
        depth, end = 1, match.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.append((match[1], text[match.end() : end - 1]))
        position = end
    return found


def _written(name: str, body: str) -> bool:
    """Whether statements assign to a variable or change its derivative."""
    return re.search(rf"(?<![\w.]){re.escape(name)}\s*'?\s*=(?!=)", body) is not None


def _receiving(kind: str) -> str:
    return next((body for head, body in _blocks(source(kind)) if head == "NET_RECEIVE"), "")


def _arguments(kind: str) -> list[tuple[str, str]]:
    """Names and units of what a connection carries to a point process."""
    match = _RECEIVES.search(source(kind))
    if match is None:  # of NEURON's own there is no text
        return [("weight", "uS" if kind in ("ExpSyn", "Exp2Syn") else "")]
    found = [m for m in _ARGUMENT.finditer(match[1].replace("\n", " ")) if m[1]]
    return [(m[1], standard_unit(readable_unit(m[2] or ""))) for m in found]
