"""Models fitted to the same patterns, and how each does on windows that it has not seen."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import CoupleError, InputError
from couple.rng.streams import generator
from reducers.population.comparison.settings import PopulationFile
from reducers.population.library.kinds import MODELS
from reducers.population.models.model import Estimate, FitBlock, Moments, PatternModel, moments_of
from reducers.population.patterns.patterns import Bits, Patterns

NATS = float(np.log(2.0))
UNKNOWN = Estimate(float("nan"), 0.0)
MOST_ESTIMATED = 60
"""Neurons up to which a dichotomised Gaussian's probabilities are estimated; beyond they take too long."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Score:
    """One model.

    held_out: bits per neuron and window, each of the splits; none where probabilities are out of reach. entropy: bits
    per neuron. rates, correlations, triplets: root mean square differences from the data, of triplets as a share of
    the root mean square of the data's. count: total variation distance of p(k). seconds, megabytes: CPU time and
    largest memory of the fit to all windows. draws: patterns per CPU second. refused: why there is none of it.
    """

    kind: str
    words: str
    direct: str = "exact"
    parameters: int = 0
    held_out: Floats = field(default_factory=lambda: np.zeros(0))
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
        listed = [s for s in self.scores if len(s.held_out)]
        return next((s for s in listed if s.kind == "independent"), listed[0] if listed else None)

    @property
    def best(self) -> Score | None:
        """The score with the largest held-out likelihood."""
        listed = [s for s in self.scores if len(s.held_out)]
        return max(listed, key=lambda s: float(s.held_out.mean()), default=None)


def compare_models(
    file: PopulationFile, patterns: Patterns, progress: Progress = lambda _: None
) -> PopulationComparison:
    """Every model of the file on the patterns. Raises InputError where they have fewer windows than splits."""
    wanted, states = file.population, patterns.states
    if len(states) < 2 * wanted.splits:
        raise InputError(f"{len(states)} windows cannot be split into {wanted.splits} parts", where="population.splits")
    rng = generator(wanted.seed, "population", "triplets", "chosen")
    triplets = np.array(
        [rng.choice(patterns.n, 3, replace=False) for _ in range(wanted.triplets if patterns.n > 2 else 0)]
    ).reshape(-1, 3)
    data = moments_of(states, triplets)
    scores, costs = [], []
    for kind in wanted.models:
        progress(f"fitting {MODELS[kind].WORDS}")
        try:
            scores.append(score(MODELS[kind], states, data, triplets, file))
            costs += [_cost(MODELS[kind], patterns, n, file) for n in wanted.sizes if n < patterns.n]
        except CoupleError as error:
            scores.append(Score(kind, MODELS[kind].WORDS, refused=str(error)))
    return PopulationComparison(
        wanted.name, patterns.n, len(states), patterns.window, data, tuple(scores), tuple(costs), patterns
    )


def score(kind: type[PatternModel], states: Bits, data: Moments, triplets: Bits, file: PopulationFile) -> Score:
    """Of one model. Raises CoupleError if it cannot be fitted."""
    wanted, n = file.population, states.shape[1]
    held_out = np.zeros(0)
    if kind.DIRECT == "exact" or n <= MOST_ESTIMATED:
        held_out = hold_out(kind, states, wanted.splits, file.fit)
    model, seconds, megabytes = timed_fit(kind, states, file.fit)
    begun = time.process_time()
    model.sample(1000, wanted.seed)
    draws = 1000 / max(time.process_time() - begun, 1e-6)
    found = model.moments(triplets, wanted.seed, wanted.samples)
    known = kind.DIRECT == "exact" or n <= MOST_ESTIMATED
    entropy = model.entropy(wanted.seed) if known else UNKNOWN
    upper = np.triu_indices(n, 1)
    third = float(np.sqrt((data.triplets**2).mean())) if len(triplets) else float("nan")
    return Score(
        kind.KIND,
        kind.WORDS,
        model.DIRECT,
        model.parameters,
        held_out,
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


def hold_out(kind: type[PatternModel], states: Bits, splits: int, settings: FitBlock) -> Floats:
    """(splits,) mean ln p of the windows of each part under a model that is fitted to the others, in bits per neuron
    and window.
    """
    edges = np.linspace(0, len(states), splits + 1).astype(int)
    found = []
    for a, b in pairwise(edges):
        model = kind.fit(np.concatenate([states[:a], states[b:]]), settings)
        found.append(float(model.log_probability(states[a:b]).mean()) / NATS / states.shape[1])
    return np.array(found)


def timed_fit(kind: type[PatternModel], states: Bits, settings: FitBlock) -> tuple[PatternModel, float, float]:
    """A fit with its CPU seconds and the most memory that it took, MB."""
    tracemalloc.start()
    begun = time.process_time()
    model = kind.fit(states, settings)
    seconds, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return model, seconds, peak / 1e6


def mean_and_error(values: Sequence[float] | Floats) -> Estimate:
    """Mean over splits, and its standard error."""
    listed = np.asarray(values, dtype=np.float64)
    return Estimate(float(listed.mean()), float(listed.std(ddof=1) / np.sqrt(len(listed))))


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
