"""Pictures of reports: drawn without a window, written or refused with a message."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from couple.base.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(drawing: Figure, path: Path) -> Path:
    """The path, at which the figure is now; it is closed. Raises InputError if it cannot be drawn or written there."""
    import matplotlib.pyplot as plt

    try:
        drawing.savefig(path, dpi=150)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be drawn: {error}", where=str(path)) from None
    finally:
        plt.close(drawing)
    return path
