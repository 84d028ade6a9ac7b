"""Pictures that move: the model in space coloured by what it does, particles of a lattice, traces with the moment."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from couple.analysis.plot.style import COLOURS, MAP, MM, WIDTH, head, styled
from couple.analysis.plot.traces import draw_traces
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.storage.folder.contents import PICTURE
from couple.storage.folder.picture_file import put_picture
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results
from couple.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES, SPEED, PIXELS = 100, 20, 110
"""Frames at most, of them in a second, and dots of an inch."""
FORMATS = ("gif", "mp4")
OUTSIDE = 255
"""Code of a lattice cell outside of a mask."""

LINE = 77
"""Grey of the line at the moment."""

SHORT = 0.02
"""Of the extent of the model: shorter segments with a value are marked by a dot, or spines are not seen."""

Image = npt.NDArray[np.uint8]
"""(height, width, 3)."""
Update = Callable[[int], None]
"""Draws the row of the record with this number."""


def movie(recording: Recording, path: Path, of: str | None = None) -> Path:
    """Draw a run over time; returns the path.

    path: its suffix sets the format: gif, or mp4 where ffmpeg is installed. of: pattern of the traces that are drawn
    below, see `figure`. Above them: the shape of the model, its segments coloured by V (without V by free ions of
    sites), if the results have one; particles of the first site with snapshots.
    Raises InputError for an ensemble, another format, mp4 without ffmpeg, and what `figure` raises.
    """
    form = path.suffix[1:].lower()
    if form not in FORMATS:
        raise InputError(f'"{path.suffix}" is no format of a movie; give one of {", ".join(FORMATS)}', where=str(path))
    if form == "mp4" and shutil.which("ffmpeg") is None:
        raise InputError("mp4 is made by ffmpeg, which is not installed: install it, or give a .gif", where=str(path))
    if not isinstance(recording, Results):
        raise InputError("a movie shows one run: give results.h5, not an ensemble", where=str(recording.path))
    if len(recording.time) < 2:
        raise InputError("holds fewer than two rows: nothing moves", where=str(recording.path))
    with styled():
        put_picture(path, _drawn(recording, form, of))
    return path


def _drawn(results: Results, form: str, of: str | None) -> bytes:
    """The content of the file: figures of space and of traces below each other, each laid out by itself."""
    import matplotlib.pyplot as plt

    figures, updates = [], list[Update]()
    try:
        above = [make for make in (_shape(results), _particles(results)) if make is not None]
        if above:
            space, axes = plt.subplots(1, len(above), figsize=(WIDTH, 60 * MM), squeeze=False, layout="constrained")
            figures.append(space)
            updates += [make(ax) for make, ax in zip(above, axes[0], strict=True)]
        traces = draw_traces(results, of)
        figures.append(traces)
        rows = sorted({int(k) for k in np.linspace(0, len(results.time) - 1, min(FRAMES, len(results.time)))})
        below = None
        if above:  # traces stay as they are but for the line at the moment: drawn once
            traces.suptitle("")
            below = _Moments(traces, _pixels(traces))
        else:
            updates += [_moment(ax, results.time) for ax in traces.axes if ax.get_lines()]
        frames = []
        for row in rows:
            for update in updates:
                update(row)
            head(figures[0], results.name, f"t = {results.time[row]:.4g} {results.time_unit}")
            parts = [_pixels(figures[0])]
            frames.append(_below_each_other(parts + ([] if below is None else [below.at(results.time[row])])))
    finally:
        for figure in figures:
            plt.close(figure)
    return _gif(frames) if form == "gif" else _mp4(frames)


def _pixels(figure: Any) -> Image:
    """(height, width, 3) of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(PIXELS)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _below_each_other(parts: list[Image]) -> Image:
    """One picture, of even sides (which codecs of films want), white where a part is narrower."""
    wide, high = max(p.shape[1] for p in parts), sum(p.shape[0] for p in parts)
    whole = np.full((high + high % 2, wide + wide % 2, 3), 255, dtype=np.uint8)
    top = 0
    for part in parts:
        whole[top : top + part.shape[0], : part.shape[1]] = part
        top += part.shape[0]
    return whole


def _gif(frames: list[Image]) -> bytes:
    """By Pillow, with a comment by which it is known as ours."""
    from PIL import Image as Pictures

    made = [Pictures.fromarray(frame).quantize(128) for frame in frames]
    out = io.BytesIO()
    each = round(1000 / SPEED)
    made[0].save(out, "GIF", save_all=True, append_images=made[1:], duration=each, loop=0, comment=PICTURE.encode())
    return out.getvalue()


def _mp4(frames: list[Image]) -> bytes:
    """By ffmpeg. Raises RunError with what it says if it fails."""
    high, wide = frames[0].shape[:2]
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{wide}x{high}", "-r", str(SPEED), "-i", "-"]
    asked = ["-pix_fmt", "yuv420p", "-metadata", f"comment={PICTURE}"]
    with scratch_folder("movie") as folder:
        place = folder / "movie.mp4"
        command = ["ffmpeg", "-loglevel", "error", *given, *asked, str(place)]
        done = subprocess.run(command, input=b"".join(f.tobytes() for f in frames), capture_output=True, check=False)
        if done.returncode or not place.is_file():
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise RunError(f"ffmpeg made no movie: {said[-1] if said else 'it says nothing'}; give a .gif")
        return place.read_bytes()


