"""The graph of a molecule's sites as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reducers.training.figures import save_figure


def figure(sites: list[str], summary: dict[str, Any], path: Path) -> Path:
    """Sites on a circle, pairs as lines and triples as areas, those that resamples let go dashed; returns the path."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    angle = np.pi / 2 - 2 * np.pi * np.arange(len(sites)) / len(sites)
    at = {name: (float(np.cos(a)), float(np.sin(a))) for name, a in zip(sites, angle, strict=True)}
    picture, ax = plt.subplots(figsize=(4.6, 4.6), layout="constrained")
    for name, share in summary["stability"].items():
        members = [at[s] for s in name.split("-")]
        chosen = name in summary["graph"]
        if len(members) == 2:
            style = "-" if chosen else ":"
            ax.plot(*zip(*members, strict=True), style, color="C0" if chosen else "0.6", lw=1 + 2 * share, zorder=1)
        elif chosen:
            ax.fill(*zip(*members, strict=True), color="C1", alpha=0.25, lw=0, zorder=0)
    for name, (x, y) in at.items():
        ax.scatter([x], [y], s=500, color="white", edgecolor="0.2", zorder=2)
        ax.text(x, y, name, ha="center", va="center", fontsize=9, zorder=3)
    gain, error = summary["gain"]
    ax.set_title(f"{gain:.3g} ± {error:.1g} nats ahead of independent sites", fontsize=9)
    ax.set(xlim=(-1.25, 1.25), ylim=(-1.25, 1.25), aspect="equal")
    ax.set_axis_off()
    return save_figure(picture, path)
