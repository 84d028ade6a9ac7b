"""BioNetGen networks: the `.net` file that BioNetGen writes with generate_network().

Read: parameters (arithmetic), species, elementary reactions with constant rates, groups. Everything else is refused by
name. A species like A(b!1).B(a!1) becomes A_b1_B_a1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.chemistry.arithmetic import evaluate
from adapters.chemistry.model import CountModel, CountReaction, Units, read_units
from couple.base.errors import InputError

READ = ("parameters", "species", "reactions", "groups")
_RATE_LAWS = ("Sat", "MM", "Hill", "FunctionProduct", "Arrhenius", "Ele")


def read_net(path: Path, units: object = None) -> dict[str, Any]:
    """The content of `[chemistry]` from a `.net` file. units: the table `chemistry.units`, which such a file needs.

    Raises InputError that names the file, and the line of what is not read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    given = read_units(units, path.name)
    if given is None:
        raise InputError(
            f'{path.name} does not say its units: add chemistry.units = {{ amount = "count", volume = "1 um^3", '
            'time = "s" } (or amount = "uM" without a volume)'
        )
    try:
        return _model(_blocks(text), given).chemistry()
    except InputError as error:
        raise error.inside(str(path)) from None


def _blocks(text: str) -> dict[str, list[tuple[int, str]]]:
    """Block → (line number, line without its comment and its index)."""
    blocks: dict[str, list[tuple[int, str]]] = {}
    inside = ""
    whole = text.replace("\\\n", " ")
    for number, raw in enumerate(whole.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        start = re.fullmatch(r"begin\s+(.+)", line)
        if start:
            inside = start[1].strip()
            blocks[inside] = []
        elif line.startswith("end ") or line == "end":
            inside = ""
        elif inside:
            blocks[inside].append((number, re.sub(r"^\d+:?\s+", "", line)))
        elif not re.match(r"(setOption|substanceUnits|version)\b", line):
            raise InputError(f'line {number}: "{line}" is outside of a block')
    for name, lines in blocks.items():
        if name not in READ and lines:
            raise InputError(f'line {lines[0][0]}: the block "{name}" is not read; read are: {", ".join(READ)}')
    return blocks


def _model(blocks: dict[str, list[tuple[int, str]]], units: Units) -> CountModel:
    parameters: dict[str, float] = {}
    for number, line in blocks.get("parameters", ()):
        name, _, expression = line.replace("=", " ", 1).partition(" ")
        with _Line(number):
            parameters[name] = evaluate(expression, parameters)
    names: list[str] = []
    counts: dict[str, float] = {}
    for number, line in blocks.get("species", ()):
        with _Line(number):
            pattern, expression = _pair(line)
            if pattern.startswith("$"):
                raise InputError(
                    f'species "{pattern}" is held constant, which is not read; hold it by a [[drive]] clamp'
                )
            if "@" in pattern:
                raise InputError(f'species "{pattern}" is in a compartment; compartments are not read')
            name = _name(pattern, names)
            names.append(name)
            counts[name] = evaluate(expression, parameters) * units.amount
            if counts[name] < 0:
                raise InputError(f'species "{pattern}" starts with a negative amount')
    if not names:
        raise InputError('holds no species; is it a network (.net) written by "generate_network"?')
    reactions = tuple(_reactions(blocks, names, parameters, units))
    observables = dict(_groups(blocks, names))
    return CountModel(units.volume, 0.0, dict.fromkeys(names, "volume"), counts, reactions, observables)


def _reactions(
    blocks: dict[str, list[tuple[int, str]]], names: list[str], parameters: dict[str, float], units: Units
) -> Iterator[CountReaction]:
    for number, line in blocks.get("reactions", ()):
        with _Line(number):
            parts = line.split(None, 2)
            if len(parts) < 3:
                raise InputError(f'"{line}" is not "reactants products rate"')
            left, right = (_members(side, names) for side in parts[:2])
            law = parts[2].strip()
            if law.split("(")[0].split()[0] in _RATE_LAWS:
                raise InputError(f'the rate law "{law}" is not read; elementary rates are')
            rate = evaluate(law, parameters)
            if rate < 0:
                raise InputError(f'the rate "{law}" is negative')
            yield CountReaction(line, left, right, rate * units.amount ** (1 - len(left)) / units.time)


def _members(side: str, names: list[str]) -> tuple[str, ...]:
    """ "1,2" → names; "0" is nothing."""
    if side == "0":
        return ()
    try:
        numbers = [int(n) for n in side.split(",")]
    except ValueError:
        raise InputError(f'"{side}" is not a list of species numbers') from None
    for n in numbers:
        if not 1 <= n <= len(names):
            raise InputError(f"there is no species {n}; there are {len(names)}")
    return tuple(names[n - 1] for n in numbers)


def _groups(blocks: dict[str, list[tuple[int, str]]], names: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Groups of one species that have its name say nothing new and are left out."""
    for number, line in blocks.get("groups", ()):
        with _Line(number):
            parts = line.split(None, 1)
            if len(parts) < 2:
                continue  # no species matches
            if "*" in parts[1]:
                raise InputError(f'group "{parts[0]}" counts molecules more than once, which is not read: leave it out')
            members = _members(parts[1].replace(" ", ""), names)
            name = re.sub(r"\W", "_", parts[0])
            if name in names:
                if members == (name,):
                    continue
                raise InputError(f'group "{name}" has the name of a species; rename it')
            yield name, members


def _pair(line: str) -> tuple[str, str]:
    parts = line.split(None, 1)
    if len(parts) < 2:
        raise InputError(f'"{line}" is not "species amount"')
    return parts[0], parts[1]


def _name(pattern: str, taken: list[str]) -> str:
    """A name for a BNGL pattern: letters, digits and single underscores."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", pattern.replace("()", "").replace("!", "")).strip("_")
    plain = plain if re.match(r"[A-Za-z]", plain) else f"S_{plain}"
    name, k = plain, 2
    while name in taken:
        name, k = f"{plain}_{k}", k + 1
    return name


class _Line:
    """Puts the line's number in front of errors."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, InputError):
            raise InputError(f"line {self.number}: {error.message}") from None
