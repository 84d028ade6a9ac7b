"""Pictures of reports: drawn without a window, written or refused with a message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from couple.storage.folder.picture_file import write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS = 150
"""Per inch."""


def save_figure(drawing: Figure, path: Path) -> Path:
    """The path, at which the figure is now; it is closed. Raises InputError if it cannot be drawn or written there."""
    import matplotlib.pyplot as plt

    try:
        return write_picture(drawing, path, DOTS)
    finally:
        plt.close(drawing)
