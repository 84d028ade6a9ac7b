"""The curve of spike-timing-dependent plasticity: what pairs of a synaptic event and a spike leave of a synapse.

The spines of `examples/plasticity` under 20 pairs at 5 Hz, for lags from -40 (spike first) to 40 ms, several seeds
each; and the same number of pairs with all of these lags in random order, which nothing should be able to tell from
another order. What is shown is the conductance of an AMPA event two seconds after the last pair over that at the start,
the mean over all synapses of a run, with the standard error over seeds.

Twelve spines, all with synapses, NEURON's steps of 0.05 ms and exchanges of 0.4 ms, twice and four times those of the
file, so that a run takes some ten seconds; the rates are those of the example, which were chosen so that 10 and -10 ms
fall on two sides of 1 (README of the example).

Answer so far: 1.228 +- 0.020 at 10 ms, 0.850 +- 0.023 at -10 and 0.877 +- 0.016 at 0 (10 seeds); with 4 seeds 1.33 +-
0.05 at 20, 1.22 +- 0.06 at 30, 1.19 +- 0.03 at 40, 1.01 +- 0.03 at -20, 1.06 +- 0.04 at -30, 1.027 +- 0.009 at -40;
one random order of all lags 1.122 +- 0.027. More seeds and orders, and runs molecule by molecule are missing.
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
START, PERIOD, AFTER = 60.0, 200.0, 2140.0
"""ms: the first event, between pairs, and after the last."""
SMALL = (
    "spine.0.place.count=12",
    "spine.0.synapse.count=12",
    'neuron.dt="0.05 ms"',
    'experiment.exchange="0.4 ms"',
    'record.every="20 ms"',
)

Estimate = tuple[float, float]
"""A mean and its standard error."""


@dataclass(frozen=True)
class Answer:
    """Weight at the end over that at the start, by lag, and of orders of all lags: mean, standard error over seeds."""

    runs: int
    lags: tuple[float, ...]
    weight: tuple[Estimate, ...]
    shuffled: tuple[Estimate, ...]

    def __str__(self) -> str:
        rows = [
            f"  {lag:+4.0f} ms: {mean:.3f} +- {error:.3f}  ({(mean - 1) / error:+.1f} standard errors from 1)"
            for lag, (mean, error) in zip(self.lags, self.weight, strict=True)
        ]
        head = f"Weight at the end over that at the start ({self.runs} seeds, +- standard error)"
        others = [f"  shuffled {k}: {mean:.3f} +- {error:.3f}" for k, (mean, error) in enumerate(self.shuffled, 1)]
        return "\n".join([head, *rows, *others])


def with_pairs(lags: Sequence[float], overrides: Sequence[str]) -> Experiment:
    """The experiment with one pair for each lag."""
    pairs = [
        f'{{ kind = "stdp", dt = "{lag!r} ms", rate = "5 Hz", pairs = 1, start = "{START + k * PERIOD!r} ms", '
        f'at = "soma(0.5)", amplitude = "6 nA", duration = "2 ms" }}'
        for k, lag in enumerate(lags)
    ]
    end = START + (len(lags) - 1) * PERIOD + AFTER
    changes = [f"protocol=[{', '.join(pairs)}]", f'experiment.duration="{end!r} ms"', *SMALL]
    return Experiment.load(PLASTICITY, [*changes, *overrides])


def weights(ensemble: Ensemble) -> np.ndarray:
    """(runs,) of each run the mean over its synapses of the weight at the end over that at the start."""
    courses = [ensemble.parameter(site, WEIGHT) for site in ensemble.sites_of(WEIGHT)]
    return np.mean([course[:, -1] / course[:, 0] for course in courses], axis=0)


def mean_and_error(values: np.ndarray) -> Estimate:
    """Mean over runs and its standard error."""
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def draw(found: Answer, path: Path) -> None:
    """The curve with its standard errors, and what shuffled lags leave."""
    means, errors = np.array(found.weight).T
    with styled():
        drawing, ax = plt.subplots(figsize=(4.0, 2.8), layout="constrained")
        ax.axhline(1, color="0.6", lw=0.5)
        for k, (mean, error) in enumerate(found.shuffled):
            label = None if k else "lags in random order"
            ax.axhspan(mean - error, mean + error, color=COLOURS[1], alpha=0.25, lw=0, label=label)
        ax.errorbar(found.lags, means, errors, fmt="o-", ms=3, lw=0.9, color=COLOURS[0], label="pairs at 5 Hz")
        ax.set(xlabel="spike after event (ms)", ylabel="AMPA conductance, end / start", xticks=found.lags)
        ax.legend()
        drawing.savefig(path)
        plt.close(drawing)


def main(
    runs: int = 10,
    pairs: int = 20,
    folder: Path = Path("results/stdp"),
    overrides: Sequence[str] = (),
    lags: Sequence[float] = LAGS,
    orders: int = 3,
    jobs: int | None = None,
) -> Answer:
    """Sample in `jobs` processes (default: cores), draw FOLDER/stdp.png, and answer. orders: of shuffled lags."""

    def estimate(each: Sequence[float], name: str) -> Estimate:
        with sample(with_pairs(each, overrides), runs, 1, folder / name, jobs=jobs) as ensemble:
            return mean_and_error(weights(ensemble))

    found = tuple(estimate([lag] * pairs, f"{lag:+.0f}ms") for lag in lags)
    random = np.random.default_rng(1)
    drawn = [random.permutation(np.resize(lags, pairs)).tolist() for _ in range(orders)]
    shuffled = tuple(estimate(each, f"shuffled-{k}") for k, each in enumerate(drawn, 1))
    answer = Answer(runs, tuple(lags), found, shuffled)
    draw(answer, folder / "stdp.png")
    return answer


if __name__ == "__main__":  # other processes import this file
    parser = argparse.ArgumentParser(description="The STDP curve of examples/plasticity")
    parser.add_argument("--runs", type=int, default=10, help="seeds for each lag")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--jobs", type=int, help="processes; all cores if not given")
    parser.add_argument("--out", type=Path, default=Path("results/stdp"))
    given = parser.parse_args()
    print(main(given.runs, given.pairs, given.out, jobs=given.jobs))
