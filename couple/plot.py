"""The figure of a run. matplotlib is imported here and only when a figure is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from couple.errors import InputError
from couple.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colour-blind safe (Okabe & Ito), strongest first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def figure(results: Results, path: Path) -> Path:
    """Draw voltage, free ions, observables and ion books over time; returns the picture's path.

    path: its suffix sets the format (png without one); in a folder, figure.png.
    Raises InputError for a format that matplotlib does not write.
    """
    if path.is_dir():
        path = path / "figure.png"
    path = path if path.suffix else path.with_suffix(".png")
    import matplotlib
    from cycler import cycler

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [p for p in (_voltages, _free, _observables, _books) if p(results, None)]
    if not panels:
        raise InputError("holds nothing to draw", where=str(results.path))
    style = {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=_COLOURS),
        "lines.linewidth": 1.1,
        "legend.frameon": False,
    }
    with plt.rc_context(style):
        drawing, axes = plt.subplots(
            len(panels), 1, figsize=(7.2, 1.9 * len(panels) + 0.5), sharex=True, squeeze=False, layout="constrained"
        )
        for panel, ax in zip(panels, axes[:, 0], strict=True):
            panel(results, ax)
            ax.margins(x=0)
            if len(ax.get_legend_handles_labels()[1]) > 0:
                ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.2)
        axes[-1, 0].set_xlabel(f"time ({results.time_unit})")
        status = "" if results.status == "complete" else f"  [{results.status}]"
        engines = ", ".join(dict.fromkeys(results.engines().values()))
        drawing.suptitle(f"{results.name} ({engines}){status}", x=0.01, ha="left", fontsize=10, fontweight="bold")
        try:
            drawing.savefig(path, dpi=200)
        except ValueError as error:
            raise InputError(f"cannot be drawn: {error}", where=str(path)) from None
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from None
        finally:
            plt.close(drawing)
    return path


# A panel returns whether it has something to show, and draws it if given axes.


def _voltages(results: Results, ax: Axes | None) -> bool:
    voltages = results.voltages()
    if ax is not None:
        for segment, v in voltages.items():
            ax.plot(results.time, v, label=segment)
        ax.set_ylabel("V (mV)")
    return bool(voltages)


def _free(results: Results, ax: Axes | None) -> bool:
    found = [(site, species) for site in results.sites() for species in results.free(site)]
    if ax is not None:
        for site, species in found:
            ax.plot(results.time, results.micromolar(site, species), lw=0.7, label=f"{species} in {site}")
        ax.set_ylabel("free (µM)")
        ax.set_ylim(bottom=0)
    return bool(found)


def _observables(results: Results, ax: Axes | None) -> bool:
    found = [(s, o) for s in results.sites() for o in results.labels(s, "means", "observable")]
    if ax is not None:
        for site, name in found:
            ax.plot(results.time, results.observable(site, name), lw=0.7, label=f"{name.replace('_', ' ')} in {site}")
        ax.set_ylabel("molecules\n(window mean)")
        ax.set_ylim(bottom=0)
    return bool(found)


def _books(results: Results, ax: Axes | None) -> bool:
    sites = [s for s in results.sites() if results.labels(s, "influx", "species")]
    if ax is not None:
        for site in sites:
            for species in results.labels(site, "influx", "species"):
                ax.plot(results.time, results.entered(site, species), label=f"{species} entered {site}")
            for reservoir, out in results.extruded(site).items():
                ax.plot(results.time, out, ls="--", label=f"{reservoir.replace('_', ' ')} of {site}")
        ax.set_ylabel("ions")
    return bool(sites)
