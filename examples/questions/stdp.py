"""The curve of spike-timing-dependent plasticity: what pairs of a synaptic event and a spike leave of a synapse.

The spines of `examples/plasticity`, whose AMPA receptors gain by phosphorylated CaMKII and lose by calcineurin, under
pairs at 5 Hz, for lags from -40 (spike first) to 40 ms, several seeds each; and the same pairs with all lags
in random order, for comparison. What is shown is the conductance of an AMPA event at the end over that at the start,
the mean over all synapses of a run, with the standard error over seeds.

The end is 140 ms after the last pair. That matters: nothing dephosphorylates CaMKII in this chemistry, and a second
later all weights have grown (README of the example). The whole campaign has not been run; there is no answer yet.
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
PLASTICITY = HERE.parent / "plasticity" / "plasticity.toml"
WEIGHT = "AMPA.gmax"
LAGS = (-40.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0)
"""ms from the event to the pulse that makes the soma spike."""
START, PERIOD, AFTER = 60.0, 200.0, 140.0
"""ms: the first event, between pairs, and after the last."""


@dataclass(frozen=True)
class Answer:
    """Weight at the end over that at the start, by lag, and of shuffled lags: mean and standard error over seeds."""

    runs: int
    lags: tuple[float, ...]
    weight: tuple[tuple[float, float], ...]
    shuffled: tuple[float, float]

    def __str__(self) -> str:
        rows = [
            f"  {lag:+4.0f} ms: {mean:.3f} +- {error:.3f}"
            for lag, (mean, error) in zip(self.lags, self.weight, strict=True)
        ]
        head = f"Weight at the end over that at the start ({self.runs} seeds, +- standard error)"
        return "\n".join([head, *rows, f"  shuffled: {self.shuffled[0]:.3f} +- {self.shuffled[1]:.3f}"])


def with_pairs(lags: Sequence[float], overrides: Sequence[str]) -> Experiment:
    """The experiment with one pair for each lag."""
    pairs = [
        f'{{ kind = "stdp", dt = "{lag!r} ms", rate = "5 Hz", pairs = 1, start = "{START + k * PERIOD!r} ms", '
        f'at = "soma(0.5)", amplitude = "6 nA", duration = "2 ms" }}'
        for k, lag in enumerate(lags)
    ]
    end = START + (len(lags) - 1) * PERIOD + AFTER
    changes = [f"protocol=[{', '.join(pairs)}]", f'experiment.duration="{end!r} ms"', 'record.every="10 ms"']
    return Experiment.load(PLASTICITY, [*changes, *overrides])


def weights(ensemble: Ensemble) -> np.ndarray:
    """(runs,) of each run the mean over its synapses of the weight at the end over that at the start."""
    courses = [ensemble.parameter(site, WEIGHT) for site in ensemble.sites_of(WEIGHT)]
    return np.mean([course[:, -1] / course[:, 0] for course in courses], axis=0)


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean over runs and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def draw(found: Answer, path: Path) -> None:
    """The curve with its standard errors, and what shuffled lags leave."""
    means, errors = np.array(found.weight).T
    with styled():
        drawing, ax = plt.subplots(figsize=(4.0, 2.8), layout="constrained")
        ax.axhline(1, color="0.6", lw=0.5)
        mean, error = found.shuffled
        ax.axhspan(mean - error, mean + error, color=COLOURS[1], alpha=0.25, lw=0, label="shuffled lags")
        ax.errorbar(found.lags, means, errors, fmt="o-", ms=3, lw=0.9, color=COLOURS[0], label="pairs at 5 Hz")
        ax.set(xlabel="spike after event (ms)", ylabel="AMPA conductance, end / start")
        ax.legend()
        drawing.savefig(path)
        plt.close(drawing)


def main(
    runs: int = 3,
    pairs: int = 10,
    folder: Path = Path("results/stdp"),
    overrides: Sequence[str] = (),
    lags: Sequence[float] = LAGS,
    jobs: int | None = None,
) -> Answer:
    """Sample in `jobs` processes (default: cores), draw FOLDER/stdp.png, and answer."""
    found = []
    for lag in lags:
        with sample(with_pairs([lag] * pairs, overrides), runs, 1, folder / f"{lag:+.0f}ms", jobs=jobs) as ensemble:
            found.append(mean_and_error(weights(ensemble)))
    drawn = np.random.default_rng(1).permutation(np.resize(lags, pairs)).tolist()
    with sample(with_pairs(drawn, overrides), runs, 1, folder / "shuffled", jobs=jobs) as ensemble:
        shuffled = mean_and_error(weights(ensemble))
    answer = Answer(runs, tuple(lags), tuple(found), shuffled)
    draw(answer, folder / "stdp.png")
    return answer


if __name__ == "__main__":  # other processes import this file
    parser = argparse.ArgumentParser(description="The STDP curve of examples/plasticity")
    parser.add_argument("--runs", type=int, default=3, help="seeds for each lag")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("results/stdp"))
    given = parser.parse_args()
    print(main(given.runs, given.pairs, given.out))
