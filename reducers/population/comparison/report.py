"""A comparison of models of patterns as a table, and as what `--json` prints."""

from __future__ import annotations

import math

from couple.cli.output.quantities import Output
from reducers.population.comparison.comparison import PopulationComparison, Score
from reducers.population.models.description import Description


class CostOutput(Output):
    """A fit to some of the neurons."""

    neurons: int
    fit_cpu_seconds: float
    fit_megabytes: float


class DescriptionOutput(Output):
    """All patterns in a few numbers: for each number of active neurons one or two Gaussians of log₂ p. of_half, of_90:
    log₂ of the number of the likeliest patterns that have 50 % and 90 % of the probability together.
    """

    numbers: int
    of_half: float
    of_90: float
    active: tuple[int, ...]
    weight: tuple[float, ...]
    mean_bits: tuple[float, ...]
    sd_bits: tuple[float, ...]


class ModelOutput(Output):
    """One model. Bits are per neuron and window; `gain` is the difference from the reference, split by split.

    The errors are of means over blocks of windows. splits_above: how many splits have a gain above 0. held_out_splits:
    of each, from which the difference of any two models follows. description: null for models of successive windows,
    and where there are no probabilities. probabilities: "exact" or "estimate". refused: why it has no
    numbers. triplets_rms_relative: as a share of those of the data.
    """

    model: str
    words: str
    probabilities: str
    parameters: int
    held_out_bits: float | None
    held_out_error: float | None
    gain_bits: float | None
    gain_error: float | None
    splits_above: int | None
    held_out_splits: tuple[float | None, ...]
    entropy_bits: float | None
    entropy_error: float | None
    description: DescriptionOutput | None
    rates_rms: float | None
    correlations_rms: float | None
    triplets_rms_relative: float | None
    count_distance: float | None
    fit_cpu_seconds: float | None
    fit_megabytes: float | None
    draws_per_second: float | None
    sizes: tuple[CostOutput, ...]
    refused: str


class PopulationOutput(Output):
    """All of `couple population --json`. window_ms: 0 where it is not known. reference: what gains are from."""

    name: str
    neurons: int
    windows: int
    window_ms: float
    splits: int
    blocks: int
    mean_rate: float
    reference: str | None
    models: tuple[ModelOutput, ...]
    figure: str | None
    saved: str | None


def gain(score: Score, found: PopulationComparison) -> tuple[float, float, int] | None:
    """Mean, standard error and number of splits above 0 of the difference from the reference; None for that itself."""
    reference = found.reference
    if reference is None or reference.held_out is None or score.kind == reference.kind or score.held_out is None:
        return None
    apart = score.held_out.less(reference.held_out)
    return (*apart.mean(), int((apart.by_split > 0).sum()))


def output(found: PopulationComparison, figure: str | None, saved: str | None) -> PopulationOutput:
    """For programs."""
    held = found.reference.held_out if found.reference is not None else None
    return PopulationOutput(
        name=found.name,
        neurons=found.neurons,
        windows=found.windows,
        window_ms=found.window,
        splits=0 if held is None else len(held.by_split),
        blocks=0 if held is None else len(held.by_block),
        mean_rate=float(found.data.rates.mean()),
        reference=None if found.reference is None else found.reference.kind,
        models=tuple(_model(score, found) for score in found.scores),
        figure=figure,
        saved=saved,
    )


