"""The report as tables of text."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape

from couple.analysis.compare.comparison import Comparison, Row, Value
from couple.analysis.compare.two_groups import ALPHA


def show(found: Comparison, console: Console) -> None:
    """Print everything: what is compared, rows, CPU time, what could not be judged. No line is cut."""
    for side in found.sides:
        runs = "one run" if side.runs == 1 else f"{side.runs} runs"
        console.print(escape(f"{side.label}: {side.what}, {runs}"))
    room = console.width if console.is_terminal else None
    for side in found.sides[1:]:
        for line in row_lines(found, side.label, room):
            console.print(line, markup=False)
    if any(side.parts for side in found.sides):
        for line in _aligned(_seconds(found), left=1):
            console.print(line, markup=False)
    for line in verdict(found):
        console.print(escape(line))


def row_lines(found: Comparison, label: str, room: int | None = None) -> list[str]:
    """A table of the rows of one side, its verdict in front; two lines for each where `room` characters are too few."""
    rows = [row for row in found.rows if row.side == label]
    first = found.sides[0].label
    head = ["", "quantity", "of", "unit", first, "+-", label, "+-", "off", "p"]
    table = _aligned([head, *(_cells(row) for row in rows)], left=4)
    if room is None or max(map(len, table)) <= room:
        return table
    narrow = []
    for row in rows:
        (a, da), (b, db) = _both(row.first), _both(row.other)
        values = f"{first} {a}{da and f' +- {da}'}, {label} {b}{db and f' +- {db}'} {row.unit}"
        narrow += [f"{row.verdict}: {row.quantity}, {row.of}", f"  {values}" + (f"; {row.note}" if row.note else "")]
    return narrow


def verdict(found: Comparison) -> list[str]:
    """In words: what differs, and what cannot be judged."""
    lines = []
    judged = [row for row in found.rows if row.differs is not None]
    for side in found.sides[1:]:
        off = list(dict.fromkeys(row.quantity for row in judged if row.side == side.label and row.differs))
        seen = sum(row.side == side.label for row in judged)
        if off:
            lines.append(f"{side.label} differs from {found.sides[0].label} in {', '.join(off)}")
        elif seen:
            exact = all(row.exact for row in judged if row.side == side.label)
            word = "equals" if exact else "is not distinguished from"
            lines.append(
                f"{side.label} {word} {found.sides[0].label}"
                + (": chance alone makes such differences" if not exact else "")
            )
    if judged:
        lines.append(
            f"({len(judged)} comparisons; the chance that equal ones are called different is {ALPHA:g} for all of them "
            "together; what is not distinguished may still differ by less. Errors are standard errors over runs.)"
        )
    return lines + list(found.cannot)


def _aligned(table: list[list[str]], left: int) -> list[str]:
    """Lines with as much room for each column as it needs; the first `left` begin at their left."""
    widths = [max(len(line[c]) for line in table) for c in range(len(table[0]))]
    lines = []
    for line in table:
        cells = [
            cell.ljust(w) if c < left else cell.rjust(w) for c, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _cells(row: Row) -> list[str]:
    return [
        row.verdict,
        row.quantity,
        row.of,
        row.unit,
        *_both(row.first),
        *_both(row.other),
        row.note,
        _p(row.adjusted),
    ]


def _both(value: Value) -> tuple[str, str]:
    return _number(value.mean), "" if math.isnan(value.error) else f"{value.error:.2g}"


def _number(x: float) -> str:
    return "" if math.isnan(x) else f"{x:.4g}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< 1e-6" if p < 1e-6 else f"{p:.2g}"


def _seconds(found: Comparison) -> list[list[str]]:
    """Table of CPU seconds per run, by part."""
    head = ["CPU s per run"]
    for side in found.sides:
        head += [side.label, "+-"]
    table = [[*head, *(f"{found.sides[0].label}/{side.label}" for side in found.sides[1:])]]
    for part in dict.fromkeys(p for side in found.sides for p in side.parts):
        cells = [part]
        for side in found.sides:
            x = side.parts.get(part)
            error = x.std(ddof=1) / math.sqrt(len(x)) if x is not None and len(x) > 1 else math.nan
            cells += ["" if x is None else f"{x.mean():.3g}", "" if math.isnan(error) else f"{error:.1g}"]
        first = found.sides[0].parts.get(part)
        for side in found.sides[1:]:
            x = side.parts.get(part)
            known = first is not None and x is not None and x.mean() > 0
            cells.append(f"{first.mean() / x.mean():.3g}x" if known else "")  # type: ignore[union-attr]
        table.append(cells)
    return table
