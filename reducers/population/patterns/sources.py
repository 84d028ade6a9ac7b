"""Patterns from files: results of `couple run`, arrays, tables, and units of NWB."""

from __future__ import annotations

import csv
import json
from fnmatch import fnmatchcase
from pathlib import Path

import h5py
import numpy as np

from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError, nearest, quoted
from couple.base.units import quantity
from couple.files.array_file import read_array
from couple.files.open_hdf5 import FileKind, read_given
from couple.storage.records.results import Results
from reducers.population.patterns.patterns import Patterns, bin_records, bin_spikes, to_bits

NWB = FileKind((), "an NWB file with units", "give an .nwb file with /units/spike_times")

Span = tuple[float | None, float | None]
"""ms from and to which patterns are taken, None for all there is."""


def spikes_of_results(
    path: Path, window: float, clip: bool = False, only: str = "*", span: Span = (None, None)
) -> Patterns:
    """Of the cells of a network, or of recorded somata. only: names, with * and ?. Raises InputError without spikes."""
    with Results(path) as results:
        _, trains = results.spikes()
        names = [*trains]
        if "spikes" in results.file:
            populations: dict[str, int] = json.loads(results.file["spikes"].attrs["populations"])
            names = [f"{population}_{i}" for population, n in populations.items() for i in range(n)]
        chosen = _chosen(names, only, "cell with spikes", path)
        begin, end = _within(results.time, span)
        return bin_spikes([trains.get(name, np.zeros(0)) for name in chosen], chosen, window, (begin, end), clip)


def records_of_results(path: Path, record: str, above: str, window: float, span: Span = (None, None)) -> Patterns:
    """Of sites whose record is above a level in some row of a window.

    record: "SITES.NAME", as "spine_*.SK_open" or "*.Ca". above: a number (of molecules), or with a unit of
    concentration. Raises InputError for what was not recorded.
    """
    pattern, _, name = record.rpartition(".")
    with Results(path) as results:
        sites = _chosen([*results.sites()], pattern or "*", "site", path)
        try:
            level, molar = float(above), False
        except ValueError:
            level, molar = quantity(above, "concentration") * 1e3, True
        known = [*results.labels(sites[0], "means", "observable"), *results.labels(sites[0], "counts", "species")]
        if name not in known:
            raise InputError(f'"{name}" of {sites[0]} was not recorded; {nearest(name, known)}', where=str(path))
        rows: list[Bools] = []
        for site in sites:
            values = results.micromolar(site, name) if molar else results[f"{site}.{name}"]
            rows.append(values > level)
        time = results.time
        begin, end = _within(time, span)
        inside = (time >= begin - 1e-9) & (time <= end + 1e-9)
        return bin_records(np.stack(rows, axis=1)[inside], time[inside], sites, window)


def patterns_of_array(path: Path, window: float = 0.0) -> Patterns:
    """Of an .npy file of (windows, neurons), 0 and 1."""
    try:
        with path.open("rb") as file:
            return to_bits(read_array(file, str(path)), window=window)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except ValueError as error:
        raise InputError(f"is no array of NumPy: {error}", where=str(path)) from None
    except InputError as error:
        raise error if error.where == str(path) else error.inside(str(path)) from None


def patterns_of_table(path: Path, window: float, clip: bool = False, span: Span = (None, None)) -> Patterns:
    """Of a CSV file: of spikes, columns "neuron" and "time" (ms), a line for each; or of 0 and 1, a column for each
    neuron and a line for each window. Raises InputError for another.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from None
    if len(lines) < 2 or len({len(line) for line in lines}) > 1:
        raise InputError("is no table: give a line of names and lines of as many numbers", where=str(path))
    head = [name.partition("[")[0].strip() for name in lines[0]]
    try:
        if {"neuron", "time"} <= {*head}:
            times: dict[str, list[float]] = {}
            for line in lines[1:]:
                times.setdefault(line[head.index("neuron")].strip(), []).append(float(line[head.index("time")]))
            trains = {name: np.array(sorted(found)) for name, found in sorted(times.items(), key=_by_number)}
            last = max(float(t.max()) for t in trains.values())
            begin, end = (0.0 if span[0] is None else span[0]), (last + window if span[1] is None else span[1])
            return bin_spikes([*trains.values()], [*trains], window, (begin, end), clip)
        return to_bits(np.array([[float(cell) for cell in line] for line in lines[1:]]), head, window)
    except ValueError as error:
        raise InputError(f"holds what is no number: {error}", where=str(path)) from None
    except InputError as error:
        raise error.inside(str(path)) from None


def spikes_of_nwb(path: Path, window: float, clip: bool = False, span: Span = (None, None)) -> Patterns:
    """Of the units of an NWB file, whose times are in seconds."""
    with read_given(path, NWB) as file:
        if "units/spike_times" not in file or "units/spike_times_index" not in file:
            raise InputError("has no units with spike times (/units/spike_times and its index)")
        times = 1e3 * np.asarray(file["units/spike_times"], dtype=np.float64)
        ends = np.asarray(file["units/spike_times_index"], dtype=np.int64)
        names = _unit_names(file, len(ends))
    if len(ends) == 0 or (np.diff(ends, prepend=0) < 0).any() or ends[-1] > len(times):
        raise InputError("has an index of spike times that does not fit them", where=str(path))
    trains = np.split(times, ends)[:-1]
    begin = float(times.min()) if span[0] is None else span[0]
    end = float(times.max()) + window if span[1] is None else span[1]
    try:
        return bin_spikes(trains, names, window, (begin, end), clip)
    except InputError as error:
        raise error.inside(str(path)) from None


def _unit_names(file: h5py.File, n: int) -> list[str]:
    if "units/id" not in file:
        return [str(i) for i in range(n)]
    return [str(one) for one in np.asarray(file["units/id"]).tolist()]


def _chosen(names: list[str], pattern: str, what: str, path: Path) -> list[str]:
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        said = nearest(pattern, names) if names else f"there is no {what} in these results"
        raise InputError(f"no {what} is called {quoted(pattern)}; {said}", where=str(path))
    return found


def _within(time: Floats, span: Span) -> tuple[float, float]:
    begin, end = float(time[0]), float(time[-1])
    return (begin if span[0] is None else max(begin, span[0])), (end if span[1] is None else min(end, span[1]))


def _by_number(item: tuple[str, list[float]]) -> tuple[float, str]:
    name = item[0]
    return (float(name) if name.isdigit() else float("inf")), name
