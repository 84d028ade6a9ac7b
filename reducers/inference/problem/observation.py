"""What was observed, as numbers in the units of the features."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest, quoted
from couple.base.regular_file import read_regular
from couple.base.unit_text import split_quantity
from couple.base.units import ratio


def observed(values: Mapping[str, float | str], units: Mapping[str, str]) -> Floats:
    """(f,) in the order and the units of the features. values: feature → number, or text with a unit.

    Raises InputError for a name that is no feature, one that is missing, what is no number, and another dimension.
    """
    for name in values:
        if name not in units:
            raise InputError(f'there is no feature "{name}"; {nearest(name, units)}', where="observation")
    missing = [name for name in units if name not in values]
    if missing:
        raise InputError(
            f"{len(values)} of {len(units)} features are given, {missing[0]} is missing: give all", where="observation"
        )
    return np.array([_number(name, values[name], unit) for name, unit in units.items()])


def read_observation(path: Path, units: Mapping[str, str]) -> Floats:
    """(f,) of a CSV file: names of features, with units in brackets or without, then a line of numbers."""
    try:
        text = read_regular(path).decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from None
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise InputError(
            f"holds {len(lines)} lines: give two of equal length, names of features and numbers", where=str(path)
        )
    found: dict[str, float | str] = {}
    for head, cell in zip(*lines, strict=True):
        name, _, unit = head.partition("[")
        found[name.strip()] = f"{cell} {unit.strip(' ]')}"
    found.pop("run", None)  # as `couple features --out` writes it
    try:
        return observed(found, units)
    except InputError as error:
        raise error.inside(str(path)) from None


def _number(name: str, value: float | str, unit: str) -> float:
    where = f"observation.{name}"
    number, given = (float(value), "") if not isinstance(value, str) else _taken_apart(value, where)
    if not math.isfinite(number):
        raise InputError(
            f"{number:g} is no observation: leave the feature out of [features], or measure it", where=where
        )
    if not given or given == unit:
        return number
    scale = _ratio(given, unit if unit != "1" else "")
    if scale is None:
        raise InputError(f"{quoted(value)} is not in {unit or 'a number without unit'}", where=where)
    return number * scale


def _ratio(given: str, unit: str) -> float | None:
    """None too for units that only features have, like molecules."""
    try:
        return ratio(given, unit)
    except InputError:
        return None


def _taken_apart(text: str, where: str) -> tuple[float, str]:
    if text.strip().lower().split()[:1] == ["nan"]:
        return math.nan, ""
    found = split_quantity(text)
    if found is None:
        raise InputError(f"{quoted(text)} is no number", where=where)
    return found
