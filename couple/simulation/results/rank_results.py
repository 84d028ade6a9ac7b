"""The result file of a run over ranks: virtual datasets over OUT/rank0000.h5, ..., and merged books.

It opens like that of one process, with the same names in the same order; the files of the ranks have to stay beside it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.files.hdf5_content import DIGESTS
from couple.files.open_hdf5 import open_hdf5
from couple.files.seal import sealed_digest
from couple.files.write_hdf5 import replacing
from couple.simulation.results.validity_counts import joined
from couple.storage.records.recorder import Variable, version_for
from couple.storage.records.results import FORMAT, KIND
from couple.wiring.sites.placed_site import Order

_PER_SITE = ("volume_um3", "area_um2", "distance_um")


def rank_file(folder: Path, rank: int) -> Path:
    """Where a rank puts its records."""
    return folder / f"rank{rank:04d}.h5"


def orders(variables: Sequence[Variable], sites: Mapping[str, Order]) -> dict[str, str]:
    """Path → order of the labels along its first axis (site, segment, channel), for `merge`."""
    found = {}
    for v in variables:
        keys = v.order or tuple(sites[name] for name in v.labels[0] if name in sites)
        if len(keys) == len(v.labels[0]):
            found[v.path] = json.dumps(keys)
    return found


def merged(summaries: Sequence[Mapping[str, Any]], sites: Mapping[str, Order]) -> dict[str, Any]:
    """One summary of a run from those of its ranks: books together, the longest times, CPU seconds in sum."""
    first = dict(summaries[0])
    ledgers = [s["ledger"] for s in summaries]
    books: dict[str, Any] = {"max_imbalance_ions": max(book["max_imbalance_ions"] for book in ledgers)}
    for key in ("links", "sites", "diffusion"):
        entries = [entry for book in ledgers for entry in book[key]]
        books[key] = sorted(entries, key=lambda e: sites.get(e.get("site", e.get("first")), ()))
    books["floored"] = {k: n for book in ledgers for k, n in book["floored"].items()}
    counts = joined(s["validity_counts"] for s in summaries if "validity_counts" in s)
    seconds: dict[str, float] = {}
    for summary in summaries:
        for name, spent in summary["seconds"].items():
            seconds[name] = max(spent, seconds.get(name, 0.0))
    return first | {
        "engines": {site: kind for s in summaries for site, kind in s["engines"].items()},
        "ledger": books,
        "seconds": seconds,
        "cpu_seconds": round(sum(s["cpu_seconds"] for s in summaries), 6),
        **({"validity_counts": counts} if counts else {}),
        "overhead": max((s["overhead"] for s in summaries), key=lambda o: o["share"]),
        "warnings": list(dict.fromkeys(w for s in summaries for w in s["warnings"])),
        "ranks": [{"seconds": s["seconds"], "cpu_seconds": s["cpu_seconds"]} for s in summaries],
    }


def merge(path: Path, ranks: int, attributes: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `path` over the files of all ranks beside it.

    attributes, tables: of the file, and of groups; those of components come from the ranks. Raises RunError if the
    disk refuses.
    """
    with ExitStack() as stack:
        places = [rank_file(path.parent, r) for r in range(ranks)]
        files = [stack.enter_context(open_hdf5(place, KIND)) for place in places]
        widest = sum(_widest(file) for file in files)
        with replacing(path, FORMAT, version_for(widest)) as out:
            out.attrs.update(attributes)
            out.attrs[DIGESTS] = json.dumps({place.name: sealed_digest(place) for place in places})
            time = out.create_dataset("time", data=files[0]["time"][()])
            time.attrs.update(files[0]["time"].attrs)
            for name in dict.fromkeys(name for file in files for name in _paths(file)):
                _join(out, name, [(r, file[name]) for r, file in enumerate(files) if name in file])
            for name in dict.fromkeys(name for file in files for name in _components(file)):
                _join_attributes(out.require_group(name), [file[name] for file in files if name in file])
            for name, content in tables.items():
                out.require_group(name).attrs.update(content)
            if any("spikes" in file for file in files):
                _join_spikes(out, [file["spikes"] for file in files if "spikes" in file])


def _paths(file: h5py.File) -> list[str]:
    """Datasets of components."""
    return [f"{name}/{key}" for name in _components(file) for key in file[name]]


