"""Patterns from arrays of NumPy (.npy, .npz) and from tables (.csv)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError, quoted
from couple.base.regular_file import open_regular, read_regular
from couple.base.units import quantity
from couple.files.array_file import read_array
from reducers.population.patterns.patterns import Patterns, Span, bin_spikes, choose_names, to_bits

Arrays = dict[str, npt.NDArray[Any]]


def patterns_of_array(
    path: Path, window: float = 0.0, unit: str = "ms", clip: bool = False, only: str = "*", span: Span = (None, None)
) -> Patterns:
    """Of a file of NumPy: an array (windows, neurons) of 0 and 1, or spike times, of which an .npz has either an array
    for each neuron, by its name, or two of equal length, "time" and "neuron". window: ms. unit: of times.

    Raises InputError for anything else.
    """
    arrays = _arrays_of(path)
    try:
        if len(arrays) == 1 and (states := next(iter(arrays.values()))).ndim == 2:
            return within(_only(to_bits(states, window=window), only, path), span)
        if wrong := next((name for name, a in arrays.items() if a.ndim != 1 or a.dtype.kind not in "iuf"), None):
            kind = f"{arrays[wrong].shape} of {arrays[wrong].dtype}"
            if {*arrays} != {"time", "neuron"} or wrong == "time" or arrays[wrong].ndim != 1:
                raise InputError(
                    f'"{wrong}", {kind}, is no spike times: give an array (windows, neurons) of 0 and 1, or an .npz '
                    'with times (n,) for each neuron, or with "time" (n,) and "neuron" (n,)'
                )
        if {*arrays} == {"time", "neuron"}:
            return _of_pairs(arrays["neuron"].tolist(), arrays["time"], window, unit, clip, only, span)
        factor = quantity(f"1 {unit}", "time")
        return _of_trains({k: a * factor for k, a in arrays.items()}, window, clip, only, span)
    except InputError as error:
        raise error if error.where.startswith(str(path)) else error.inside(str(path)) from None


def patterns_of_table(
    path: Path, window: float, unit: str = "ms", clip: bool = False, only: str = "*", span: Span = (None, None)
) -> Patterns:
    """Of a CSV file: of spikes, columns "neuron" and "time", a line for each; or of 0 and 1, a column for each neuron
    and a line for each window. A unit behind the name, as in "time [s]", counts, else `unit`. Raises InputError.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
        first = text.partition("\n")[0]
        mark = max(",;\t", key=first.count)
        lines = [(i, line) for i, line in enumerate(csv.reader(io.StringIO(text), delimiter=mark), 1) if any(line)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from None
    if len(lines) < 2 or len({len(line) for _, line in lines}) > 1:
        raise InputError("is no table: give a line of names and lines of as many numbers", where=str(path))
    head, units = zip(*(_named(cell) for cell in lines[0][1]), strict=True)
    try:
        if {"neuron", "time"} <= {*head}:
            of, at = head.index("neuron"), head.index("time")
            times = np.array([_number(line[at], i) for i, line in lines[1:]])
            return _of_pairs(
                [line[of].strip() for _, line in lines[1:]], times, window, units[at] or unit, clip, only, span
            )
        if len({*head}) < len(head):
            twice = next(name for name in head if head.count(name) > 1)
            raise InputError(
                f"line {lines[0][0]}: the name {quoted(twice)} is there twice: give a name for each column"
            )
        hint = '; a table of spikes has columns "neuron" and "time"'
        values = np.array([[_number(cell, i, hint) for cell in line] for i, line in lines[1:]])
        return within(_only(to_bits(values, head, window), only, path), span)
    except InputError as error:
        raise error.inside(str(path)) from None


def within(patterns: Patterns, span: Span) -> Patterns:
    """The whole windows from span[0] to span[1], the first of which begins at 0. Raises InputError for none."""
    if span == (None, None):
        return patterns
    if not patterns.window:
        raise InputError('begin and end of patterns need their window, as in window = "5 ms"')
    first = max(0, int(np.ceil((span[0] or 0.0) / patterns.window - 1e-9)))
    last = len(patterns) if span[1] is None else int(min(span[1] / patterns.window + 1e-9, len(patterns)))
    if last <= first:
        raise InputError(
            f"no window of {patterns.window:g} ms lies between begin and end: {len(patterns)} windows end at "
            f"{len(patterns) * patterns.window:g} ms"
        )
    return Patterns(patterns.states[first:last], patterns.names, patterns.window, patterns.clipped)


def _arrays_of(path: Path) -> Arrays:
    try:
        with open_regular(path) as file:
            if path.suffix.lower() != ".npz":
                return {"array": read_array(file, str(path))}
            with zipfile.ZipFile(file) as archive:
                members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
                needed = float(sum(m.file_size for m in members))
                check_memory(2 * needed, f"{len(members)} arrays", "give smaller ones", str(path))
                found = {m.filename[:-4]: read_array(io.BytesIO(archive.read(m)), str(path)) for m in members}
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    # of zipfile: NotImplementedError for a compression that it does not know, RuntimeError for an encrypted archive
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(f"is no archive of arrays of NumPy (.npz): {error}", where=str(path)) from None
    except ValueError as error:
        raise InputError(f"is no array of NumPy: {error}", where=str(path)) from None
    if not found:
        raise InputError("has no array in it", where=str(path))
    return found


def _of_pairs(
    neurons: Sequence[object], times: Floats, window: float, unit: str, clip: bool, only: str, span: Span
) -> Patterns:
    """Of spikes one by one: neurons (n,) and times (n,) in a unit."""
    if len(neurons) != len(times):
        raise InputError(f"{len(times)} times and {len(neurons)} neurons do not fit: give one of each for a spike")
    names = np.array([str(one) for one in neurons])
    at = np.asarray(times, dtype=np.float64) * quantity(f"1 {unit}", "time")
    order = np.argsort(names, kind="stable")
    listed, first = np.unique(names[order], return_index=True)
    trains = dict(zip(listed.tolist(), np.split(at[order], first[1:]), strict=True)) if len(listed) else {}
    return _of_trains(dict(sorted(trains.items(), key=_by_number)), window, clip, only, span)


def _of_trains(trains: Mapping[str, Floats], window: float, clip: bool, only: str, span: Span) -> Patterns:
    """Of times, ms, by neuron; from 0 to the last spike, if not told."""
    if not window:
        raise InputError('spike times need a window: give its length, as in window = "5 ms"', where="data.window")
    every = np.concatenate([*trains.values(), np.zeros(0)])
    if not len(every) or not np.isfinite(every).all():
        raise InputError("has a time that is not finite" if len(every) else "has no spikes")
    begin = min(0.0, float(every.min())) if span[0] is None else span[0]
    end = float(every.max()) + window if span[1] is None else span[1]
    chosen = choose_names([*trains], only, "neuron", "data.only")
    return bin_spikes([trains[name] for name in chosen], chosen, window, (begin, end), clip)


def _only(patterns: Patterns, only: str, path: Path) -> Patterns:
    if only == "*":
        return patterns
    chosen = choose_names(patterns.names, only, "neuron", "data.only")
    return patterns.of([patterns.names.index(name) for name in chosen])


def _named(cell: str) -> tuple[str, str]:
    """A name, and the unit in brackets behind it, "" if there is none."""
    name, _, unit = cell.partition("[")
    return name.strip(), unit.strip().removesuffix("]").strip()


def _number(cell: str, line: int, hint: str = "") -> float:
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"line {line}: holds what is no number: {quoted(cell)}{hint}") from None


def _by_number(item: tuple[str, Floats]) -> tuple[float, str]:
    name = item[0]
    return (float(name) if name.isdigit() else float("inf")), name
