"""Density mechanisms and values of their parameters, with the units that NEURON knows for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages
from couple.base.errors import InputError, nearest
from couple.base.units import number_in, ratio


def unit_of(variable: str) -> str:
    """NEURON's unit of a variable such as "gnabar_hh" ("S/cm2"); "" if it has none, or none that can be read."""
    with capture_messages() as messages:
        try:
            unit = str(h.units(variable))
        except RuntimeError:
            unit = ""
        messages.clear()
    return readable_unit(unit)


def readable_unit(unit: str) -> str:
    """A unit as NEURON has it, "" for none and for one that cannot be read."""
    return "" if unit in ("", "1", "degC") or not _known(standard_unit(unit)) else unit


def density_mechanisms() -> list[str]:
    """Names of all density mechanisms that NEURON has now, ions among them."""
    kinds, name, found = h.MechanismType(0), h.ref(""), []
    for i in range(int(kinds.count())):
        kinds.select(i)
        kinds.selected(name)
        found.append(name[0])
    return [n for n in found if n not in ("morphology", "capacitance", "extracellular", "fastpas")]


def parameters_of(mechanism: str) -> list[str]:
    """Range parameters of a density mechanism, without its suffix."""
    standard, name = h.MechanismStandard(mechanism, 1), h.ref("")
    found = []
    for i in range(int(standard.count())):
        standard.name(name, i)
        found.append(name[0].removesuffix(f"_{mechanism}"))
    return found


def parameters(mechanism: str, table: Mapping[str, Any], where: str) -> dict[str, float]:
    """Parameter → value in NEURON's unit. Raises InputError that names the key and the unit it needs."""
    known = parameters_of(mechanism)
    values = {}
    for key, value in table.items():
        if key not in known:
            raise InputError(f'"{mechanism}" has no parameter "{key}"; {nearest(key, known)}', where=f"{where}.{key}")
        values[key] = in_unit(value, unit_of(f"{key}_{mechanism}"), f"{where}.{key}")
    return values


def in_unit(value: Any, unit: str, where: str) -> float:
    """A number: `value` (text with a unit) in `unit`, or a plain number where there is no unit."""
    try:
        return number_in(value, standard_unit(unit), standard_unit)
    except InputError as error:
        raise error.at(where) from None


def standard_unit(unit: str) -> str:
    """NEURON's notation as others write it: "S/cm2" → "S/cm^2", "mA-ms/cm2" → "mA*ms/cm^2", "mho" → "S"."""
    text = re.sub(r"(?<=[A-Za-z])(\d)", r"^\1", unit.strip()).replace("mho", "S")
    text = re.sub(r"(?<=[A-Za-z0-9])[- ](?=[A-Za-z])", "*", text)
    return text


def _known(unit: str) -> bool:
    """Whether it can be read; modellers have notations of their own, such as "(imp)"."""
    try:
        ratio(unit, unit)
    except InputError:
        return False
    return True
