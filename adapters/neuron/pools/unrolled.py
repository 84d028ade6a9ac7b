"""MOD files with loops written out, and elements of arrays as names of their own: ca[1] → ca__1."""

from __future__ import annotations

import re
from collections.abc import Mapping

from couple.base.errors import InputError

_LOOP = re.compile(r"\bFROM\s+(\w+)\s*=\s*([^{}]*?)\s+TO\s+([^{}]*?)\s*\{")
_COMPARTMENTS = re.compile(r"\bCOMPARTMENT\s+(\w+)\s*,([^{}]*)\{([^{}]*)\}")
_MOST = 1000
"""Turns of a loop."""


def unrolled(text: str) -> str:
    """The text of a MOD file, without comments and C, as that. Raises InputError for indices that are no numbers."""
    for name, number in re.findall(r"\bDEFINE\s+(\w+)\s+(\d+)", text):
        text = re.sub(rf"\bDEFINE\s+{name}\s+\d+", "", text)
        text = re.sub(rf"\b{name}\b", number, text)
    sizes: dict[str, int] = {}
    for name, size in re.findall(r"\b(\w+)\s*\[\s*(\d+)\s*\]", text):
        sizes[name] = max(sizes.get(name, 0), int(size))  # as it is declared; indices are below
    text = _COMPARTMENTS.sub(lambda match: _each(match, sizes), _declared(text))
    while (match := _LOOP.search(text)) is not None:
        text = _without_loop(text, match)
    return re.sub(r"(\w+)\s*\[([\d\s+*-]+)\]", lambda m: f"{m[1]}__{_index(m[2])}", text)


def _each(match: re.Match[str], sizes: Mapping[str, int]) -> str:
    """COMPARTMENT i, expression of i {arrays}: one for each element."""
    lines = []
    for name in re.findall(r"\w+", match[3]):
        for k in range(sizes.get(name, 0)):
            volume = re.sub(rf"\b{match[1]}\b", str(k), match[2])
            lines.append(f"COMPARTMENT {volume} {{ {name}__{k} }}")
    return "\n".join(lines)


def _declared(text: str) -> str:
    """Arrays in declarations (LOCAL, STATE, ASSIGNED, PARAMETER) as all their elements."""

    def elements(match: re.Match[str]) -> str:
        between = ", " if match[0].startswith("LOCAL") else " "
        return re.sub(r"(\w+)\s*\[(\d+)\]", lambda m: between.join(f"{m[1]}__{k}" for k in range(int(m[2]))), match[0])

    return re.sub(r"\bLOCAL\b[^\n]*|\b(?:STATE|ASSIGNED|PARAMETER)\s*\{[^{}]*\}", elements, text)


def _without_loop(text: str, match: re.Match[str]) -> str:
    first, last = _index(match[2]), _index(match[3])
    depth, end = 1, match.end()
    while depth and end < len(text):
        depth += (text[end] == "{") - (text[end] == "}")
        end += 1
    if last - first >= _MOST:
        raise InputError(f"a loop of {last - first + 1} turns is not read here")
    body = text[match.end() : end - 1]
    turns = (re.sub(rf"\b{match[1]}\b", str(k), body) for k in range(first, last + 1))
    return text[: match.start()] + "\n".join(turns) + text[end:]


def _index(text: str) -> int:
    """The value of sums of whole numbers."""
    if not re.fullmatch(r"[\d\s+*-]+", text):
        raise InputError(f'"{text.strip()}" is no whole number here')
    return sum(int(sign.replace(" ", "")) for sign in re.findall(r"[+-]?\s*\d+", text))
