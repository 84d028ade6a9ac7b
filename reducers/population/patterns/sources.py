"""Patterns from results of `couple run`, and from units of NWB."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from couple.base.arrays import Bools, Floats
from couple.base.errors import InputError, nearest
from couple.base.units import quantity
from couple.files.open_hdf5 import FileKind, read_given
from couple.storage.records.results import Results
from reducers.population.patterns.patterns import Patterns, Span, bin_records, bin_spikes, choose_names

NWB = FileKind((), "an NWB file with units", "give an .nwb file with /units/spike_times")


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
        chosen = choose_names(names, only, "cell with spikes", str(path))
        begin, end = _within(results.time, span)
        return bin_spikes([trains.get(name, np.zeros(0)) for name in chosen], chosen, window, (begin, end), clip)


def records_of_results(path: Path, record: str, above: str, window: float, span: Span = (None, None)) -> Patterns:
    """Of sites whose record is above a level in some row of a window.

    record: "SITES.NAME", as "spine_*.SK_open" or "*.Ca". above: a number (of molecules), or with a unit of
    concentration. Raises InputError for what was not recorded.
    """
    pattern, _, name = record.rpartition(".")
    with Results(path) as results:
        sites = choose_names([*results.sites()], pattern or "*", "site", str(path))
        try:
            level, molar = float(above), False
        except ValueError:
            try:
                level, molar = quantity(above, "concentration") * 1e3, True
            except InputError as error:
                raise error.at("data.above") from None
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


def spikes_of_nwb(
    path: Path, window: float, clip: bool = False, only: str = "*", span: Span = (None, None)
) -> Patterns:
    """Of the units of an NWB file, whose times are in seconds; from the first spike to the last, if not told."""
    with read_given(path, NWB) as file:
        if "units/spike_times" not in file or "units/spike_times_index" not in file:
            raise InputError("has no units with spike times (/units/spike_times and its index)")
        try:
            times = 1e3 * np.asarray(file["units/spike_times"], dtype=np.float64).ravel()
            ends = np.asarray(file["units/spike_times_index"]).astype(np.int64, casting="same_kind").ravel()
        except (TypeError, ValueError):
            raise InputError("has spike times, or an index of them, that are no numbers") from None
        names = _unit_names(file, len(ends))
    if len(ends) == 0 or (np.diff(ends, prepend=0) < 0).any() or ends[-1] > len(times):
        raise InputError("has an index of spike times that does not fit them", where=str(path))
    if not len(times) or not np.isfinite(times).all():
        said = "spike times that are not finite" if len(times) else "units without a single spike"
        raise InputError(f"has {said}", where=str(path))
    trains = dict(zip(names, np.split(times, ends)[:-1], strict=True))
    begin = float(times.min()) if span[0] is None else span[0]
    end = float(times.max()) + window if span[1] is None else span[1]
    chosen = choose_names(names, only, "unit", str(path))
    try:
        return bin_spikes([trains[name] for name in chosen], chosen, window, (begin, end), clip)
    except InputError as error:
        raise error.inside(str(path)) from None


def _unit_names(file: h5py.File, n: int) -> list[str]:
    listed = [str(one) for one in np.asarray(file["units/id"]).ravel().tolist()] if "units/id" in file else []
    return listed if len({*listed}) == n else [str(i) for i in range(n)]


def _within(time: Floats, span: Span) -> tuple[float, float]:
    begin, end = float(time[0]), float(time[-1])
    return (begin if span[0] is None else max(begin, span[0])), (end if span[1] is None else min(end, span[1]))
