"""Figures of results and ensembles. matplotlib is imported here and only when a figure is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from couple.analysis.plot.kinds import Kind, draw, kinds_of
from couple.analysis.plot.style import COLOURS, FORMATS, save, styled
from couple.base.errors import InputError, nearest
from couple.storage.records.record_file import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "Kind", "figure", "figure_of", "kinds_of", "styled"]


def figure(
    recording: Recording, path: Path, kind: Kind | None = None, of: str | None = None, *, by_site: bool = False
) -> Path:
    """Draw a result or ensemble file; returns the picture's path.

    path: its suffix sets the format (png without one); in a folder, figure.png.
    kind: "traces" (voltage, free ions, observables, ions in and out, over time; of an ensemble means with bands),
    "parameters" (means over time against each key that varies; the default where one does), "sites" (free ions of every
    site over time, as a map), "along" (those of a dendrite, by distance), "ledger" and "timing" (of one run).
    of: pattern of what is drawn of the traces: "V", "Ca", "SK*". by_site: a panel for each site.
    Raises InputError for a format that is not drawn, a kind that the file does not have, and a disk that refuses.

    >>> with Results("OUT") as results:
    ...     print(figure(results, Path("calcium.png")))
    calcium.png
    """
    path = path / "figure.png" if path.is_dir() else path
    path = path if path.suffix else path.with_suffix(".png")
    if path.suffix[1:].lower() not in FORMATS:
        raise InputError(f'"{path.suffix}" is not drawn; give one of {", ".join(FORMATS)}', where=str(path))
    with styled():
        save(figure_of(recording, kind, of, by_site=by_site), path)
    return path


def figure_of(recording: Recording, kind: str | None = None, of: str | None = None, *, by_site: bool = False) -> Figure:
    """The figure, open; see `figure`. Raises InputError for a kind that the file does not have."""
    kinds = get_args(Kind)
    if kind is not None and kind not in kinds:
        raise InputError(f'unknown kind "{kind}"; {nearest(kind, kinds)}', where="--kind")
    known = kinds_of(recording)
    usual: Kind = "parameters" if "parameters" in known and of is None and not by_site else "traces"
    chosen = next((one for one in known if one == (kind or usual)), None)
    if chosen is None:
        message = f'has no "{kind}", only {", ".join(known) or "nothing"}' if kind else "holds nothing to draw"
        raise InputError(message, where=str(recording.path))
    if chosen != "traces" and (of is not None or by_site):
        raise InputError(f'"{chosen}" is drawn whole: of and by_site choose traces', where="--of" if of else "--by")
    return draw(recording, chosen, of, by_site=by_site)
