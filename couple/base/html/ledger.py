"""The ledger as HTML, for notebooks and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from couple.base.html.tables import html_table

COLUMNS = {
    "links": ("link", "site", "sent", "received", "carried", "owed", "charge_fC"),
    "sites": ("site", "substance", "held_at_start", "received", "free", "bound", "extruded", "imbalance"),
    "diffusion": ("link", "species", "first", "second", "forth", "back"),
}


def books_html(books: Mapping[str, Any]) -> str:
    """Tables of links, sites and diffusion between sites, in molecules; the largest imbalance in front."""
    parts = [f"<p>Largest imbalance at any exchange: {books['max_imbalance_ions']:g} ions.</p>"]
    for name, columns in COLUMNS.items():
        rows: Sequence[Mapping[str, Any]] = books.get(name, ())
        if rows:
            parts.append(html_table(columns, [[row.get(c) for c in columns] for row in rows], name))
    return "\n".join(parts)


class Books(dict[str, Any]):
    """The ledger as it is stored (`links`, `sites`, `diffusion`, `max_imbalance_ions`); in a notebook, tables."""

    def _repr_html_(self) -> str:
        return books_html(self)
