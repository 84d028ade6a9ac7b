"""All sides against the first: what differs, by how much, and what that rests on."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from couple.analysis.compare.sides import Series, Side
from couple.analysis.compare.spikes import energy, spike_times
from couple.analysis.compare.two_groups import (
    ALPHA,
    Correlation,
    correlation_p,
    correlation_time,
    course,
    holm,
    least_p,
    mean_p,
    standard_error,
)
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest


@dataclass(frozen=True)
class Value:
    """mean over runs; error: its standard error, 0 without scatter, NaN where one run cannot tell."""

    mean: float
    error: float


@dataclass(frozen=True)
class Row:
    """One number of one quantity, on the first side and on another.

    of: "mean", "largest", "end", "course", "correlation time", "spikes", "spike distance". p: of that they are the
    same; adjusted: by Holm over the report; NaN: not judged. note: what else there is to say. exact: neither side
    scatters, so that what is not different is equal.
    """

    quantity: str
    kind: str
    of: str
    unit: str
    side: str
    first: Value
    other: Value
    p: float
    adjusted: float = math.nan
    note: str = ""
    exact: bool = False

    @property
    def differs(self) -> bool | None:
        """Whether it is shown to differ: False is no proof that it is the same. None: it cannot be judged."""
        return None if math.isnan(self.adjusted) else self.adjusted < ALPHA

    @property
    def verdict(self) -> str:
        """ "DIFFERS", "not distinguished", "equal" (both without scatter), or "not judged"."""
        if self.differs is None:
            return "not judged"
        return "DIFFERS" if self.differs else "equal" if self.exact else "not distinguished"


@dataclass(frozen=True)
class Comparison:
    """sides: on common times. rows: of every other side. cannot: what is not judged, and why."""

    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    threshold: float
    within: float
    cannot: tuple[str, ...]

    def quantities(self) -> list[str]:
        """Names, in the order of the report."""
        return list(dict.fromkeys(row.quantity for row in self.rows))

    def json(self) -> dict[str, Any]:
        """Plain numbers, for --json; what is not known is null."""
        return {
            "alpha": ALPHA,
            "sides": [_side_json(s) for s in self.sides],
            "rows": [_row_json(r) for r in self.rows],
            "not_judged": list(self.cannot),
            "spikes": {"threshold_mV": self.threshold, "matched_within_ms": self.within},
        }


def compare(
    sides: Sequence[Side], *, start: float = 0.0, threshold: float = 0.0, within: float = 5.0, of: str | None = None
) -> Comparison:
    """Compare sides on the times that all of them have.

    start: ms; what is before it is left out. threshold: mV, of a spike. within: ms, of spikes that are matched.
    of: pattern of the quantities. Raises InputError if durations differ, or nothing is common.
    """
    common = _common(sides, start, of)
    rows: list[Row] = []
    for other in common[1:]:
        rng = np.random.default_rng(0)
        for name, series in common[0].series.items():
            rows += _rows(common[0], other, series, other.series[name], threshold, within, rng)
    adjusted = holm([row.p for row in rows])
    rows = [replace(row, adjusted=p) for row, p in zip(rows, adjusted, strict=True)]
    cannot = (*_cannot(common), *_too_few(common, sum(math.isfinite(row.p) for row in rows)))
    return Comparison(tuple(common), tuple(rows), threshold, within, cannot)


def _common(sides: Sequence[Side], start: float, of: str | None) -> list[Side]:
    """The sides, with the times and quantities that all have."""
    ends = {s.label: float(s.time[-1]) for s in sides}
    if max(ends.values()) - min(ends.values()) > 1e-6 * max(ends.values()):
        found = ", ".join(f"{s.label}, {s.what}: {ends[s.label]:g} {s.time_unit}" for s in sides)
        raise InputError(f"durations differ ({found}): give --until with a time that all of them have", where="compare")
    if start >= min(ends.values()):
        raise InputError(f"{start:g} is not before the end, {min(ends.values()):g}", where="--from")
    names = [n for n in sides[0].series if all(n in s.series for s in sides)]
    if not names:
        known = "; ".join(f"{s.label}, {s.what}: {', '.join(list(s.series)[:6])}" for s in sides)
        raise InputError(f"nothing is recorded in all of them ({known})", where="compare")
    if of is not None:
        chosen = [n for n in names if fnmatch.fnmatchcase(n, of)]
        if not chosen:
            raise InputError(f'no common quantity fits "{of}"; {nearest(of, names)}', where="--of")
        names = chosen
    keys = [np.round(s.time, 6) for s in sides]
    times = keys[0]
    for key in keys[1:]:
        times = np.intersect1d(times, key)
    times = times[times >= start - 1e-9]
    if len(times) < 2:
        raise InputError("their rows have fewer than two times in common: record both equally often", where="compare")
    kept: list[Side] = []
    for side, key in zip(sides, keys, strict=True):
        rows = np.searchsorted(key, times)
        series = {n: replace(side.series[n], values=side.series[n].values[:, rows]) for n in names}
        kept.append(replace(side, time=side.time[rows], series=series))
    return kept


def _rows(
    first: Side, other: Side, a: Series, b: Series, threshold: float, within: float, rng: np.random.Generator
) -> Iterator[Row]:
    """Everything about one quantity."""
    fixed = bool(first.fixed), bool(other.fixed)

    def row(of: str, unit: str, x: Value, y: Value, p: float, note: str = "") -> Row:
        return Row(a.name, a.kind, of, unit, other.label, x, y, p, note=note, exact=all(fixed))

    numbers: dict[str, tuple[Floats, Floats]] = {
        "mean": (a.values.mean(axis=1), b.values.mean(axis=1)),
        "largest": (a.values.max(axis=1), b.values.max(axis=1)),
    }
    if a.kind == "observable":
        numbers["end"] = a.values[:, -1], b.values[:, -1]
    for name, (x, y) in numbers.items():
        noise = name == "largest" and any(fixed) and not all(fixed)  # it is above the largest of the mean by itself
        p = math.nan if noise else mean_p(x, y, *fixed, rng)
        note = "noise alone raises it" if noise else _apart(x, y)
        yield row(name, a.unit, _value(x, fixed[0]), _value(y, fixed[1]), p, note)
    yield _course_row(row, first, other, a, b, rng)
    if a.kind in ("observable", "conductance") and not any(fixed):
        yield _correlation_row(row, first, a, b, rng)
    if a.kind == "V":
        yield from _spike_rows(row, first, other, a, b, threshold, within, rng)


def _course_row(row: Any, first: Side, other: Side, a: Series, b: Series, rng: np.random.Generator) -> Row:
    """Largest difference of the mean courses at any time, in units of the quantity."""
    judged = all(s.fixed is not None for s in (first, other))
    x, y = (v.values[:1] if s.fixed else v.values for s, v in ((first, a), (other, b)))
    difference = x.mean(axis=0) - y.mean(axis=0)
    k = int(np.abs(difference).argmax())
    largest, p = course(x, y, rng) if judged else (math.nan, math.nan)
    if first.fixed and other.fixed:
        scale = max(np.abs(x).max(), np.abs(y).max(), 1e-300)
        p = 1.0 if abs(difference[k]) <= 1e-9 * scale else 0.0
    note = f"most at {first.time[k]:g} {first.time_unit}" + ("" if math.isnan(largest) else f", {largest:.1f} SE")
    values = (_value(v.values[:, k], bool(s.fixed)) for s, v in ((first, a), (other, b)))
    return row("course", a.unit, *values, p, note)  # type: ignore[no-any-return]


def _correlation_row(row: Any, first: Side, a: Series, b: Series, rng: np.random.Generator) -> Row:
    """Correlation times of the fluctuations; one that is longer than the record shows is not judged."""
    step = float(first.time[1] - first.time[0])
    x, y = (correlation_time(s.values, step) for s in (a, b))
    p = math.nan if x.capped or y.capped else correlation_p(a.values, b.values, rng)
    note = "; ".join(filter(None, (_unknown(first.label, x), _unknown("other", y))))
    return row("correlation time", first.time_unit, Value(*x[:2]), Value(*y[:2]), p, note)  # type: ignore[no-any-return]


def _unknown(label: str, found: Correlation) -> str:
    """Why a correlation time is not known."""
    if found.capped:
        return f"{label}: longer than can be seen in this record"
    return f"{label}: no fluctuations" if math.isnan(found.time) else ""


def _spike_rows(
    row: Any, first: Side, other: Side, a: Series, b: Series, threshold: float, within: float, rng: np.random.Generator
) -> Iterator[Row]:
    """Numbers of spikes, and the distance between trains, where there are any."""
    x, y = ([spike_times(v, s.time, threshold) for v in series.values] for s, series in ((first, a), (other, b)))
    counts = [np.array([len(t) for t in trains], dtype=float) for trains in (x, y)]
    if not counts[0].any() and not counts[1].any():
        return
    fixed = bool(first.fixed), bool(other.fixed)
    values = _value(counts[0], fixed[0]), _value(counts[1], fixed[1])
    yield row("spikes", "count", *values, mean_p(counts[0], counts[1], *fixed, rng), _apart(*counts))
    between, inside, p = energy(x, y, within, rng)
    if any(fixed):
        p = (0.0 if between > 0 else 1.0) if all(fixed) else math.nan
    yield row("spike distance", "spikes", Value(inside, math.nan), Value(between, math.nan), p, "within, between sides")


def _value(x: Floats, fixed: bool) -> Value:
    return Value(float(x.mean()), 0.0 if fixed else standard_error(x))


def _apart(x: Floats, y: Floats) -> str:
    """Relative difference of the means."""
    a, b = float(x.mean()), float(y.mean())
    return f"{100 * (b - a) / abs(a):+.2g} %" if a else ""


def _cannot(sides: Sequence[Side]) -> Iterator[str]:
    """What is not judged, in words."""
    for side in sides:
        if side.fixed is None:
            yield (
                f"{side.label} is a single run: how much of a difference is chance cannot be judged; make several "
                "(couple sample, or compare the experiment itself)"
            )
        elif side.fixed:
            yield f"{side.label} is the same with every seed: no scatter, its errors are 0"
    if all(side.fixed for side in sides):
        yield "no side scatters: any difference is one of the models, not of chance"


def _too_few(sides: Sequence[Side], rows: int) -> Iterator[str]:
    """Sides of so few runs that no difference, however large, could be told from chance."""
    first = sides[0]
    for side in sides[1:]:
        if first.fixed is not False or side.fixed is not False or rows * least_p(first.runs, side.runs) <= ALPHA:
            continue
        enough = next((n for n in range(2, 100) if rows * least_p(n, n) <= ALPHA), None)
        advice = f"make {enough} of each (-n {enough})" if enough else "choose fewer quantities (--of)"
        yield (
            f"{first.label} and {side.label} have {first.runs} and {side.runs} runs: too few to tell any difference "
            f"from chance in {rows} comparisons, however large it is; {advice}"
        )


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "what": side.what,
        "runs": side.runs,
        "without_scatter": side.fixed,
        "cpu_seconds_per_run": {k: float(v.mean()) for k, v in side.parts.items()},
    }


def _row_json(row: Row) -> dict[str, Any]:
    def known(x: float) -> float | None:
        return x if math.isfinite(x) else None

    return {
        "quantity": row.quantity,
        "of": row.of,
        "unit": row.unit,
        "side": row.side,
        "first": known(row.first.mean),
        "first_error": known(row.first.error),
        "other": known(row.other.mean),
        "other_error": known(row.other.error),
        "p": known(row.p),
        "p_adjusted": known(row.adjusted),
        "differs": row.differs,
        "verdict": row.verdict.lower(),
        "note": row.note,
    }
