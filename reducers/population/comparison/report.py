"""A comparison of models of patterns as a table, and as what `--json` prints."""

from __future__ import annotations

import math

from couple.cli.output.quantities import Output
from reducers.population.comparison.comparison import PopulationComparison, Score, mean_and_error


class CostOutput(Output):
    """A fit to some of the neurons."""

    neurons: int
    fit_cpu_seconds: float
    fit_megabytes: float


class ModelOutput(Output):
    """One model. Bits are per neuron and window; `gain` is the difference from the reference, split by split.

    splits_above: how many of them have a gain above 0. probabilities: "exact" or "estimate". refused: why it has no
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
    entropy_bits: float | None
    entropy_error: float | None
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
    mean_rate: float
    reference: str | None
    models: tuple[ModelOutput, ...]
    figure: str | None
    saved: str | None


def gain(score: Score, found: PopulationComparison) -> tuple[float, float, int] | None:
    """Mean, standard error and number of splits above 0 of the difference from the reference; None for that itself."""
    reference = found.reference
    if reference is None or score.kind == reference.kind or not len(score.held_out):
        return None
    apart = score.held_out - reference.held_out
    return (*mean_and_error(apart), int((apart > 0).sum()))


def output(found: PopulationComparison, figure: str | None, saved: str | None) -> PopulationOutput:
    """For programs."""
    splits = max((len(s.held_out) for s in found.scores), default=0)
    return PopulationOutput(
        name=found.name,
        neurons=found.neurons,
        windows=found.windows,
        window_ms=found.window,
        splits=splits,
        mean_rate=float(found.data.rates.mean()),
        reference=None if found.reference is None else found.reference.kind,
        models=tuple(_model(score, found) for score in found.scores),
        figure=figure,
        saved=saved,
    )


def _model(score: Score, found: PopulationComparison) -> ModelOutput:
    held = mean_and_error(score.held_out) if len(score.held_out) else None
    apart = gain(score, found)
    costs = [CostOutput(neurons=c.neurons, fit_cpu_seconds=c.seconds, fit_megabytes=c.megabytes) for c in found.costs
             if c.kind == score.kind]  # fmt: skip
    return ModelOutput(
        model=score.kind,
        words=score.words,
        probabilities=score.direct,
        parameters=score.parameters,
        held_out_bits=None if held is None else held.value,
        held_out_error=None if held is None else held.error,
        gain_bits=None if apart is None else apart[0],
        gain_error=None if apart is None else apart[1],
        splits_above=None if apart is None else apart[2],
        entropy_bits=_known(score.entropy.value),
        entropy_error=_known(score.entropy.error),
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


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


HEAD = (
    *("model", "numbers", "held-out", "+-", "gain", "+-", "splits", "entropy", "rates", "pairs", "triplets", "p(k)"),
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
        "held-out, gain over the reference, entropy: bits per neuron and window; splits: those with a gain",
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
    held = mean_and_error(score.held_out) if len(score.held_out) else None
    apart = gain(score, found)
    estimated = "~" if score.direct == "estimate" else ""
    return (
        score.kind,
        str(score.parameters),
        "" if held is None else f"{estimated}{held.value:.5f}",
        "" if held is None else f"{held.error:.5f}",
        "" if apart is None else f"{apart[0]:+.5f}",
        "" if apart is None else f"{apart[1]:.5f}",
        "" if apart is None else f"{apart[2]}/{len(score.held_out)}",
        "" if not math.isfinite(score.entropy.value) else f"{estimated}{score.entropy.value:.4f}",
        f"{score.rates:.2g}",
        f"{score.correlations:.2g}",
        "" if math.isnan(score.triplets) else f"{score.triplets:.2g}",
        f"{score.count:.2g}",
        f"{score.seconds:.3g} s",
        f"{score.megabytes:.3g} MB",
        f"{score.draws:.3g}",
    )
