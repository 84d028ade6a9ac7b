"""MOD files whose mechanism can be given a concentration of its own, while all others read that of the segment.

Every reading of `cai` in their statements becomes `(cai + couple_has_cai*(couple_cai - cai))`: with the flag at 0, as
it is everywhere but in coupled segments, that is `cai` to the bit.
"""

from __future__ import annotations

import re
from pathlib import Path

from adapters.neuron.mechanisms.source import blanked
from couple.base.errors import InputError

_BLOCK = re.compile(
    r"\b(INITIAL|BREAKPOINT|DERIVATIVE|KINETIC|PROCEDURE|FUNCTION|LINEAR|NONLINEAR|NET_RECEIVE|BEFORE|AFTER)\b([^{}]*)\{"
)
_NEURON = re.compile(r"\bNEURON\s*\{")


def value_name(ion: str) -> str:
    """The range variable by which a mechanism is given the concentration of an ion."""
    return f"couple_{ion}i"


def flag_name(ion: str) -> str:
    """The range variable that says whether it is given one: 0 or 1."""
    return f"couple_has_{ion}i"


def with_given(text: str, ion: str, file: Path, where: str) -> str:
    """The text of a MOD file that reads the concentration of an ion, so that it can be given one of its own.

    Raises InputError for one that does not read it, that writes it, or that uses it where it cannot be replaced.
    """
    code, name = blanked(text), f"{ion}i"
    uses = [m[0] for m in re.finditer(rf"\bUSEION\s+{ion}\b(?:(?!USEION)[^}}])*", code)]
    words = [re.findall(r"\w+", use.partition("WRITE")[i]) for use in uses for i in (0, 2)]
    if not any(name in reads for reads in words[::2]) or any(name in writes for writes in words[1::2]):
        what = "writes" if any(name in writes for writes in words[1::2]) else "does not read"
        raise InputError(f"{file.name} {what} {name}", where=where)
    hidden = [*re.findall(r"VERBATIM.*?ENDVERBATIM", text, re.DOTALL), *re.findall(r"\bTABLE\b[^\n]*", code)]
    if any(re.search(rf"\b(_ion_)?{name}\b", part) for part in hidden):
        raise InputError(f"{file.name} uses {name} in VERBATIM or TABLE, where it cannot be given", where=where)
    made = _replaced(text, code, name, f"({name} + {flag_name(ion)}*({value_name(ion)} - {name}))")
    head = _NEURON.search(blanked(made))
    at = len(text) if head is None else head.end()
    declared = f" RANGE {flag_name(ion)}, {value_name(ion)}\n"
    return f"{made[:at]}{declared}{made[at:]}\nPARAMETER {{ {flag_name(ion)} = 0  {value_name(ion)} = 0 }}\n"


def _replaced(text: str, code: str, name: str, by: str) -> str:
    """The text with a name replaced in the statements of all blocks in which it is not a variable of their own."""
    places: list[int] = []
    at = 0
    while (match := _BLOCK.search(code, at)) is not None:
        at = _closing(code, match.end() - 1)
        body = code[match.end() : at]
        own = re.search(rf"\b{name}\b", match[2]) or re.search(rf"\bLOCAL\b[^\n]*\b{name}\b", body)
        if not own:
            places += [match.end() + m.start() for m in re.finditer(rf"(?<![\w.]){name}\b(?!\s*\()", body)]
    for place in reversed(places):
        text = text[:place] + by + text[place + len(name) :]
    return text


def _closing(code: str, at: int) -> int:
    depth = 0
    for i in range(at, len(code)):
        depth += (code[i] == "{") - (code[i] == "}")
        if depth == 0:
            return i
    return len(code)
