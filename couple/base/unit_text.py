"""The text of a quantity, "2.5e-3 um^2/s", taken apart by a small grammar before anything calculates with it.

    quantity  =  number [ unit ]
    number    =  [ + | - ] digits [ . digits ] [ e [ + | - ] digits ]
    unit      =  [ [ 1 ] / ] power { [ * | / ] power }          a blank multiplies, too
    power     =  ( name | "(" unit ")" ) [ ( ^ | ** ) exponent ]
    exponent  =  [ + | - ] one or two digits, also as ² or ⁻¹, or either in brackets

A library of units gets names and small whole exponents, one by one, and never a text that it could work out: powers of
powers, divisions by zero and comments end here. What is longer than the limits below is no quantity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from couple.base.errors import InputError, brief

LONGEST_NUMBER = 64
"""Characters of a number; 17 digits are all that a float keeps."""
LONGEST_UNIT = 120
"""Characters of a unit."""
LONGEST_NAME = 40
"""Characters of a name in it; "micromolar" has 10."""
MOST_FACTORS = 12
"""Names in a unit."""
HIGHEST_POWER = 12
"""Of a name in a unit, all of it together: kernels know none above 4."""

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*", re.DOTALL)
_NUMBERS = re.compile(_NUMBER)
_LETTERS = r"A-Za-z_\u00b5\u03bc\u03a9\u2126\u00c5\u212b"
"""Of names: also both signs for micro, ohm and angstrom."""
_TOKEN = re.compile(
    rf"\s*(?:(?P<name>[{_LETTERS}°%][{_LETTERS}0-9]*)"
    r"|(?P<power>(?:\^|\*\*)\s*(?:\(\s*[-+]?[0-9]{1,2}\s*\)|[-+]?[0-9]{1,2})(?![0-9.])|[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})"
    r"|(?P<sign>[*/·()]|1(?![0-9.])))"
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


def split_quantity(text: str) -> tuple[float, str] | None:
    """The number and the unit ("" without one) of "1.5 um/s"; None for what begins with no number, or is too long."""
    if len(text) > LONGEST_NUMBER + LONGEST_UNIT:
        return None
    match = _QUANTITY.fullmatch(text)
    if match is None or len(match[1]) > LONGEST_NUMBER:
        return None
    return float(match[1]), match[2]


def split_list(text: str) -> tuple[list[float], str] | None:
    """The numbers and the unit that they share of "0 2 10 ms"; None for what is neither, or too long."""
    words = text.split()
    n = next((k for k, word in enumerate(words) if not _NUMBERS.fullmatch(word)), len(words))
    numbers, unit = words[:n], words[n:]
    if unit and not numbers:
        first = split_quantity(unit[0])  # "1ms" is a number that touches its unit
        if first is None:
            return None
        return [first[0]], " ".join([first[1], *unit[1:]]).strip()
    if any(len(word) > LONGEST_NUMBER for word in numbers) or sum(map(len, unit)) > LONGEST_UNIT:
        return None
    return [float(word) for word in numbers], " ".join(unit)


@dataclass
class _Reader:
    """Where a unit is being read. depth: of brackets that are open."""

    text: str
    at: int = 0
    depth: int = 0
    found: list[tuple[str, int]] = field(default_factory=list)

    def token(self) -> tuple[str, str]:
        """Kind and text of the next token, which is passed; ("", "") at the end."""
        if not self.text[self.at :].strip():
            return "", ""
        match = _TOKEN.match(self.text, self.at)
        if match is None or match.lastgroup is None:
            raise self.unreadable()
        self.at = match.end()
        return match.lastgroup, match[match.lastgroup]

    def unreadable(self) -> InputError:
        """What is said of a unit that the grammar does not have."""
        return InputError(f'{brief(self.text)} is no unit; write names, *, / and whole exponents, like "um^2/s"')

    def unit(self, sign: int) -> None:
        """A unit to its end, or to the bracket that closes it; every exponent times `sign`."""
        over, due = sign, True  # due: a name or a bracket has to come
        first = True
        while True:
            kind, token = self.token()
            if kind == "sign" and token == "1" and first:
                due = False
            elif kind == "name":
                self.factor([(token, 1)], over)
                over, due = sign, False
            elif token == "(":
                inner = _Reader(self.text, self.at, self.depth + 1)
                if inner.depth > MOST_FACTORS:
                    raise self.unreadable()
                inner.unit(1)
                self.at = inner.at
                self.factor(inner.found, over)
                over, due = sign, False
            elif token == "/" and (not due or first):
                over, due = -sign, True
            elif token in ("*", "·") and not due:
                due = True
            elif ((token == ")" and self.depth) or (not kind and not self.depth)) and not due:
                return
            else:
                raise self.unreadable()
            first = False

    def factor(self, names: list[tuple[str, int]], over: int) -> None:
        """Names, to the power that stands behind them."""
        here = self.at
        kind, token = self.token()
        power = 1
        if kind == "power":
            power = int(token.translate(_RAISED).lstrip("^*").strip("() ").replace(" ", ""))
        else:
            self.at = here
        self.found += [(name, n * power * over) for name, n in names]
        if len(self.found) > MOST_FACTORS or any(abs(n) > HIGHEST_POWER for _, n in self.found):
            raise self.unreadable()


def read_unit(text: str) -> tuple[tuple[str, int], ...]:
    """Names and exponents of a unit: "um^2/ms" → (("um", 2), ("ms", -1)); none of an empty text.

    Raises InputError for a text that is no unit by the grammar, or longer than the limits.

    >>> read_unit("1/mM/ms")
    (('mM', -1), ('ms', -1))
    """
    if not text.strip():
        return ()
    reader = _Reader(text)
    if len(text) > LONGEST_UNIT:
        raise reader.unreadable()
    reader.unit(1)
    if any(len(name) > LONGEST_NAME for name, _ in reader.found):
        raise reader.unreadable()
    return tuple(reader.found)
