"""Text of a BioNetGen network, by its blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from adapters.chemistry_files.model import Units
from couple.base.errors import InputError
from couple.base.formats import complaint

READ = ("parameters", "functions", "species", "reactions", "groups")
PASSED_OVER = (
    "molecule types", "observables", "reaction rules", "seed species", "actions", "model", "compartments",
    "energy patterns", "population maps",
)  # fmt: skip
"""Blocks that the network has been made of; what compartments and energies do to rates is in the rates already."""

Lines = list[tuple[int, str]]
"""Number and text of lines that say something."""


def read_text(path: Path) -> str:
    """What a file says; its comments may be in another encoding. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = content.decode("latin-1").split("\n")
        if all(line.split("#", 1)[0].isascii() for line in lines):
            return "\n".join(lines)
        wrong = f"is not text in UTF-8 (byte {error.start})"
        raise InputError(
            complaint(path, "a network of BioNetGen (.net)", "net", otherwise=wrong), where=str(path)
        ) from None


def check_amounts(text: str, units: Units) -> None:
    """Raise InputError where the file says that amounts are numbers, or concentrations, and the table does not."""
    for number, line in _logical_lines(text):
        said = re.match(r"""substanceUnits\s*\(\s*["']?(\w+)""", line)
        if said and said[1].lower() != ("concentration" if units.concentrations else "number"):
            raise InputError(
                f'line {number}: the file says that amounts are in "{said[1]}", and chemistry.units.amount says '
                f"{'a concentration' if units.concentrations else 'a count'}: make them one"
            )


def split_blocks(text: str) -> dict[str, Lines]:
    """Block → (line number, line without its comment)."""
    blocks: dict[str, Lines] = {}
    inside = ""
    for number, line in _logical_lines(text):
        start = re.fullmatch(r"begin\s+(.+)", line)
        if start:
            inside = " ".join(start[1].split())
            blocks.setdefault(inside, [])
        elif re.match(r"end\b", line):
            inside = ""
        elif inside:
            blocks[inside].append((number, line))
        elif not re.match(r"(setOption|substanceUnits|version|generate_network|writeNetwork)\b", line):
            raise InputError(f'line {number}: "{line}" is outside of a block')
    for name, lines in blocks.items():
        if name not in (*READ, *PASSED_OVER) and lines:
            raise InputError(f'line {lines[0][0]}: the block "{name}" is not read; read are: {", ".join(READ)}')
    return blocks


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and text of every line that says something; one that ends in a backslash goes on in the next."""
    begun, first = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].rstrip()
        first = first if begun else number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        whole, begun = (begun + line).strip(), ""
        if whole:
            yield first, whole
