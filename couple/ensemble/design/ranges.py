"""What one key may be: values that are listed, or a distribution.

"1 2 5 /ms"                        these values
"1 .. 5 /ms in 9"                  nine at equal distances; "... in 9 log": at equal ratios
"uniform 1 .. 5 /ms"               between two bounds; "loguniform 1 .. 100 uM": equal in the logarithm
"normal 3 0.5 um"                  mean and standard deviation
"truncnormal 3 0.5 1 .. 5 um"      the same within bounds
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest, quoted
from couple.base.unit_text import read_unit, split_list

NUMBERS = {"uniform": 2, "loguniform": 2, "normal": 2, "truncnormal": 4}
"""Distribution → how many numbers it needs."""

MOST = 100_000
"""Values of one key."""

_STEPS = re.compile(r"(?P<ends>.*\S)\s+in\s+(?P<count>\d{1,6})(?P<log>\s+log)?\s*")
_EXAMPLES = '"1 2 5 /ms", "1 .. 5 /ms in 9", or "uniform 1 .. 5 /ms"'


@dataclass(frozen=True)
class Range:
    """One key, as in "site.head.lattice.spacing", and what it may be.

    unit: of the values, as it was written; "" without. values: those that are listed, or else () and a distribution
    with its numbers: low and high; mean and standard deviation, then low and high of "truncnormal".
    """

    key: str
    unit: str
    values: tuple[float, ...] = ()
    distribution: str = ""
    numbers: tuple[float, ...] = ()

    def at(self, quantiles: Floats) -> Floats:
        """(n,) values of the distribution at quantiles in (0, 1)."""
        from scipy import stats

        if self.distribution == "normal":
            return np.asarray(stats.norm.ppf(quantiles, *self.numbers))
        if self.distribution == "truncnormal":
            mean, sd, low, high = self.numbers
            return np.asarray(stats.truncnorm.ppf(quantiles, (low - mean) / sd, (high - mean) / sd, mean, sd))
        low, high = self.numbers
        if self.distribution == "uniform":
            return np.asarray(low + (high - low) * quantiles)
        return np.asarray(low * (high / low) ** quantiles)

    def override(self, value: float) -> str:
        """What `--set` needs for a value, to the last digit."""
        number = repr(int(value)) if value == int(value) and not self.distribution else repr(float(value))
        return f'{self.key}="{number} {self.unit}"' if self.unit else f"{self.key}={number}"


def read_range(key: str, text: object) -> Range:
    """The range of a key from its text, or from a list of numbers. Raises InputError that names the key."""
    try:
        return _read(key, text)
    except InputError as error:
        raise error.at(f'vary."{key}"') from None


def _read(key: str, text: object) -> Range:
    if isinstance(text, list | tuple) and text and all(_is_number(one) for one in text):
        return Range(key, "", _finite(tuple(map(float, text))))
    if _is_number(text):
        text = repr(text)
    if not isinstance(text, str):
        raise InputError(f"{quoted(text)} is no range: give {_EXAMPLES}")
    first, _, rest = text.strip().partition(" ")
    if first[:1].isalpha():
        if first not in NUMBERS:
            raise InputError(f'no distribution "{first}"; {nearest(first, NUMBERS)} (only numbers can vary)')
        return _distribution(key, first, rest)
    if (steps := _STEPS.fullmatch(text)) is not None:
        return _steps(key, steps["ends"], int(steps["count"]), log=steps["log"] is not None)
    if ".." in text:
        raise InputError(f'{quoted(text)}: between, but how many? Add "in 9", or write "uniform {text.strip()}"')
    values, unit = _numbers(text)
    return Range(key, unit, _finite(values))


def _distribution(key: str, name: str, text: str) -> Range:
    numbers, unit = _numbers(text.replace("..", " "))
    if len(numbers) != NUMBERS[name]:
        wanted = {2: "two numbers", 4: "mean, standard deviation, low .. high"}[NUMBERS[name]]
        raise InputError(f"{name} needs {wanted}, {len(numbers)} are given")
    _finite(numbers)
    if "normal" in name and not numbers[1] > 0:
        raise InputError(f"a standard deviation of {numbers[1]:g} is none: give one above 0")
    if name != "normal":
        low, high = numbers[-2:]
        if not low < high:
            raise InputError(f"from {low:g} to {high:g} is nothing: give the lower bound first")
        if name == "loguniform" and not low > 0:
            raise InputError(f"loguniform from {low:g}: has no logarithm, give a bound above 0")
    return Range(key, unit, (), name, numbers)


def _steps(key: str, ends: str, count: int, *, log: bool) -> Range:
    numbers, unit = _numbers(ends.replace("..", " "))
    if len(numbers) != 2 or ".." not in ends:
        raise InputError(f'{quoted(ends)} is not of the form "1 .. 5 /ms"')
    if not 2 <= count <= MOST:
        raise InputError(f"in {count}: give 2 to {MOST} values")
    low, high = _finite(numbers)
    if log and not (low > 0 and high > 0):
        raise InputError(f"{min(low, high):g} has no logarithm: give bounds above 0")
    values = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return Range(key, unit, tuple(values.tolist()))


def _numbers(text: str) -> tuple[tuple[float, ...], str]:
    """Numbers and their unit, which has to be one, though nothing says yet of what."""
    found = split_list(text)
    if found is None or not found[0]:
        raise InputError(f"{quoted(text)} holds no numbers: give {_EXAMPLES}")
    numbers, unit = found
    if unit:
        read_unit(unit)
    return tuple(numbers), unit


def _finite(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if not np.isfinite(numbers).all():
        raise InputError("holds a number that is not finite")
    if len(numbers) > MOST:
        raise InputError(f"{len(numbers)} values: give up to {MOST}")
    return numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
