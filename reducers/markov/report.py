"""What a block of independent molecules is: its transitions, how good it is, and how it answers the drive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from reducers.markov.markov import MarkovBlock
from reducers.training.figures import save_figure
from reducers.training.verdict import verdict_lines

POINTS = 200


def report_lines(block: MarkovBlock) -> list[tuple[str, str]]:
    """(what, value) pairs."""
    about = block.about
    lines = [
        ("model", f"{about.name}: independent molecules of {len(about.species)} states"),
        ("law", f"a generator that is linear in {about.drive}, checked up to {about.drive_box[1]:.3g} uM"),
        ("data", f"hash {about.data_hash[:12]}"),
        *verdict_lines(about.verdict),
    ]
    for matrix, unit in ((block.slope, "/ms/uM"), (block.base, "/ms")):
        for target, source in np.argwhere(matrix > 0).tolist():
            lines.append(
                (f"{about.species[source]} -> {about.species[target]}", f"{matrix[target, source]:.6g} {unit}")
            )
    lines += [(f"NRMSE of {name}", f"{error:.2g} on held-out stimuli") for name, error in about.held_out.items()]
    return lines


def steady_shares(block: MarkovBlock, drive: float) -> Floats:
    """(n,) shares of the states that a constant drive (uM) leads to."""
    generator = block.base + drive * block.slope
    n = len(generator)
    system = np.vstack([generator / abs(generator).max(), np.ones(n)])
    return np.asarray(np.linalg.lstsq(system, np.append(np.zeros(n), 1.0))[0])


def figure(block: MarkovBlock, path: Path) -> Path:
    """Steady shares and times of relaxation against the drive; returns the picture's path."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    about, top = block.about, max(block.about.drive_box[1], 1e-3)
    drives = np.geomspace(1e-3 * top, top, POINTS)
    shares = np.array([steady_shares(block, u) for u in drives.tolist()])
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for k, name in enumerate(about.species):
        left.plot(drives, shares[:, k], lw=0.9, label=name)
    for name, weights in about.observables.items():
        left.plot(drives, shares @ np.array(weights), "k--", lw=1.4, label=name)
    left.set(xscale="log", xlabel=f"{about.drive} (uM)", ylabel="share of molecules", title="steady state")
    left.legend(fontsize=7, frameon=False)
    spectra = [np.sort(-np.linalg.eigvals(block.base + u * block.slope).real)[1:] for u in drives.tolist()]
    right.plot(drives, 1.0 / np.maximum(np.array(spectra), 1e-12), color="C0", lw=0.9)
    right.set(xscale="log", yscale="log", xlabel=f"{about.drive} (uM)", ylabel="ms", title="times of relaxation")
    return save_figure(picture, path)
