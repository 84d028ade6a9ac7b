"""Quantities in, plain floats out.

Every quantity of an input file carries a unit. It is checked against the dimension that its place
needs and converted once to the one system in which all kernels work: ms, µm, mM, mV, mA/cm², S/cm²,
µS, fC and counts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from couple.base.errors import InputError, brief, quoted
from couple.base.unit_text import read_unit, split_list, split_quantity

IONS_PER_MM_UM3 = 602214.076
"""Molecules in 1 µm³ at 1 mM (Avogadro's number × 1e-18, SI 2019)."""

ELEMENTARY_CHARGES_PER_FC = 1e-15 / 1.602176634e-19
"""Elementary charges in 1 fC (= 1 pA·ms), SI 2019."""

# What a place of the input can ask for -> the unit that kernels use. Names are those of messages.
CANONICAL: dict[str, str] = {
    "time": "ms",
    "simulated time": "ms",
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

STEPS = ("step", "steps")
"""What the clock of a lattice without units counts; see couple.chemistry.lattice_units."""


@functools.cache
def registry() -> Any:
    """pint's unit registry, built on first use (it takes half a second)."""
    import pint

    return pint.UnitRegistry()


@functools.lru_cache(maxsize=4096)
def ratio(unit: str, target: str) -> float | None:
    """How many of `target` one of `unit` is; None if they are of different dimensions.

    Raises InputError for a text that is no unit, and for a name that nobody knows.
    """
    import pint

    units = registry()
    made = dict.fromkeys((unit, target), units.dimensionless)
    for text in made:
        for name, power in read_unit(text):
            try:
                made[text] = made[text] * units.parse_units(name) ** power
            except (pint.errors.PintError, ValueError, TypeError, AttributeError, ArithmeticError):
                shown = f" in {quoted(text)}" if text != name else ""
                raise InputError(f'unknown unit "{name}"{shown}') from None
    try:
        return float(units.Quantity(1.0, made[unit]).to(made[target]).magnitude)
    except pint.DimensionalityError:
        return None
    except (pint.errors.PintError, ValueError, TypeError, ArithmeticError):  # of a scale with an offset, or of decibels
        return None


def factor(unit: str, dimension: str) -> float:
    """Factor from `unit` to the canonical unit of `dimension`.

    Raises InputError if `unit` is unknown or of another dimension.
    """
    if dimension == "simulated time" and unit in STEPS:
        return 1.0  # of a lattice without units; see couple.chemistry.lattice_units
    wanted = f'give {_a(dimension)}, in a unit like "{_example(CANONICAL[dimension])}"'
    try:
        found = ratio(unit, CANONICAL[dimension])
    except InputError as error:
        raise InputError(f"{error.message}; {wanted}") from None
    if found is None or not found > 0:
        raise InputError(f"{quoted(unit)} is not a unit of {dimension}; {wanted}")
    return found


def _a(dimension: str) -> str:
    """With its article: "a time", "an area"."""
    return f"{'an' if dimension[0] in 'aeiou' else 'a'} {dimension}"


def _example(target: str) -> str:
    """The canonical unit as the input format writes it: 1/um^2 → /um^2."""
    return target.removeprefix("1") if target.startswith("1/") else target


def _like(dimension: str, numbers: str = "1") -> str:
    """What is wanted, with an example: a time, like "1 ms"."""
    return f'{_a(dimension)}, like "{numbers} {_example(CANONICAL[dimension])}"'


def quantity(value: object, dimension: str) -> float:
    """The number in `value` (text such as "0.1 uM") in the canonical unit of `dimension`.

    Raises InputError for anything else: a bare number, an unknown unit, another dimension, a non-finite number.
    """
    if not isinstance(value, str):
        raise InputError(f"{brief(value)} has no unit; give {_like(dimension)}, in quotes")
    found = split_quantity(value)
    if found is None:
        raise InputError(f"{quoted(value)} is not a number with a unit; give {_like(dimension)}")
    number, unit = found
    if not unit:
        raise InputError(f"{quoted(value)} has no unit; give {_like(dimension)}")
    number *= factor(unit, dimension)
    if not math.isfinite(number):
        raise InputError(f"{quoted(value)} is not a finite {dimension}")
    return number


def number_in(value: object, unit: str, notation: Callable[[str], str] = str) -> float:
    """The number of a text with a unit ("0.1 nS") in `unit`, or a plain number where there is no unit ("").

    notation: makes the unit that was given one that can be read, where a simulator has a notation of its own. Raises
    InputError for anything else, and for what is not finite.
    """
    if not unit:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{brief(value)}: NEURON knows no unit of it, give a plain number")
        number = float(value)
    else:
        found = split_quantity(value) if isinstance(value, str) else None
        if found is None or not found[1]:
            raise InputError(f'{brief(value)} has no unit; NEURON has it in {unit}, give text like "1 {unit}"')
        try:
            scale = ratio(notation(found[1]), unit)
        except InputError as error:
            raise InputError(f"{quoted(value)}: {error.message}; NEURON has it in {unit}") from None
        if scale is None:
            raise InputError(f"{quoted(value)} is not in a unit of {unit}")
        number = found[0] * scale
    if not math.isfinite(number):
        raise InputError(f"{brief(value)} is not a finite number")
    return number


def canonical_unit(value: str) -> str:
    """The unit in which a limit on a quantity such as "3 m" is counted: "um"; "" if the text is none."""
    found = split_quantity(value)
    if found is None or not found[1]:
        return ""
    if found[1] in STEPS:
        return STEPS[1]
    for dimension, unit in CANONICAL.items():
        try:
            factor(found[1], dimension)
        except InputError:
            continue
        return _example(unit)
    return ""


def counts_steps(value: object) -> bool:
    """Whether a time is counted in steps of a lattice without units, as "500 steps" is."""
    found = split_quantity(value) if isinstance(value, str) else None
    return found is not None and found[1] in STEPS


def celsius(value: object, dimension: str = "temperature") -> float:
    """Degrees Celsius in text such as "22 celsius" (also degC, C) or "295.15 K"; degrees have an offset, no factor."""
    found = split_quantity(value) if isinstance(value, str) else None
    if found is None or found[1] not in ("celsius", "degC", "°C", "C", "K", "kelvin"):
        raise InputError(f'{brief(value)} is not a {dimension}; give one like "22 celsius" or "295 K"')
    number = found[0] - (273.15 if found[1] in ("K", "kelvin") else 0.0)
    if not -273.15 < number < 100:
        raise InputError(f'{quoted(value)} is no temperature of living matter; give one like "22 celsius"')
    return number


def quantities(value: object, dimension: str) -> tuple[float, ...]:
    """Several numbers that share one unit, as in "0 2 10 ms"."""
    if not isinstance(value, str):
        raise InputError(f"{brief(value)} has no unit; give numbers and one unit, like {_like(dimension, '0 2')}")
    found = split_list(value)
    if found is None:
        raise InputError(f"{quoted(value)} is not a list of numbers with one unit; give {_like(dimension, '0 2')}")
    numbers, unit = found
    if not numbers or not unit:
        missing = "holds no number" if not numbers else "has no unit"
        raise InputError(f"{quoted(value)} {missing}; give {_like(dimension, '0 2')}")
    scale = factor(unit, dimension)
    scaled = tuple(number * scale for number in numbers)
    if not all(map(math.isfinite, scaled)):
        raise InputError(f"{quoted(value)} is not finite; give {_like(dimension, '0 2')}")
    return scaled


def interval(value: object, dimension: str) -> tuple[float, float]:
    """(least, most) of "50 .. 200 um"; the unit may stand once, behind the second number.

    Raises InputError for anything else. The order of the two is for the caller to check.
    """
    example = f'give two numbers and a unit, like "1 .. 3 {_example(CANONICAL[dimension])}"'
    parts = value.split("..") if isinstance(value, str) else []
    first, last = (split_quantity(part) for part in parts) if len(parts) == 2 else (None, None)
    if first is None or last is None:
        raise InputError(f"{brief(value)} is no range; {example}")
    (low, own), (high, unit) = first, last
    try:
        found = low * factor(own or unit, dimension), high * factor(unit, dimension)
    except InputError as error:
        raise InputError(f"{error.message}; {example}") from None
    if not all(map(math.isfinite, found)):
        raise InputError(f"{brief(value)} is not finite; {example}")
    return found


@dataclass(frozen=True)
class QuantityReader:
    """A pydantic validator that turns text with a unit into what `read` makes of it, in canonical units; and back.

    between: what stands between several numbers.
    """

    dimension: str
    read: Callable[[object, str], object]
    between: str = " "

    def __call__(self, value: object) -> object:
        """Raises ValueError for text that does not fit."""
        try:
            return self.read(value, self.dimension)
        except InputError as error:
            raise ValueError(error.message) from None

    @property
    def unit(self) -> str:
        """The canonical unit, as input files write it."""
        return "celsius" if self.dimension == "temperature" else _example(CANONICAL[self.dimension])

    def text(self, values: float | tuple[float, ...], unit: str) -> str:
        """Numbers as input files have them: read again they are the same to the bit."""
        numbers = values if isinstance(values, tuple) else (values,)
        return f"{self.between.join(map(repr, numbers))} {unit}"


def with_unit(dimension: str, read: Callable[[object, str], object] = quantity, between: str = " ") -> BeforeValidator:
    """For fields of a table: text with a unit, see `QuantityReader`; so says the JSON schema, too."""
    reader = QuantityReader(dimension, read, between)
    about = {"description": f"{dimension}, with its unit", "examples": [f"1 {reader.unit}"]}
    return BeforeValidator(reader, json_schema_input_type=Annotated[str, WithJsonSchema({"type": "string", **about})])


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


Time = Annotated[float, with_unit("time")]
"""ms."""
SimulatedTime = Annotated[float, with_unit("simulated time")]
"""ms, or steps of a lattice without units: of what the clock of an experiment counts."""
Length = Annotated[float, with_unit("length")]
LengthOrSites = Annotated[float, BeforeValidator(length_or_sites, json_schema_input_type=float | str)]
Voltage = Annotated[float, with_unit("voltage")]
Concentration = Annotated[float, with_unit("concentration")]
Conductance = Annotated[float, with_unit("conductance")]
ElectricCurrent = Annotated[float, with_unit("current")]
Temperature = Annotated[float, with_unit("temperature", celsius)]
"""Degrees Celsius."""
Diffusion = Annotated[float, with_unit("diffusion coefficient")]
LineDensity = Annotated[float, with_unit("number per length")]
Resistivity = Annotated[float, with_unit("resistivity")]
Capacitance = Annotated[float, with_unit("capacitance per area")]
Permeability = Annotated[float, with_unit("permeability")]
Rate = Annotated[float, with_unit("rate of first order")]
