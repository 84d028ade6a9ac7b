"""How figures look: a journal's column wide, embedded fonts, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from couple.base.errors import RunError
from couple.storage.folder.picture_file import write_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM = 1 / 25.4
WIDTH = 120 * MM
"""inch: one and a half columns of most journals; scales to one without small print below 5 pt."""

FORMATS = ("png", "pdf", "svg")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe & Ito (2008), strongest first."""

MAP = "viridis"
"""For many sites and for maps: even steps of lightness, also in grey."""

DOTS = 300


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib with the settings of our figures and without a window.

    >>> with styled():
    ...     import matplotlib.pyplot as plt
    ...     drawing, axes = plt.subplots()
    """
    try:
        import matplotlib
        from cycler import cycler

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except OSError as error:
        advice = "set MPLCONFIGDIR to a folder that can be written to"
        raise RunError(f"no figure can be drawn: {str(error).splitlines()[0]}; {advice}") from error

    with plt.rc_context(
        {
            "font.family": "sans-serif",
            "font.size": 7,
            "axes.titlesize": 7,
            "legend.fontsize": 6.5,
            "axes.linewidth": 0.6,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "xtick.major.size": 2.5,
            "ytick.major.size": 2.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.labelpad": 3,
            "legend.frameon": False,
            "legend.handlelength": 1.4,
            "legend.columnspacing": 1.2,
            "legend.borderaxespad": 0.1,
            "pdf.fonttype": 42,  # fonts go into the file, and text stays text
            "svg.fonttype": "path",
            "savefig.dpi": DOTS,
        }
    ):
        yield


def panels(
    n: int, height: float = 27.0, extra: float = 10.0, columns: int = 1, **more: object
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels above each other, or row by row in columns; `height` and `extra` in mm."""
    import matplotlib.pyplot as plt

    rows = -(-n // columns)
    drawing, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, (rows * height + extra) * MM), squeeze=False, layout="constrained", **more
    )
    drawing.get_layout_engine().set(h_pad=0.03, w_pad=0.03)
    return drawing, list(axes.ravel())


def head(drawing: Figure, title: str, note: str) -> None:
    """The first line of a figure: what it shows."""
    drawing.suptitle(f"{title}  ·  {note}", x=0.01, ha="left", fontsize=7, color="0.25")


def save(drawing: Figure, path: Path, dpi: float | None = None) -> None:
    """Write and close a figure. dpi: of pixels, those of the style if not given. Raises as `write_picture`."""
    import matplotlib.pyplot as plt

    try:
        write_picture(drawing, path, plt.rcParams["savefig.dpi"] if dpi is None else dpi)
    finally:
        plt.close(drawing)
