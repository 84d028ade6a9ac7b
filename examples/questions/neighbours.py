"""How correlated are the channels of neighbouring synapses?

Open SK channels of four spines on one dendrite, correlated across runs, under inputs that differ in what is random:

    noise      the same events in every run: only molecules are random
    own        random events of each spine's own
    half       half of the random events are common to all spines
    common     all of them are

Numbers are means over the last 100 ms of a run, one per run and spine. A pair's interval is Fisher's, from the number
of runs; that of the mean over pairs comes from resampled runs. Control: spines taken from different runs.

Answer (150 runs, a minute or two): as much as their inputs, and hardly through the dendrite. With nothing but molecules
random the correlation is -0.04 (95 %: -0.09 to 0.02), with events of their own -0.03 (-0.09 to 0.03); half of them in
common make it 0.50 (0.41 to 0.58), all of them 0.96 (0.95 to 0.97), and distance (5 to 60 um) makes no difference
that 150 runs show. The control lies between -0.05 and 0.04 throughout. What is missing to 1 is channel noise: it alone
moves the open channels of a spine by 1.0 (s.d.) from run to run, common events by 5.2, and 1 - (1.0 / 5.2)^2 = 0.96.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from couple import COLOURS, Ensemble, Experiment, sample, styled

HERE = Path(__file__).parent
LAST = 100.0
"""ms at the end of a run over which open channels are averaged."""
FIXED = "{ positions = [100.0, 105.0, 120.0, 160.0], times = [50.0, 100.0, 150.0, 200.0] }"
INPUTS = {
    "noise": f"neuron.arguments={FIXED}",
    "own": "neuron.arguments.common=0.0",
    "half": "neuron.arguments.common=0.5",
    "common": "neuron.arguments.common=1.0",
}


@dataclass(frozen=True)
class Correlations:
    """Of one input. distances: (pairs,) µm. pairs: (pairs,) correlations; low, high: their 95 % intervals.

    mean: (value, low, high) over pairs; control: the same for spines of different runs. deviation: of one spine's open
    channels from run to run, mean over spines.
    """

    runs: int
    distances: np.ndarray
    pairs: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: tuple[float, float, float]
    control: tuple[float, float, float]
    deviation: float


def open_channels(ensemble: Ensemble) -> np.ndarray:
    """(runs, spines) open SK channels, mean over the last part of each run."""
    late = ensemble.time > ensemble.time[-1] - LAST
    return np.stack([ensemble[f"{spine}.SK_open"][:, late].mean(axis=1) for spine in sorted(ensemble.sites())], axis=1)


def correlations(channels: np.ndarray, positions: Sequence[float]) -> Correlations:
    """Of all pairs of spines. channels: (runs, spines)."""
    runs, spines = channels.shape
    pairs = list(combinations(range(spines), 2))
    distances = np.array([abs(positions[a] - positions[b]) for a, b in pairs])
    found = of_pairs(channels)
    half = 1.96 / np.sqrt(runs - 3)  # of arctanh(r), Fisher 1921
    shifted = np.stack([np.roll(channels[:, k], k * (runs // spines)) for k in range(spines)], axis=1)
    return Correlations(
        runs,
        distances,
        found,
        np.tanh(np.arctanh(found) - half),
        np.tanh(np.arctanh(found) + half),
        resampled(channels),
        resampled(shifted),
        float(channels.std(axis=0, ddof=1).mean()),
    )


def of_pairs(channels: np.ndarray) -> np.ndarray:
    """(pairs,) Pearson correlations."""
    return np.corrcoef(channels, rowvar=False)[np.triu_indices(channels.shape[1], 1)]


def resampled(channels: np.ndarray) -> tuple[float, float, float]:
    """Mean over pairs, and its 95 % interval from 2000 resamples of the runs."""
    rng, runs = np.random.default_rng(1), len(channels)
    drawn = [of_pairs(channels[rng.integers(runs, size=runs)]).mean() for _ in range(2000)]
    return float(of_pairs(channels).mean()), *np.percentile(drawn, [2.5, 97.5]).tolist()


def draw(found: dict[str, Correlations], path: Path) -> None:
    """Correlations over distance, and their means beside the control."""
    with styled():
        drawing, (left, right) = plt.subplots(1, 2, figsize=(4.7, 2.3), width_ratios=(3, 2), layout="constrained")
        for k, (name, c) in enumerate(found.items()):
            bars = np.abs([c.pairs - c.low, c.high - c.pairs])
            shift = 0.6 * (k - 1.5)
            left.errorbar(c.distances + shift, c.pairs, bars, fmt="o", ms=3, lw=0.7, color=COLOURS[k], label=name)
            for x, (value, low, high), mark in ((k, c.mean, "o"), (k + 0.3, c.control, "x")):
                bar = [[value - low], [high - value]]
                right.errorbar(x, value, bar, fmt=mark, ms=4, lw=0.8, color=COLOURS[k] if mark == "o" else "0.5")
        left.set(xlabel="distance along the dendrite (µm)", ylabel="correlation of open SK")
        left.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
        right.set_xticks(range(len(found)), list(found))
        right.set_title("mean of pairs (×: control)", loc="left")
        for ax in (left, right):
            ax.axhline(0, color="0.6", lw=0.5)
            ax.set_ylim(-0.4, 1)
        drawing.savefig(path)
        plt.close(drawing)


def main(
    runs: int = 150,
    folder: Path = Path("results/neighbours"),
    overrides: Sequence[str] = (),
    jobs: int | None = None,
) -> dict[str, Correlations]:
    """Sample in `jobs` processes (default: cores), draw FOLDER/neighbours.png, return correlations by input."""
    experiment = Experiment.load(HERE / "neighbours.toml", overrides)
    positions = experiment.source["neuron"]["arguments"]["positions"]
    found = {}
    for name, change in INPUTS.items():
        with sample(experiment.changed(change), runs, 1, folder / name, jobs=jobs) as ensemble:
            found[name] = correlations(open_channels(ensemble), positions)
    draw(found, folder / "neighbours.png")
    return found


if __name__ == "__main__":  # other processes import this file
    parser = argparse.ArgumentParser(description="How correlated are the channels of neighbouring synapses?")
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("results/neighbours"))
    given = parser.parse_args()
    for name, c in main(given.runs, given.out).items():
        near, far = c.pairs[c.distances.argmin()], c.pairs[c.distances.argmax()]
        print(
            f"{name:7} {c.mean[0]:6.3f} ({c.mean[1]:.3f} .. {c.mean[2]:.3f}); control {c.control[0]:.3f} "
            f"({c.control[1]:.3f} .. {c.control[2]:.3f}); {c.distances.min():g} um {near:.3f}, "
            f"{c.distances.max():g} um {far:.3f}; s.d. {c.deviation:.2f} channels"
        )
