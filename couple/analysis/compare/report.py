"""The report as tables of text."""

from __future__ import annotations

import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from couple.analysis.compare.comparison import Comparison, Row, Value
from couple.analysis.compare.statistics import ALPHA

WIDE = 132
"""Characters of a line, also where the terminal is narrower: numbers are not cut."""


def show(found: Comparison, console: Console) -> None:
    """Print everything: what is compared, rows, CPU time, what could not be judged."""
    for side in found.sides:
        runs = "one run" if side.runs == 1 else f"{side.runs} runs"
        console.print(escape(f"{side.label}: {side.what}, {runs}"))
    wide = Console(file=console.file, width=max(console.width, WIDE), highlight=False)
    for side in found.sides[1:]:
        wide.print(_rows(found, side.label))
    if any(side.parts for side in found.sides):
        wide.print(_seconds(found))
    for line in verdict(found):
        console.print(escape(line))


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
            lines.append(f"{side.label}: no difference from {found.sides[0].label} that chance would not make")
    if judged:
        lines.append(
            f"({len(judged)} comparisons; the chance that equal ones are called different is {ALPHA:g} for all of them "
            "together. Errors are standard errors over runs.)"
        )
    return lines + list(found.cannot)


def _rows(found: Comparison, label: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("quantity", "of", "unit"):
        table.add_column(name, no_wrap=True)
    for name in (found.sides[0].label, "+-", label, "+-", "off", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    last = ""
    for row in found.rows:
        if row.side == label:
            table.add_row(*map(escape, _cells(row, row.quantity if row.quantity != last else "")))
            last = row.quantity
    return table


def _cells(row: Row, name: str) -> list[str]:
    word = {None: "not judged", True: "DIFFERS", False: "agrees"}[row.differs]
    return [name, row.of, row.unit, *_both(row.first), *_both(row.other), row.note, _p(row.adjusted), word]


def _both(value: Value) -> tuple[str, str]:
    return _number(value.mean), "" if math.isnan(value.error) else f"{value.error:.2g}"


def _number(x: float) -> str:
    return "" if math.isnan(x) else f"{x:.4g}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< 1e-6" if p < 1e-6 else f"{p:.2g}"


def _seconds(found: Comparison) -> Table:
    """CPU seconds per run, by part."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("CPU s per run")
    for side in found.sides:
        table.add_column(side.label, justify="right")
        table.add_column("+-", justify="right")
    for side in found.sides[1:]:
        table.add_column(f"{found.sides[0].label}/{side.label}", justify="right")
    for part in dict.fromkeys(p for side in found.sides for p in side.parts):
        cells = []
        for side in found.sides:
            x = side.parts.get(part)
            error = x.std(ddof=1) / math.sqrt(len(x)) if x is not None and len(x) > 1 else math.nan
            cells += ["" if x is None else f"{x.mean():.3g}", "" if math.isnan(error) else f"{error:.1g}"]
        first = found.sides[0].parts.get(part)
        for side in found.sides[1:]:
            x = side.parts.get(part)
            known = first is not None and x is not None and x.mean() > 0
            cells.append(f"{first.mean() / x.mean():.3g}x" if known else "")  # type: ignore[union-attr]
        table.add_row(escape(part), *cells)
    return table
