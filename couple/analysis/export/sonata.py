"""A SONATA report of membrane potentials, with spikes, by h5py (Dai et al. 2020, PLoS Comput Biol 16:e1007696)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from couple.base.errors import InputError
from couple.files.write_hdf5 import new_for_others
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

POPULATION = "couple"
_SORTING = {"none": 0, "by_id": 1, "by_time": 2}
_PLACE = re.compile(r"(?P<section>.+)\((?P<x>[0-9.eE+-]+)\)")


def write_sonata(recording: Recording, path: Path) -> None:
    """/report/couple: data (n_rows, n_elements) in mV, mapping by node; /spikes/couple: timestamps and node_ids.

    A node is a cell of a network, or the one cell; an element is a section, in the order of the record, at a place from
    0 to 1. Names of nodes and sections are attributes of the mapping. Raises InputError for an ensemble, for times in
    steps, and for a run without voltages.
    """
    if not isinstance(recording, Results):
        raise InputError("SONATA holds one run: export an ensemble to csv or parquet", where="--to")
    voltages = recording.voltages()
    if recording.time_unit != "ms" or not voltages:
        raise InputError("SONATA reports are of membrane potentials: record.voltages of a [neuron] model", where="--to")
    _, trains = recording.spikes()
    cells = [name for name in trains if "(" not in name]  # of a network; other spikes are those of somata
    places = [_place(name, cells) for name in voltages]
    nodes = list(dict.fromkeys([*cells, *(node for node, _, _ in places)]))
    order = sorted(range(len(places)), key=lambda k: nodes.index(places[k][0]))
    sections = list(dict.fromkeys(section for _, section, _ in places))
    owner = np.array([nodes.index(places[k][0]) for k in order])
    there = sorted({*owner.tolist()})
    with new_for_others(path) as file:
        report = file.create_group(f"report/{POPULATION}")
        values = list(voltages.values())
        report["data"] = np.stack([values[k] for k in order], axis=1).astype(np.float32)
        report["data"].attrs["units"] = "mV"
        mapping = report.create_group("mapping")
        mapping["node_ids"] = np.array(there, dtype=np.uint64)
        mapping["index_pointers"] = np.searchsorted(owner, [*there, len(nodes)]).astype(np.uint64)
        mapping["element_ids"] = np.array([sections.index(places[k][1]) for k in order], dtype=np.uint32)
        mapping["element_pos"] = np.array([places[k][2] for k in order], dtype=np.float32)
        mapping["time"] = _times(recording)
        mapping["time"].attrs["units"] = "ms"
        mapping.attrs["nodes"], mapping.attrs["sections"] = nodes, sections
        spikes = file.create_group(f"spikes/{POPULATION}")
        spikes.attrs.create("sorting", _SORTING["by_time"], dtype=h5py.enum_dtype(_SORTING, basetype="i1"))
        times = np.concatenate([np.zeros(0), *trains.values()])
        owners = [nodes.index(name if name in cells else _place(name, cells)[0]) for name in trains]
        ids = np.repeat(owners, [len(t) for t in trains.values()]).astype(np.uint64)
        first = np.argsort(times, kind="stable")
        spikes["timestamps"], spikes["node_ids"] = times[first], ids[first]
        spikes["timestamps"].attrs["units"] = "ms"


def _times(recording: Results) -> np.ndarray:
    """(3,) start, stop, step. Raises InputError for rows that are not equally far apart."""
    time, steps = recording.time, np.diff(recording.time)
    if len(time) < 2 or not np.allclose(steps, steps[0], rtol=1e-9, atol=1e-12):
        raise InputError("SONATA reports have rows that are equally far apart, these are not: export to csv")
    return np.array([time[0], time[-1] + steps[0], steps[0]])


def _place(name: str, cells: Sequence[str]) -> tuple[str, str, float]:
    """Node, section and place of "CELL.SECTION(x)"."""
    match = _PLACE.fullmatch(name)
    section, x = (match["section"], float(match["x"])) if match else (name, 0.5)
    return next((c for c in cells if section.startswith(f"{c}.")), "cell"), section, x
