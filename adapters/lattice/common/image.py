"""Pictures of configurations. matplotlib is imported here and only when one is drawn."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from couple.base.errors import InputError, nearest
from couple.files.open_hdf5 import read_hdf5
from couple.storage.folder.picture_file import write_picture
from couple.storage.records.results import KIND

# Colour-blind safe (Okabe & Ito), white for empty cells.
_COLOURS = ("#FFFFFF", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def configuration(results: Path, component: str, row: int, site: int = 0) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Codes of all cells in the shape of the lattice, and the species behind the codes, from a result file.

    Raises InputError if no snapshots of that component were recorded (lattice.snapshots = true), or no such row.
    """
    with read_hdf5(results, KIND) as file:
        path = f"{component}/snapshot"
        if path not in file:
            known = [name for name, group in file.items() if isinstance(group, h5py.Group) and "snapshot" in group]
            raise InputError(f'no snapshots of "{component}"; {nearest(component, known)}', where=str(results))
        data, attributes = file[path], file[component].attrs
        if not -len(data) <= row < len(data):
            raise InputError(f"row {row} of {len(data)} snapshots", where=str(results))
        shape = np.atleast_2d(attributes["shape"])
        shape = shape[min(site, len(shape) - 1)]
        return data[row, site, : int(np.prod(shape))].reshape(shape), [str(s) for s in attributes["codes"]]


def draw(codes: npt.NDArray[np.uint8], names: list[str], path: Path) -> Path:
    """Draw a configuration of one or two dimensions, of three its middle layer; returns the picture's path.

    names: of the species behind the codes, the first for empty cells. The suffix of `path` sets the format. Raises
    InputError if it cannot be written there.
    """
    import matplotlib
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    plane = np.atleast_2d(np.squeeze(codes))
    plane = plane[plane.shape[0] // 2] if plane.ndim == 3 else plane
    shown = np.where(plane == 255, len(names), plane)  # outside of the mask
    colours = [_COLOURS[k % len(_COLOURS)] for k in range(len(names))] + ["#BBBBBB"]
    with matplotlib.rc_context({"font.size": 9, "legend.frameon": False}):
        drawing = Figure(figsize=(6.0, 4.6), layout="constrained")
        ax = drawing.subplots()
        norm = BoundaryNorm(np.arange(len(colours) + 1) - 0.5, len(colours))
        ax.imshow(shown, cmap=ListedColormap(colours), norm=norm, interpolation="nearest", aspect="equal")
        ax.set_xticks([])
        ax.set_yticks([])
        patches = [Patch(facecolor=c, label=n) for c, n in zip(colours[1:-1], names[1:], strict=True)]
        ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return write_picture(drawing, path, 200)
