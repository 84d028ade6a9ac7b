"""The tables that an exchange works through, every column by its name.

All port values of all components lie in one block, `memory`; what is said here are indices into it. A kernel takes a
table packed, its integers in one array and its floats in another: Numba unboxes each array that Python hands over (60
ns, also for each field of a NamedTuple), and counts the references of each view of it, which would double the exchange
of one site. So a table's columns lie one behind the other, `pack_ions` and its like write them, and `ion_columns` and
its like, compiled into the kernels, say by name where each begins: `integers[at.influx + k]` is row k of the column
`influx`. Nothing else knows the order. Integers are short, which halves the time of a thousand links, and unsigned, as
the places of columns are, so that no index is looked at for being negative.

Sums are in compressed rows: row k adds up entries j in [start[k], stop[k]).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Indices
from couple.cache.kernels import njit
from couple.exchange.link import Holding, IonLink, Sources, ValueLink

Place = np.uint64
"""Where something is: an index into `memory`, or into the integers or floats of a table."""

ONE = Place(1)

Packed = tuple[Indices, Floats]
"""Integers and floats of a table, as a kernel takes them."""


class IonColumns(NamedTuple):
    """Molecules that enter sites, a row for each link into a species of a site: where each column begins.

    Integers:
    single:         1 if each link has one source, one conserved substance and an influx of its own, as most have.
    influx:         (n_links,) where the influx of the species into the site is.
    free:           (n_links,) where its free molecules are.
    whole:          (n_links,) 1 if the site takes whole ions only.
    source_start:   (n_links + 1,) first source of each row; source_stop: what is after its last.
    source:         (n_sources,) where a charge (fC) or a number of molecules is, a total over the window.
    content_start:  (n_links + 1,) first conserved substance of each row; content_stop: what is after its last.
    holding:        (n_contents,) row of the substance's holding in the ledger's balance.
    Floats:
    ions:           (n_sources,) ions that one unit of the source stands for: ions per fC.
    content:        (n_contents,) amount of the substance in one molecule.
    """

    n_links: np.uint64
    single: np.uint64
    influx: np.uint64
    free: np.uint64
    whole: np.uint64
    source_start: np.uint64
    source_stop: np.uint64
    source: np.uint64
    content_start: np.uint64
    content_stop: np.uint64
    holding: np.uint64
    ions: np.uint64
    content: np.uint64


def pack_ions(links: Sequence[IonLink], holdings: Sequence[Holding]) -> Packed:
    """The table of IonColumns."""
    row_of = {(h.site, h.substance): r for r, h in enumerate(holdings)}
    source_start, source, ions = _compressed([link.sources for link in links])
    contents: list[Sources] = [
        tuple((row_of[link.site, s], float(n)) for s, n in link.contains.items()) for link in links
    ]
    content_start, holding, content = _compressed(contents)
    influx = [link.influx for link in links]
    single = {len(link.sources) for link in links} == {len(link.contains) for link in links} == {1}
    integers = _joined(
        [len(links), len(source), single and len(set(influx)) == len(influx)],
        influx,
        [link.free for link in links],
        [link.whole for link in links],
        source_start,
        source,
        content_start,
        holding,
    )
    return integers, np.concatenate([ions, content])


@njit(cache=True)
def ion_columns(integers: Indices) -> IonColumns:
    """Where the columns of what `pack_ions` made begin."""
    n, n_sources = Place(integers[0]), Place(integers[1])
    single = Place(2)
    influx = single + ONE
    free = influx + n
    whole = free + n
    source_start = whole + n
    source = source_start + n + ONE
    content_start = source + n_sources
    holding = content_start + n + ONE
    return IonColumns(
        n, single, influx, free, whole, source_start, source_start + ONE, source, content_start, content_start + ONE,
        holding, Place(0), n_sources,
    )  # fmt: skip


class ValueColumns(NamedTuple):
    """Values that one component sets in another, a row for each link: where each column begins.

    Integers:
    extrapolates:   1 if any `beyond` is not 0.
    target:         (n_links,) where the value goes.
    source_start:   (n_links + 1,) first source of each row; source_stop: what is after its last.
    source:         (n_sources,) where a number of molecules or of open channels is.
    Floats:
    weight:         (n_sources,) what one of them adds: mM, S/cm² or µS.
    least:          (n_links,) the least value that is handed over.
    beyond:         (n_links,) x_n + beyond (x_n - x_(n-1)) is handed over.
    Running values:
    last:           (n_links,) the value before, x_(n-1), if any link extrapolates.
    raised:         (n_links,) how often a target was raised to its least value.
    """

    n_links: np.uint64
    extrapolates: np.uint64
    target: np.uint64
    source_start: np.uint64
    source_stop: np.uint64
    source: np.uint64
    weight: np.uint64
    least: np.uint64
    beyond: np.uint64
    last: np.uint64
    raised: np.uint64


def pack_values(links: Sequence[ValueLink]) -> Packed:
    """The table of ValueColumns."""
    start, source, weight = _compressed([v.sources for v in links])
    extrapolates = any(v.beyond for v in links)
    integers = _joined([len(links), len(source), extrapolates], [v.target for v in links], start, source)
    return integers, np.concatenate([weight, [v.least for v in links], [v.beyond for v in links]])


@njit(cache=True)
def value_columns(integers: Indices, first: np.uint64) -> ValueColumns:
    """Where the columns of what `pack_values` made begin, if it begins at `first` of the integers."""
    extrapolates = first + ONE + ONE
    n, n_sources = Place(integers[first]), Place(integers[first + ONE])
    target = extrapolates + ONE
    source_start = target + n
    source_stop = source_start + ONE
    zero, least = Place(0), n_sources
    return ValueColumns(
        n, extrapolates, target, source_start, source_stop, source_stop + n, zero, least, least + n, zero, n
    )


class AuditColumns(NamedTuple):
    """Conserved substances of sites, a row for each holding: where each column begins. Sites of one chemistry are of
    one kind.

    Integers:
    first:          (n_holdings,) where the counts of the site begin.
    whole:          (n_holdings,) 1 if the site holds whole molecules, whose balance is exact.
    kind:           (n_holdings,) which states contain the substance:
    column_start:   (n_kinds + 1,) first column of each kind; column_stop: what is after its last.
    column:         (n_columns,) states that contain the substance, counted from `first`.
    Floats:
    content:        (n_columns,) amount of the substance in one molecule of the state.
    """

    n_holdings: np.uint64
    first: np.uint64
    whole: np.uint64
    kind: np.uint64
    column_start: np.uint64
    column_stop: np.uint64
    column: np.uint64
    content: np.uint64


def pack_audit(holdings: Sequence[Holding]) -> Packed:
    """The table of AuditColumns."""
    kinds = {contents: k for k, contents in enumerate(dict.fromkeys(h.contents for h in holdings))}
    start, column, content = _compressed([tuple((s, float(n)) for s, n in enumerate(c) if n) for c in kinds])
    integers = _joined(
        [len(holdings), len(kinds)],
        [h.first for h in holdings],
        [h.whole for h in holdings],
        [kinds[h.contents] for h in holdings],
        start,
        column,
    )
    return integers, content


@njit(cache=True)
def audit_columns(integers: Indices, first: np.uint64, first_float: np.uint64) -> AuditColumns:
    """Where the columns of what `pack_audit` made begin, if it begins there in the integers and in the floats."""
    n, n_kinds = Place(integers[first]), Place(integers[first + ONE])
    counts = first + ONE + ONE
    whole = counts + n
    kind = whole + n
    column_start = kind + n
    column_stop = column_start + ONE
    return AuditColumns(n, counts, whole, kind, column_start, column_stop, column_stop + n_kinds, first_float)


class RecordColumns(NamedTuple):
    """What a row of the record holds: where each column begins.

    Integers:
    sampled:        (n_sampled,) where values are that it has as they are.
    summed:         (n_summed,) where values are that it has as totals since the row before.
    Running values:
    sums:           (n_summed,) the totals so far.
    """

    n_sampled: np.uint64
    n_summed: np.uint64
    sampled: np.uint64
    summed: np.uint64
    sums: np.uint64


def pack_record(sampled: Sequence[int], summed: Sequence[int]) -> Indices:
    """The table of RecordColumns."""
    return _joined([len(sampled), len(summed)], sampled, summed)


@njit(cache=True)
def record_columns(integers: Indices, first: np.uint64, sums: np.uint64) -> RecordColumns:
    """Where the columns of what `pack_record` made begin, if it begins at `first` of the integers, its sums at `sums`
    of the running values."""
    n, m = Place(integers[first]), Place(integers[first + ONE])
    sampled = first + ONE + ONE
    return RecordColumns(n, m, sampled, sampled + n, sums)


class WindowEndColumns(NamedTuple):
    """All that is done after a window of the chemistry, in this order."""

    values: ValueColumns
    audit: AuditColumns
    record: RecordColumns


def pack_window_end(values: Packed, audit: Packed, record: Indices) -> Packed:
    """The table of WindowEndColumns, from its tables."""
    audit_at = 3 + values[0].size
    head = [audit_at, audit_at + audit[0].size, values[1].size]
    return _joined(head, values[0], audit[0], record), np.concatenate([values[1], audit[1]])


@njit(cache=True)
def window_end_columns(integers: Indices) -> WindowEndColumns:
    """Where the columns of what `pack_window_end` made begin."""
    audit, record, audit_floats = Place(integers[0]), Place(integers[1]), Place(integers[2])
    values = value_columns(integers, Place(3))
    sums = values.raised + values.n_links
    return WindowEndColumns(
        values, audit_columns(integers, audit, audit_floats), record_columns(integers, record, sums)
    )


def _joined(*parts: npt.ArrayLike) -> Indices:
    return np.concatenate([np.asarray(part, dtype=np.uint32).ravel() for part in parts])


def _compressed(rows: Sequence[Sources]) -> tuple[list[int], list[int], Floats]:
    """Starts (n + 1), indices and weights of rows of pairs, one after the other."""
    start = [0]
    for row in rows:
        start.append(start[-1] + len(row))
    flat = [pair for row in rows for pair in row]
    return start, [i for i, _ in flat], np.array([w for _, w in flat], dtype=float)