class _Moments:
    """The picture of a figure, with a line at a moment in each panel."""

    def __init__(self, figure: Any, picture: Image) -> None:
        self._panels, self._picture = [ax for ax in figure.axes if ax.get_lines()], picture

    def at(self, time: float) -> Image:
        """A copy with the lines. time: as of the axis."""
        shown, high = self._picture.copy(), len(self._picture)
        for ax in self._panels:
            x = round(ax.transData.transform((time, 0.0))[0])
            bottom, top = (high - round(y) for y in (ax.bbox.y0, ax.bbox.y1))
            shown[max(top, 0) : bottom, min(max(x, 0), shown.shape[1] - 1)] = LINE
        return shown


def _moment(ax: Axes, time: Floats) -> Update:
    """A line at the moment."""
    line = ax.axvline(time[0], color="0.3", lw=0.6)
    return lambda row: line.set_xdata([time[row], time[row]])


def _shape(results: Results) -> Callable[[Axes], Update] | None:
    """Segments as lines, in the plane in which they are spread most."""
    if "morphology" not in results.file:
        return None
    group = results.file["morphology"]
    names = [name.decode() for name in group["name"][()].tolist()]
    frusta, of = np.asarray(group["frusta"][()], dtype=float), np.asarray(group["segment"][()])
    values, label = _of_segments(results, names, group)
    if not values:
        return None

    def make(ax: Axes) -> Update:
        from matplotlib import colormaps
        from matplotlib.collections import LineCollection

        ends = frusta.reshape(-1, 2, 4)
        points = ends[..., :3].reshape(-1, 3)
        axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][:2]
        lines = (ends[..., :3] - points.mean(axis=0)) @ axes.T
        colours = colormaps[MAP].with_extremes(bad="0.8")  # of segments without a value
        width = np.clip(ends[..., 3].mean(axis=1), 0.3, None)
        shown = LineCollection(list(lines), linewidths=0.6 + 2.4 * width / width.max(), cmap=colours)
        every = np.array(list(values.values()))
        low, high = float(np.nanmin(every)), float(np.nanmax(every))
        shown.set_clim(low, high if high > low else low + 1.0)
        ax.add_collection(shown)
        ax.autoscale_view()
        long = np.array([np.linalg.norm(np.ptp(lines[of == s].reshape(-1, 2), axis=0)) for s in values])
        extent = float(np.ptp(lines, axis=(0, 1)).max())
        dotted = [s for s, length in zip(values, long, strict=True) if length < SHORT * extent]
        middles = np.array([lines[of == s].reshape(-1, 2).mean(axis=0) for s in dotted]).reshape(-1, 2)
        dots = ax.scatter(middles[:, 0], middles[:, 1], c=np.zeros(len(dotted)), s=14, cmap=colours, zorder=3)
        dots.set(norm=shown.norm, edgecolor="0.3", linewidth=0.3)
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_axis_off()
        ax.figure.colorbar(shown, ax=ax, label=label, shrink=0.8, aspect=20)

        def update(row: int) -> None:
            now = np.full(len(names), np.nan)
            for segment, course in values.items():
                now[segment] = course[row]
            shown.set_array(np.ma.masked_invalid(now[of]))
            dots.set_array(now[dotted])

        return update

    return make


def _of_segments(results: Results, names: list[str], group: Any) -> tuple[dict[int, Floats], str]:
    """Number of a segment → (n_rows,) of V; of free ions of sites where no V is recorded. And the label."""
    number = {name: k for k, name in enumerate(names)}
    voltages = {number[s]: np.asarray(v) for s, v in results.voltages().items() if s in number}
    if voltages:
        return voltages, "V (mV)"
    if "site" not in group:
        return {}, ""
    sites = [site.decode() for site in group["site"][()].tolist()]
    places = dict(zip(sites, group["site_segment"][()].tolist(), strict=True))
    species = next((s for site in sites if site in results.sites() for s in results.free(site)), "")
    values = {
        int(places[site]): np.asarray(results.micromolar(site, species))
        for site in sites
        if site in results.sites() and species in results.free(site)
    }
    return values, f"free {species} (µM)"


def _particles(results: Results) -> Callable[[Axes], Update] | None:
    """Particles of the first site with snapshots, along the first of three dimensions."""
    found = next(((s, *at) for s, at in results.sites().items() if f"{at[0]}/snapshot" in results.file), None)
    if found is None:
        return None
    site, component, row = found
    group = results.file[component]
    codes, shapes = [str(s) for s in group.attrs["codes"]], np.atleast_2d(group.attrs["shape"])
    shape = [int(n) for n in shapes[min(row, len(shapes) - 1)]]
    cells = int(np.prod(shape))

    def make(ax: Axes) -> Update:
        dots = [
            ax.plot([], [], ".", ms=2, color=COLOURS[k % len(COLOURS)], label=name)[0]
            for k, name in enumerate(codes[1:])
        ]
        across = shape[-2] if len(shape) > 1 else 1
        ax.set(xlim=(-1, shape[-1]), ylim=(-1, across), title=site, xticks=[], yticks=[])
        ax.set_aspect("equal")
        ax.legend(fontsize=5, loc="upper left", bbox_to_anchor=(1, 1))

        def update(moment: int) -> None:
            snapshot = np.asarray(group["snapshot"][moment, row, :cells])
            for k, dot in enumerate(dots, start=1):
                at = np.unravel_index(np.flatnonzero((snapshot == k) & (snapshot != OUTSIDE)), shape)
                dot.set_data(at[-1], at[-2] if len(shape) > 1 else np.zeros(len(at[-1])))

        return update

    return make