def _model(score: Score, found: PopulationComparison) -> ModelOutput:
    held = None if score.held_out is None else score.held_out.mean()
    apart = gain(score, found)
    costs = [CostOutput(neurons=c.neurons, fit_cpu_seconds=c.seconds, fit_megabytes=c.megabytes) for c in found.costs
             if c.kind == score.kind]  # fmt: skip
    return ModelOutput(
        model=score.kind,
        words=score.words,
        probabilities=score.direct,
        parameters=score.parameters,
        held_out_bits=None if held is None else _known(held.value),
        held_out_error=None if held is None else _known(held.error),
        gain_bits=None if apart is None else _known(apart[0]),
        gain_error=None if apart is None else _known(apart[1]),
        splits_above=None if apart is None else apart[2],
        held_out_splits=() if score.held_out is None else tuple(_known(v) for v in score.held_out.by_split.tolist()),
        entropy_bits=_known(score.entropy.value),
        entropy_error=_known(score.entropy.error),
        description=None if score.description is None else _described(score.description),
        rates_rms=_known(score.rates),
        correlations_rms=_known(score.correlations),
        triplets_rms_relative=_known(score.triplets),
        count_distance=_known(score.count),
        fit_cpu_seconds=_known(score.seconds),
        fit_megabytes=_known(score.megabytes),
        draws_per_second=_known(score.draws),
        sizes=tuple(costs),
        refused=score.refused,
    )


def _described(found: Description) -> DescriptionOutput:
    return DescriptionOutput(
        numbers=found.parameters,
        of_half=found.patterns_of_mass(0.5),
        of_90=found.patterns_of_mass(0.9),
        active=tuple(found.k.astype(int).tolist()),
        weight=tuple(found.weight.tolist()),
        mean_bits=tuple(found.mean.tolist()),
        sd_bits=tuple(found.sd.tolist()),
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


HEAD = (
    *(
        "model",
        "numbers",
        "held-out",
        "+-",
        "gain",
        "+-",
        "splits",
        "entropy",
        "half",
        "rates",
        "pairs",
        "triplets",
        "p(k)",
    ),
    *("fit", "memory", "draws/s"),
)


def lines(found: PopulationComparison) -> list[str]:
    """The table."""
    body = [_row(score, found) for score in found.scores if not score.refused]
    widths = [max(len(line[c]) for line in (HEAD, *body)) for c in range(len(HEAD))]
    window = f" of {found.window:g} ms" if found.window else ""
    said = [
        f"{found.name}: {found.neurons} neurons in {found.windows} windows{window}, active in "
        f"{found.data.rates.mean():.3g} of them",
        "held-out, gain over the reference (+- standard error), entropy: bits per neuron and window; splits: with gain",
        "half: log2 of the number of patterns that have half of the probability; of 2^"
        f"{found.neurons}, in 3 numbers for one or two Gaussians at each number of active neurons",
        "rates, pairs (correlations), triplets (relative): root mean square off; p(k): total variation off",
    ]
    said += ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in (HEAD, *body)]
    for score in found.scores:
        costs = [c for c in found.costs if c.kind == score.kind]
        if costs:
            listed = ", ".join(f"{c.neurons}: {c.seconds:.3g} s, {c.megabytes:.3g} MB" for c in costs)
            said.append(f"{score.kind} fitted to fewer neurons: {listed}")
    return said + [f"{s.kind}: not fitted: {s.refused}" for s in found.scores if s.refused]


def _row(score: Score, found: PopulationComparison) -> tuple[str, ...]:
    held = None if score.held_out is None else score.held_out.mean()
    apart = gain(score, found)
    estimated = "~" if score.direct == "estimate" else ""
    return (
        score.kind,
        str(score.parameters),
        "" if held is None else f"{estimated}{held.value:.5f}",
        "" if held is None else f"{held.error:.5f}",
        "" if apart is None else f"{apart[0]:+.5f}",
        "" if apart is None else f"{apart[1]:.5f}",
        "" if apart is None or score.held_out is None else f"{apart[2]}/{len(score.held_out.by_split)}",
        "" if not math.isfinite(score.entropy.value) else f"{estimated}{score.entropy.value:.4f}",
        "" if score.description is None else f"{score.description.patterns_of_mass(0.5):.1f}",
        f"{score.rates:.2g}",
        f"{score.correlations:.2g}",
        "" if math.isnan(score.triplets) else f"{score.triplets:.2g}",
        f"{score.count:.2g}",
        f"{score.seconds:.3g} s",
        f"{score.megabytes:.3g} MB",
        f"{score.draws:.3g}",
    )
