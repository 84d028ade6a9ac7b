"""What does the feedback of calcium on synapses do to the activity of a network?

Six excitatory and two inhibitory cells under random trains, with spines in which calcium takes AMPA receptors out of
the synapse (network.toml), for 0.6 s: once with as many receptors as the chemistry says ("feedback"), once with
synapses that stay as they are ("none"; the chemistry runs, its link is constant). Both have the same seeds: trains,
connections and molecules begin alike, so that runs are compared in pairs.

Rates are spikes per cell and second in the second half. Errors are standard errors over seeds; of the difference, over
pairs. Control: the runs without feedback of one half of the seeds against those of the other half, which has to be
answered by no.

Answer (8 seeds, seven minutes of a busy core): it silences the network. 10.4 +- 0.4 spikes per second and cell
without feedback, none with it (a difference of 24 standard errors; control -0.8 +- 1.1), when 0.45 +- 0.02 of the
conductance is left. Receptors are taken out fast here, in tenths of a second; how strong feedback has to be to quieten
and not to silence was not asked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from couple import COLOURS, Ensemble, Experiment, sample, styled

HERE = Path(__file__).parent
THRESHOLD = -20.0
"""mV that a spike crosses upwards."""
BIN = 100.0
"""ms"""
NONE = "link.2.function={ kind = 'linear', offset = 1.0, slope = 0.0 }"

Estimate = tuple[float, float]
"""A mean and its standard error."""


@dataclass(frozen=True)
class Activity:
    """Of an ensemble: rates (runs, bins) of excitatory cells in spikes per second, time (bins,) ms, weight (runs,)."""

    time: np.ndarray
    rates: np.ndarray
    weight: np.ndarray

    @property
    def late(self) -> np.ndarray:
        """(runs,) rate in the second half."""
        return np.asarray(self.rates[:, self.rates.shape[1] // 2 :].mean(axis=1))


@dataclass(frozen=True)
class Answer:
    """Spikes per second of an excitatory cell in the second half, and receptors at the end over those at the start."""

    runs: int
    none: Estimate
    feedback: Estimate
    difference: Estimate
    control: Estimate
    weight: Estimate

    def __str__(self) -> str:
        def of(estimate: Estimate) -> str:
            return f"{estimate[0]:.2f} +- {estimate[1]:.2f}"

        return (
            f"Spikes per second of an excitatory cell ({self.runs} seeds, +- standard error): {of(self.none)} without, "
            f"{of(self.feedback)} with feedback; difference {of(self.difference)} "
            f"({self.difference[0] / self.difference[1]:+.1f} standard errors), control {of(self.control)}; "
            f"conductance at the end {of(self.weight)} of that at the start"
        )


def activity(ensemble: Ensemble) -> Activity:
    """Spikes of the cells E_*, in bins, and what is left of their synapses."""
    volts = np.stack([v for name, v in ensemble.voltages().items() if name.startswith("E_") and ".soma" in name])
    time = np.asarray(ensemble.time)
    spikes = (volts[:, :, 1:] > THRESHOLD) & (volts[:, :, :-1] <= THRESHOLD)  # (cells, runs, rows)
    edges = np.arange(0.0, time[-1] + BIN / 2, BIN)
    place = np.clip(np.searchsorted(edges, time[1:], side="left") - 1, 0, len(edges) - 2)
    rates = np.stack([spikes[..., place == k].sum(axis=(0, 2)) for k in range(len(edges) - 1)], axis=1)
    courses = [ensemble.parameter(site, "AMPA.gmax") for site in ensemble.sites_of("AMPA.gmax")]
    weight = np.mean([course[:, -1] / course[:, 0] for course in courses], axis=0)
    return Activity(edges[:-1] + BIN / 2, rates / len(volts) / (BIN * 1e-3), weight)


def mean_and_error(values: np.ndarray) -> Estimate:
    """Mean over runs and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def draw(found: dict[str, Activity], path: Path) -> None:
    """Rates over time with their standard errors."""
    with styled():
        drawing, ax = plt.subplots(figsize=(4.0, 2.6), layout="constrained")
        for k, (name, one) in enumerate(found.items()):
            error = one.rates.std(axis=0, ddof=1) / np.sqrt(len(one.rates))
            label = {"none": "without feedback", "feedback": "with feedback"}[name]
            ax.errorbar(one.time, one.rates.mean(axis=0), error, fmt="o-", ms=3, lw=0.9, color=COLOURS[k], label=label)
        ax.set(xlabel="time (ms)", ylabel="spikes per second and cell", ylim=(0, None))
        ax.legend()
        drawing.savefig(path)
        plt.close(drawing)


def main(
    runs: int = 10,
    folder: Path = Path("results/network"),
    overrides: Sequence[str] = (),
    jobs: int | None = None,
) -> Answer:
    """Sample in `jobs` processes (default: cores), draw FOLDER/network.png, and answer."""
    experiment = Experiment.load(HERE / "network.toml", overrides)
    found = {}
    for name, changed in (("none", experiment.changed(NONE)), ("feedback", experiment)):
        with sample(changed, runs, 1, folder / name, jobs=jobs) as ensemble:
            found[name] = activity(ensemble)
    none, feedback = found["none"].late, found["feedback"].late
    draw(found, folder / "network.png")
    return Answer(
        runs,
        mean_and_error(none),
        mean_and_error(feedback),
        mean_and_error(feedback - none),
        mean_and_error(none[: runs // 2] - none[-(runs // 2) :]),
        mean_and_error(found["feedback"].weight),
    )


if __name__ == "__main__":  # other processes import this file
    parser = argparse.ArgumentParser(description="Network activity with and without feedback of calcium on synapses")
    parser.add_argument("--runs", type=int, default=10, help="seeds")
    parser.add_argument("--jobs", type=int, help="processes; all cores if not given")
    parser.add_argument("--out", type=Path, default=Path("results/network"))
    given = parser.parse_args()
    print(main(given.runs, given.out, jobs=given.jobs))
