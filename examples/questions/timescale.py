"""On what timescale do SK channels matter?

Four ensembles of one spine in closed loop: SK channels that conduct 10 pS, and ones that bind calcium, open and conduct
nothing, each under a burst of three synaptic events (150, 160, 170 ms) and under random events (10 /s). Runs are paired
by seed. A difference counts where its 95 % band, widened for the number of times that are looked at, excludes 0.

Answer (100 pairs of runs, a minute or two): from about 15 to 650 ms after the input, and most of all between 50 and
270 ms. The difference in the head is significant from 14 to 650 ms, largest at 104 ms (-1.9 mV) and at least half of
that from 48 to 274 ms; two halves of one ensemble differ nowhere. Open channels remember for an order of magnitude
longer than V: under random events their autocorrelation falls to 1/e in 163 ms (95 %: 137 to 199), that of V in 10 ms
(9 to 10), without SK in 8 ms (7 to 8). SK channels answer to the last few hundred ms of input, not to a single event.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from couple import COLOURS, Ensemble, Experiment, autocorrelation, sample, statistics, styled

HERE = Path(__file__).parent
BURST = 150.0
"""ms, the first event."""
SETTLED = 300.0
"""ms, from which on the response to random events is stationary."""
SILENT = "link.2.conductance=1e-9 pS"
RANDOM = "neuron.arguments={ positions = [100.0], rate = 0.01 }"
VOLTAGE = "neuron.s0.head(0.5)"


@dataclass(frozen=True)
class Answer:
    """What SK channels change. Times in ms after the first event, effect in mV.

    first, last: of the significant difference. most, at: its largest. half: when it reaches and leaves half of that.
    memory: times at which autocorrelations fall below 1/e, with their 95 % intervals. chance: share of times at which
    two halves of the same ensemble differ.
    """

    runs: int
    first: float
    last: float
    most: float
    at: float
    half: tuple[float, float]
    memory: dict[str, tuple[float, float, float]]
    chance: float

    def __str__(self) -> str:
        lines = [
            f"V of the head differs significantly ({self.runs} pairs of runs)",
            f"from {self.first:.0f} to {self.last:.0f} ms after the first event;",
            f"most at {self.at:.0f} ms ({self.most:.2f} mV), half of it or more",
            f"from {self.half[0]:.0f} to {self.half[1]:.0f} ms.",
            f"Two halves of the same ensemble differ at {self.chance:.1%} of times.",
            "Autocorrelation under random events falls to 1/e after",
            *(f"  {name}: {t:.0f} ms ({low:.0f} .. {high:.0f})" for name, (t, low, high) in self.memory.items()),
        ]
        return "\n".join(lines)


def ensembles(runs: int, folder: Path, overrides: Sequence[str], jobs: int | None) -> dict[str, Ensemble]:
    """The four of them; those that are there already are not made again."""
    experiment = Experiment.load(HERE / "timescale.toml", overrides)
    kinds = {"burst": (), "burst, silent": (SILENT,), "random": (RANDOM,), "random, silent": (RANDOM, SILENT)}
    return {
        name: sample(experiment.changed(*changes), runs, 1, folder / name.replace(", ", "-"), jobs=jobs)
        for name, changes in kinds.items()
    }


def effect(conducting: Ensemble, silent: Ensemble) -> np.ndarray:
    """(runs, rows) mV: by how much SK changes V of each run, less what it changes before the burst."""
    difference = conducting[VOLTAGE] - silent[VOLTAGE]
    before = (conducting.time > BURST - 50) & (conducting.time < BURST)
    return difference - difference[:, before].mean(axis=1, keepdims=True)


def significant(difference: np.ndarray) -> np.ndarray:
    """(rows,) whether the mean over runs is not 0, at a level of 5 % for all rows together (Bonferroni)."""
    found = statistics(difference, 1 - 0.05 / difference.shape[1])
    return (found.low > 0) | (found.high < 0)


def halves_differ(ensemble: Ensemble) -> float:
    """Share of times at which even and odd runs of one ensemble differ: what chance does."""
    values = ensemble[VOLTAGE][: len(ensemble.runs) // 2 * 2]
    return float(significant(values[::2] - values[1::2]).mean())


def memory(values: np.ndarray, step: float) -> tuple[float, float, float]:
    """ms after which the autocorrelation is below 1/e, and its 95 % interval from resampled runs."""
    rng = np.random.default_rng(1)
    drawn = [decay(values[rng.integers(len(values), size=len(values))], step) for _ in range(200)]
    return decay(values, step), *np.percentile(drawn, [2.5, 97.5]).tolist()


def decay(values: np.ndarray, step: float) -> float:
    """ms until 1/e, between rows by a line; all of the record if it stays above."""
    found = autocorrelation(values)
    below = np.flatnonzero(found < np.exp(-1))
    if not below.size:
        return len(found) * step
    k = below[0]
    return float((k - (np.exp(-1) - found[k]) / (found[k - 1] - found[k])) * step)


def answer(made: dict[str, Ensemble]) -> Answer:
    """The numbers. Raises ValueError if no difference is significant."""
    time = made["burst"].time
    difference = effect(made["burst"], made["burst, silent"])
    found = time[significant(difference) & (time >= BURST)] - BURST
    if not found.size:
        raise ValueError("no significant difference: take more runs")
    mean = difference.mean(axis=0)
    half = time[(np.abs(mean) > 0.5 * np.abs(mean).max()) & (time >= BURST)] - BURST
    peak = int(np.abs(mean).argmax())
    times = {
        "open SK channels": memory(settled(made["random"], "head.SK_open"), time[1]),
        "V with SK": memory(settled(made["random"], VOLTAGE), time[1]),
        "V without": memory(settled(made["random, silent"], VOLTAGE), time[1]),
    }
    return Answer(
        len(difference),
        float(found[0]),
        float(found[-1]),
        float(mean[peak]),
        float(time[peak] - BURST),
        (float(half[0]), float(half[-1])),
        times,
        halves_differ(made["burst"]),
    )


def settled(ensemble: Ensemble, name: str) -> np.ndarray:
    """(runs, rows) from the time on from which records are stationary."""
    return ensemble[name][:, ensemble.time >= SETTLED]


def draw(made: dict[str, Ensemble], path: Path) -> None:
    """Responses, their difference, and memory."""
    with styled():
        drawing, axes = plt.subplots(3, 1, figsize=(4.7, 5.2), layout="constrained")
        _responses(axes[0], made)
        _difference(axes[1], made)
        _memories(axes[2], made)
        drawing.savefig(path)
        plt.close(drawing)


def _responses(ax: plt.Axes, made: dict[str, Ensemble]) -> None:
    for colour, name in zip(COLOURS, ("burst", "burst, silent"), strict=False):
        found, time = made[name].statistics(VOLTAGE), made[name].time - BURST
        spread = np.sqrt(found.variance)
        ax.fill_between(time, found.mean - spread, found.mean + spread, color=colour, alpha=0.25, lw=0)
        ax.plot(time, found.mean, color=colour, lw=0.9, label="SK silent" if "silent" in name else "SK conducts 10 pS")
    ax.set(xlabel="time after the first event (ms)", ylabel="V of the head (mV)", xlim=(-50, None))
    ax.legend()


def _difference(ax: plt.Axes, made: dict[str, Ensemble]) -> None:
    difference, time = effect(made["burst"], made["burst, silent"]), made["burst"].time - BURST
    found = statistics(difference, 1 - 0.05 / difference.shape[1])
    ax.axhline(0, color="0.6", lw=0.5)
    ax.fill_between(
        time, found.low, found.high, color=COLOURS[0], alpha=0.35, lw=0, label="95 % for all times together"
    )
    ax.plot(time, found.mean, color=COLOURS[0], lw=0.9)
    marked = significant(difference)
    ax.fill_between(time, 0, 0.04, where=marked, transform=ax.get_xaxis_transform(), color=COLOURS[1], lw=0)
    ax.set(xlabel="time after the first event (ms)", ylabel="effect of SK on V (mV)", xlim=(-50, None))
    ax.legend(title="bar: significant", title_fontsize=6.5)


def _memories(ax: plt.Axes, made: dict[str, Ensemble]) -> None:
    shown = (("random", "head.SK_open"), ("random", VOLTAGE), ("random, silent", VOLTAGE))
    for colour, label, (name, quantity) in zip(COLOURS, ("open SK", "V", "V, SK silent"), shown, strict=False):
        found = autocorrelation(settled(made[name], quantity))
        ax.plot(np.arange(len(found)) * made[name].time[1], found, color=colour, lw=0.9, label=label)
    ax.axhline(np.exp(-1), color="0.6", lw=0.5, ls=":")
    ax.set(xlabel="lag (ms)", ylabel="autocorrelation", xlim=(0, 300))
    ax.legend()


def main(
    runs: int = 100,
    folder: Path = Path("results/timescale"),
    overrides: Sequence[str] = (),
    jobs: int | None = None,
) -> Answer:
    """Sample in `jobs` processes (default: cores), draw FOLDER/timescale.png, and answer."""
    made = ensembles(runs, folder, overrides, jobs)
    draw(made, folder / "timescale.png")
    found = answer(made)
    for ensemble in made.values():
        ensemble.close()
    return found


if __name__ == "__main__":  # other processes import this file
    parser = argparse.ArgumentParser(description="On what timescale do SK channels matter?")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results/timescale"))
    given = parser.parse_args()
    print(main(given.runs, given.out))
