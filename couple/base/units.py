"""Quantities in, plain floats out.

Every quantity of an input file carries a unit. It is checked against the dimension that its place
needs and converted once to the one system in which all kernels work: ms, µm, mM, mV, mA/cm², S/cm²,
µS, fC and counts.
"""

from __future__ import annotations

import functools
import math
import re
import tokenize
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator

from couple.base.errors import InputError, brief

IONS_PER_MM_UM3 = 602214.076
"""Molecules in 1 µm³ at 1 mM (Avogadro's number × 1e-18, SI 2019)."""

ELEMENTARY_CHARGES_PER_FC = 1e-15 / 1.602176634e-19
"""Elementary charges in 1 fC (= 1 pA·ms), SI 2019."""

# What a place of the input can ask for -> the unit that kernels use. Names are those of messages.
CANONICAL: dict[str, str] = {
    "time": "ms",
    "length": "um",
    "area": "um^2",
    "volume": "um^3",
    "concentration": "mM",
    "surface density": "1/um^2",
    "diffusion coefficient": "um^2/ms",
    "voltage": "mV",
    "conductance": "pS",
    "current": "nA",
    "rate of first order": "1/ms",
    "rate of second order": "1/mM/ms",
    "rate of second order on the membrane": "um^2/ms",
    "rate of zeroth order": "mM/ms",
    "rate of zeroth order on the membrane": "1/um^2/ms",
    "count per time": "1/ms",
    "number per length": "1/um",
    "resistivity": "ohm*cm",
    "capacitance per area": "uF/cm^2",
    "diffusive conductance": "um^3/ms",
    "permeability": "um/ms",
}

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")


@functools.cache
def registry() -> Any:
    """pint's unit registry, built on first use (it takes half a second)."""
    import pint

    return pint.UnitRegistry()


@functools.lru_cache(maxsize=4096)
def factor(unit: str, dimension: str) -> float:
    """Factor from `unit` to the canonical unit of `dimension`.

    Raises InputError if `unit` is unknown or of another dimension.
    """
    if dimension == "time" and unit in ("step", "steps"):
        return 1.0  # of a lattice without units; see couple.chemistry.lattice_units
    import pint

    target = CANONICAL[dimension]
    # "/M/s" is how rates are written in the literature; pint wants something in front of the slash.
    text = "dimensionless" + unit if unit.startswith("/") else unit
    try:
        given = registry().parse_units(text) if text else registry().dimensionless
        return float(registry().Quantity(1.0, given).to(target).magnitude)
    except pint.DimensionalityError:
        shown = f'"{unit}"' if unit else "no unit"
        raise InputError(f'{shown} is not a unit of {dimension}; give one like "{_example(target)}"') from None
    except (pint.errors.PintError, ValueError, TypeError, SyntaxError, AttributeError, tokenize.TokenError):
        raise InputError(
            f'unknown unit "{unit}"; this is a {dimension}, give a unit like "{_example(target)}"'
        ) from None


def _example(target: str) -> str:
    """The canonical unit as the input format writes it: 1/um^2 → /um^2."""
    return target.removeprefix("1") if target.startswith("1/") else target


def quantity(value: object, dimension: str) -> float:
    """The number in `value` (text such as "0.1 uM") in the canonical unit of `dimension`.

    Raises InputError for anything else: a bare number, an unknown unit, another dimension, a non-finite number.
    """
    if not isinstance(value, str):
        raise InputError(
            f'{brief(value)} has no unit; give a {dimension} as text, like "1 {_example(CANONICAL[dimension])}"'
        )
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise InputError(
            f'"{value}" is not a number with a unit; give a {dimension}, like "1 {_example(CANONICAL[dimension])}"'
        )
    number = float(match[1]) * factor(match[2], dimension)
    if not math.isfinite(number):
        raise InputError(f'"{value}" is not a finite {dimension}')
    return number


def canonical_unit(value: str) -> str:
    """The unit in which a limit on a quantity such as "3 m" is counted: "um"; "" if the text is none."""
    match = _QUANTITY.fullmatch(value)
    for dimension, unit in CANONICAL.items() if match else ():
        try:
            factor(match[2] if match else "", dimension)
        except InputError:
            continue
        return _example(unit)
    return ""


def celsius(value: object, dimension: str = "temperature") -> float:
    """Degrees Celsius in text such as "22 celsius" (also degC, C) or "295.15 K"; degrees have an offset, no factor."""
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    unit = match[2] if match else ""
    if match is None or unit not in ("celsius", "degC", "°C", "C", "K", "kelvin"):
        raise InputError(f'{value!r} is not a {dimension}; give one like "22 celsius"')
    number = float(match[1]) - (273.15 if unit in ("K", "kelvin") else 0.0)
    if not -273.15 < number < 100:
        raise InputError(f'"{value}" is no temperature of living matter; give one like "22 celsius"')
    return number


def quantities(value: object, dimension: str) -> tuple[float, ...]:
    """Several numbers that share one unit, as in "0 2 10 ms"."""
    if not isinstance(value, str):
        raise InputError(
            f'{brief(value)} has no unit; give numbers and one unit, like "0 2 {_example(CANONICAL[dimension])}"'
        )
    words = value.split()
    numbers = []
    while words and _QUANTITY.fullmatch(words[0]) and not (_QUANTITY.fullmatch(words[0]) or [""])[2]:
        numbers.append(words.pop(0))
    unit = " ".join(words)
    if not numbers:
        raise InputError(
            f'"{value}" holds no number; give numbers and one unit, like "0 2 {_example(CANONICAL[dimension])}"'
        )
    return tuple(quantity(f"{n} {unit}", dimension) for n in numbers)


def parser(dimension: str, read: Callable[[object, str], object] = quantity) -> Callable[[object], object]:
    """A pydantic validator that turns text with a unit into what `read` makes of it, in canonical units."""

    def parse(value: object) -> object:
        try:
            return read(value, dimension)
        except InputError as error:
            raise ValueError(error.message) from None

    return parse


def length_or_sites(value: object) -> float:
    """µm of a length such as "40 nm"; a plain number counts sites of a lattice without units.

    Raises ValueError for what is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return quantity(value, "length")
    except InputError as error:
        raise ValueError(error.message) from None


Time = Annotated[float, BeforeValidator(parser("time"))]
Length = Annotated[float, BeforeValidator(parser("length"))]
LengthOrSites = Annotated[float, BeforeValidator(length_or_sites)]
Voltage = Annotated[float, BeforeValidator(parser("voltage"))]
Concentration = Annotated[float, BeforeValidator(parser("concentration"))]
Conductance = Annotated[float, BeforeValidator(parser("conductance"))]
ElectricCurrent = Annotated[float, BeforeValidator(parser("current"))]
Temperature = Annotated[float, BeforeValidator(parser("temperature", celsius))]
"""Degrees Celsius."""
Diffusion = Annotated[float, BeforeValidator(parser("diffusion coefficient"))]
LineDensity = Annotated[float, BeforeValidator(parser("number per length"))]
Resistivity = Annotated[float, BeforeValidator(parser("resistivity"))]
Capacitance = Annotated[float, BeforeValidator(parser("capacitance per area"))]
Permeability = Annotated[float, BeforeValidator(parser("permeability"))]
Rate = Annotated[float, BeforeValidator(parser("rate of first order"))]
