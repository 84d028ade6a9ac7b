"""A picture of what engines leave out: their errors over the number of molecules and over gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reducers.accuracy.model import AccuracyModel
from reducers.training.figures import save_figure


def figure(model: AccuracyModel, path: Path) -> Path:
    """Errors where everything is mixed, and at a thousand molecules; returns the picture's path."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    n, x = np.geomspace(1, 1e4, 200), np.geomspace(1e-3, 1, 200)
    picture, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
    mixed, many = model.errors(n, np.zeros_like(n)), model.errors(np.full_like(x, 1e3), x)
    for e, name in enumerate(model.engines[:-1]):
        axes[0].loglog(n, 100 * np.maximum(mixed[:, e], 1e-4), label=name)
        axes[1].loglog(x, 100 * np.maximum(many[:, e], 1e-4), label=name)
    axes[0].set(xlabel=f"molecules of {model.species}", ylabel="relative error (%)", title="mixed")
    axes[1].set(xlabel="relative excess below the membrane", title="a thousand molecules")
    axes[0].legend(fontsize=7, frameon=False)
    return save_figure(picture, path)
