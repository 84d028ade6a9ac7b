"""A figure and its numbers, on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from couple.base.errors import InputError
from couple.storage.atomic_file import replace
from reducers.reproduce.figure import PublishedFigure, Row
from reducers.training.figures import save_figure


def make(name: str, figure: PublishedFigure, folder: Path, tell: Callable[[str], None]) -> list[Row]:
    """The numbers; they are in folder/NAME.json, the picture in folder/NAME.png.

    Raises InputError if the folder cannot be used, and what the figure raises.
    """
    import matplotlib

    matplotlib.use("Agg")
    parts = folder / name
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror or error}", where=str(parts)) from None
    made = figure.make(parts, tell)
    save_figure(made.drawing, folder / f"{name}.png")
    content = {"name": name, "title": figure.title, "source": figure.source, "rows": [row.json() for row in made.rows]}
    replace(folder / f"{name}.json", json.dumps(content, indent=1).encode())
    return list(made.rows)
