"""A figure for notebooks: it shows itself at the end of a cell, whatever matplotlib is set up for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from couple.analysis.plot import figure_of
from couple.analysis.plot.style import styled
from couple.storage.folder.picture_file import write_picture
from couple.storage.records.record_file import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 200
"""In an inch of a notebook."""


class Picture:
    """figure: of matplotlib, to be changed before it is shown or saved."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with styled():
            self.figure.savefig(buffer, format="png", dpi=PIXELS)
        return buffer.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write it; the suffix sets the format (png, pdf, svg). Raises as `couple.figure`."""
        import matplotlib.pyplot as plt

        with styled():
            return write_picture(self.figure, Path(path), plt.rcParams["savefig.dpi"])


def picture(recording: Recording, kind: str | None = None) -> Picture:
    """The figure of a recording. Raises InputError for a kind that it does not have."""
    import matplotlib.pyplot as plt

    with styled():
        drawing = figure_of(recording, kind)
        plt.close(drawing)  # shown by itself, and not once more by pyplot
    return Picture(drawing)