def _components(file: h5py.File) -> list[str]:
    return [name for name, group in file.items() if isinstance(group, h5py.Group) and name not in _TABLES]


_TABLES = ("ledger", "timing", "versions", "spikes")


def _widest(file: h5py.File) -> int:
    return max((file[name].shape[1] for name in _paths(file)), default=0)


def _join(out: h5py.File, name: str, parts: Sequence[tuple[int, h5py.Dataset]]) -> None:
    """A virtual dataset whose second axis has what all ranks have along it, in the order of one process."""
    keyed = []
    for rank, data in parts:
        keys = [tuple(key) for key in json.loads(data.attrs["order"])] if "order" in data.attrs else []
        keyed += [
            ((keys[k] if keys else (rank, k)), rank, k) for k in range(data.shape[1])
        ]  # rank by rank, where there is no order
    keyed.sort()
    rest = np.max([data.shape[2:] for _, data in parts], axis=0).astype(int).tolist() if parts[0][1].ndim > 2 else []
    first = parts[0][1]
    layout = h5py.VirtualLayout((first.shape[0], len(keyed), *rest), first.dtype)
    sources = {rank: (h5py.VirtualSource(rank_file(Path(), rank), name, data.shape), data) for rank, data in parts}
    for _, run in itertools.groupby(enumerate(keyed), lambda item: (item[1][1], item[0] - item[1][2])):
        members = list(run)
        (start, (_, rank, local)), n = members[0], len(members)
        source, data = sources[rank]
        inner = tuple(slice(0, size) for size in data.shape[2:])
        layout[(slice(None), slice(start, start + n), *inner)] = source[(slice(None), slice(local, local + n), *inner)]
    made = out.create_virtual_dataset(name, layout)
    made.attrs.update({key: value for key, value in first.attrs.items() if key != "order"})
    axis = str(first.attrs["dims"][1])
    if axis in first.attrs:
        labels = {rank: data.attrs[axis] for rank, data in parts}
        made.attrs[axis] = [str(labels[rank][k]) for _, rank, k in keyed]


def _join_attributes(group: h5py.Group, parts: Sequence[h5py.Group]) -> None:
    """What is said of sites goes into the order of its datasets; what is said of the component is the same in all."""
    for key in dict.fromkeys(key for part in parts for key in part.attrs):
        values = [part.attrs.get(key) for part in parts]
        array = np.asarray(values[0])
        if key not in _PER_SITE and not (key == "shape" and array.ndim == 2):
            group.attrs[key] = values[0]
        elif all(value is not None for value in values):
            group.attrs[key] = np.concatenate([np.asarray(v) for v in values])[_permutation(parts, group)]


def _permutation(parts: Sequence[h5py.Group], group: h5py.Group) -> list[int]:
    """Where the sites (or, of the electrical model, the segments) of the joined group are in the parts, one after the
    other."""
    named = [(k, str(d.attrs["dims"][1])) for k, d in group.items() if d.attrs["dims"][1] in d.attrs]
    name, axis = min(named, key=lambda pair: pair[0] != "v")
    before = [str(label) for part in parts if name in part for label in part[name].attrs[axis]]
    at = {label: k for k, label in enumerate(before)}
    return [at[str(label)] for label in group[name].attrs[axis]]


def _join_spikes(out: h5py.File, parts: Sequence[h5py.Group]) -> None:
    times = np.concatenate([part["time"][()] for part in parts])
    cells = np.concatenate([part["cell"][()] for part in parts])
    order = np.lexsort((cells, times))
    write_spikes(out, times[order], cells[order], dict(parts[0].attrs))


def write_spikes(file: h5py.File, times: Any, cells: Any, attributes: Mapping[str, Any]) -> None:
    """The group `spikes`: `time` in ms and `cell`, the number of the cell in the network."""
    group = file.require_group("spikes")
    group.attrs.update(attributes)
    group.create_dataset("time", data=times).attrs.update({"unit": "ms", "dims": ["spike"], "meaning": "of the spike"})
    group.create_dataset("cell", data=cells).attrs.update(
        {"unit": "1", "dims": ["spike"], "meaning": "number of the cell that fired; populations come one after another"}
    )
