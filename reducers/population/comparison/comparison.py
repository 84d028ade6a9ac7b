"""Models fitted to the same patterns, and how each does on windows that it has not seen."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import CoupleError, InputError
from couple.rng.streams import generator
from reducers.population.comparison.hold_out import HeldOut, Splits, hold_out
from reducers.population.comparison.settings import PopulationFile
from reducers.population.library.kinds import MODELS
from reducers.population.models.description import LARGE_SAMPLE, Description, describe
from reducers.population.models.model import Estimate, FitBlock, Moments, PatternModel, moments_of
from reducers.population.patterns.patterns import Bits, Patterns

UNKNOWN = Estimate(float("nan"), 0.0)
MOST_ESTIMATED = 60
"""Neurons up to which a dichotomised Gaussian's probabilities are estimated; beyond they take too long."""
LEAST_WINDOWS = 8
SMALL_SAMPLE = 2000
"""Patterns that are drawn to describe a model whose probabilities are estimates."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Score:
    """One model.

    held_out: bits per neuron and window; None where probabilities are out of reach. description: of all patterns in a
    few numbers; None where it is out of reach, too. entropy: bits per neuron. rates, correlations, triplets: root mean
    square differences from the data, of triplets as a share of the root mean square of the data's. count: total
    variation distance of p(k). seconds, megabytes: CPU time and most memory of NumPy of the fit to all windows. draws:
    patterns per CPU second. refused: why there is none of it.
    """

    kind: str
    words: str
    direct: str = "exact"
    parameters: int = 0
    held_out: HeldOut | None = None
    description: Description | None = None
    entropy: Estimate = UNKNOWN
    rates: float = float("nan")
    correlations: float = float("nan")
    triplets: float = float("nan")
    count: float = float("nan")
    p_k: Floats = field(default_factory=lambda: np.zeros(0))
    seconds: float = float("nan")
    megabytes: float = float("nan")
    draws: float = float("nan")
    refused: str = ""
    model: PatternModel | None = None


@dataclass(frozen=True)
class Cost:
    """A fit to some of the neurons. seconds: CPU."""

    kind: str
    neurons: int
    seconds: float
    megabytes: float


@dataclass(frozen=True)
class PopulationComparison:
    """All scores, and what they are of. data: moments of the patterns. costs: of fits to fewer neurons."""

    name: str
    neurons: int
    windows: int
    window: float
    data: Moments
    scores: tuple[Score, ...]
    costs: tuple[Cost, ...]
    patterns: Patterns

    @property
    def reference(self) -> Score | None:
        """The score that differences are from: of independent neurons, else the first that has a likelihood."""
        listed = [s for s in self.scores if s.held_out is not None]
        return next((s for s in listed if s.kind == "independent"), listed[0] if listed else None)

    @property
    def best(self) -> Score | None:
        """The score with the largest held-out likelihood."""
        listed = [(s.held_out.mean().value, s) for s in self.scores if s.held_out is not None]
        return max(listed, key=lambda one: one[0], default=(0.0, None))[1]


def compare_models(
    file: PopulationFile, patterns: Patterns, progress: Progress = lambda _: None
) -> PopulationComparison:
    """Every model of the file on the patterns. Raises InputError where a half of them is too short to fit models to."""
    wanted, states = file.population, patterns.states
    if len(states) < LEAST_WINDOWS:
        raise InputError(f"{len(states)} windows are too few to hold half of them out: {LEAST_WINDOWS} are the least")
    splits = Splits.of(len(states), wanted.blocks, wanted.splits, wanted.seed)
    rng = generator(wanted.seed, "population", "triplets", "chosen")
    chosen = [rng.choice(patterns.n, 3, replace=False) for _ in range(wanted.triplets if patterns.n > 2 else 0)]
    triplets = np.array(chosen, dtype=np.int64).reshape(-1, 3)
    data = moments_of(states, triplets)
    scores, costs = [], []
    for kind in wanted.models:
        progress(f"fitting {MODELS[kind].WORDS}")
        try:
            scores.append(score(MODELS[kind], states, data, triplets, splits, file))
            costs += [_cost(MODELS[kind], patterns, n, file) for n in wanted.sizes if n < patterns.n]
        except CoupleError as error:
            scores.append(Score(kind, MODELS[kind].WORDS, refused=str(error)))
    return PopulationComparison(
        wanted.name, patterns.n, len(states), patterns.window, data, tuple(scores), tuple(costs), patterns
    )


def score(
    kind: type[PatternModel], states: Bits, data: Moments, triplets: Ints, splits: Splits, file: PopulationFile
) -> Score:
    """Of one model. Raises CoupleError if it cannot be fitted."""
    wanted, n = file.population, states.shape[1]
    known = kind.DIRECT == "exact" or n <= MOST_ESTIMATED
    held_out = hold_out(kind, states, splits, file.fit) if known else None
    model, seconds, megabytes = timed_fit(kind, states, file.fit)
    model.sample(2, wanted.seed)  # compiles, which is no part of drawing
    begun = time.process_time()
    model.sample(1000, wanted.seed)
    draws = 1000 / max(time.process_time() - begun, 1e-6)
    found = model.moments(triplets, wanted.seed, wanted.samples)
    entropy = model.entropy(wanted.seed) if known else UNKNOWN
    described = None
    if known and not kind.ORDERED:
        most = LARGE_SAMPLE if kind.DIRECT == "exact" else SMALL_SAMPLE
        described = describe(model, min(most, wanted.samples), wanted.seed)
    upper = np.triu_indices(n, 1)
    third = float(np.sqrt((data.triplets**2).mean())) if len(triplets) else float("nan")
    return Score(
        kind.KIND,
        kind.WORDS,
        model.DIRECT,
        model.parameters,
        held_out,
        described,
        Estimate(entropy.value / n, entropy.error / n),
        _rms(found.rates - data.rates),
        _rms((correlations(found) - correlations(data))[upper]),
        _rms(found.triplets - data.triplets) / third if third else float("nan"),
        0.5 * float(np.abs(found.count - data.count).sum()),
        found.count,
        seconds,
        megabytes,
        draws,
        model=model,
    )


def timed_fit(kind: type[PatternModel], states: Bits, settings: FitBlock) -> tuple[PatternModel, float, float]:
    """A fit with its CPU seconds and the most memory that it took, MB."""
    tracemalloc.start()
    begun = time.process_time()
    model = kind.fit(states, settings)
    seconds, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return model, seconds, peak / 1e6


def correlations(moments: Moments) -> Floats:
    """(n, n) coefficients; 0 for neurons that never change."""
    sd = np.sqrt(np.maximum(moments.rates * (1 - moments.rates), 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.nan_to_num(moments.covariances / np.outer(sd, sd), posinf=0.0, neginf=0.0))


def _cost(kind: type[PatternModel], patterns: Patterns, n: int, file: PopulationFile) -> Cost:
    some = generator(file.population.seed, "population", "sizes", str(n)).choice(patterns.n, n, replace=False)
    _, seconds, megabytes = timed_fit(kind, patterns.of(sorted(some.tolist())).states, file.fit)
    return Cost(kind.KIND, n, seconds, megabytes)


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean())) if values.size else float("nan")
