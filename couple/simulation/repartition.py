"""Going on with another number of ranks: states by the names of what they are of, put together and dealt out anew."""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.errors import InputError
from couple.components.component import Component, State, StateValue
from couple.components.engine import SiteEngine
from couple.components.state import whole
from couple.simulation.orchestrator import Orchestrator
from couple.storage.records.recorder import Recorder, Variable, columns
from couple.wiring import System

Array = npt.NDArray[Any]
Parts = Sequence[Mapping[str, State]]


def packed(names: Any) -> bytes:
    """Names, small."""
    return zlib.compress(json.dumps(names).encode(), 1)


def unpacked(value: StateValue) -> Any:
    """Names that `packed` made small, also as HDF5 gives them back."""
    return json.loads(zlib.decompress(value if isinstance(value, bytes) else np.asarray(value).tobytes()))


def names_of(system: System, recorder: Recorder) -> State:
    """Names of what the numbers in a checkpoint of this rank are of; all that `move` needs besides the states."""
    rows = [[v.path, list(map(list, v.labels)), v.kind] for v in recorder.variables]
    return {"memory": packed(_memory(system)), "exchange": packed(_exchange(system, recorder)), "rows": packed(rows)}


def _memory(system: System) -> list[str]:
    """Of every value of every port."""
    names = [""] * system.memory.block.size
    for component in system.components:
        for port in (*component.inputs, *component.outputs):
            indices = system.memory.all_of(component, port)
            for k, index in enumerate(indices):
                names[index] = f"{component.name}|{port}|{_place(system, component, port, k, len(indices))}"
    return names


def _place(system: System, component: Component, port: str, k: int, n: int) -> str:
    if isinstance(component, SiteEngine):
        width = n // len(component.sites)
        return f"{component.sites[k // width].name}|{k % width}"
    return system.labels[port][k]


def _exchange(system: System, recorder: Recorder) -> dict[str, list[str]]:
    """Of the rows of every array of the exchange's state."""
    made, memory = system.connections, _memory(system)
    after = [memory[link.target] for link in made.after]
    sums = [f"sum {memory[index]}" for index in recorder.summed]
    diffusion = [] if made.diffusion is None else [link.name for link in made.diffusion.links]
    return {
        "memory": memory,
        "accounts": _distinct([link.name for link in made.ions]),
        "balance": [f"{h.site}|{h.substance}" for h in made.holdings],
        "state": [*(f"last {name}" for name in after), *(f"hits {name}" for name in after), *sums],
        **({"responses": [link.name for link in made.responses]} if made.responses else {}),
        "diffusion.accounts": diffusion,
        "diffusion.words": diffusion,
    }


def _distinct(names: Sequence[str]) -> list[str]:
    """Repeated ones numbered."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name} {seen[name]}")
        seen[name] += 1
    return found


def rows_of(place: str, rank: int, size: int) -> str:
    """The folder of the recorded rows of a rank, in the run's folder."""
    return place if size == 1 else f"{place}/rank{rank:04d}"


def move(
    system: System, orchestrator: Orchestrator, recorder: Recorder, parts: Parts, folder: Path, place: str
) -> None:
    """Take up the states of all ranks of a run in a system that is spread otherwise.

    folder: of the run; place: of the recorded rows in it. Raises InputError for a state that cannot be taken apart.
    """
    if any("names" not in part for part in parts):
        raise InputError(
            "only a network, or sites without [neuron], go on with another number of ranks: run it without mpiexec"
        )
    mine = _exchange(system, recorder)
    exchange: State = {}
    for key, names in mine.items():
        if any(key in part["exchange"] for part in parts):
            exchange[key] = _rows(key, names, parts)
    states: dict[str, State] = {"exchange": exchange, "clock": parts[0]["clock"]}
    spent = states["clock"]
    for component in (*system.components, *system.together):
        spent.setdefault(f"seconds.{component.name}", 0.0)
    for component in system.components:
        name = f"component.{component.name}"
        if isinstance(component, SiteEngine):
            states[name] = _of_sites(component, name, parts)
        elif component is not system.electrics:
            states[name] = {"window": whole(spent, "window")}
    electrics = system.electrics
    if electrics is not None:
        name = f"component.{electrics.name}"
        electrics.restore_from_ranks([part[name] for part in parts])
        states[name] = electrics.save()
    _take_rows(recorder, parts, folder, place)
    states["recorder"] = recorder.save()
    orchestrator.restore(states)


def _rows(key: str, names: Sequence[str], parts: Parts) -> Array:
    """Rows of one array of the exchange's state, from wherever they are."""
    found: dict[str, Array] = {}
    for part in parts:
        if key in part["exchange"]:
            there = unpacked(part["names"]["exchange"])[key]
            found.update(zip(there, np.asarray(part["exchange"][key]), strict=True))
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"the checkpoint has no {missing[0]}: resume with as many ranks as wrote it")
    sample = next((np.asarray(p["exchange"][key]) for p in parts if key in p["exchange"]), np.zeros(0))
    return np.array([found[name] for name in names], dtype=sample.dtype).reshape(len(names), *sample.shape[1:])


def _of_sites(engine: SiteEngine, name: str, parts: Parts) -> State:
    """The state of an engine from those of the engines that had its sites: "siteK.x", rows of arrays, or the same in
    all."""
    place: dict[str, tuple[State, int, int]] = {}
    for part in parts:
        if name in part:
            sites = [entry.split("|")[2] for entry in _of_port(unpacked(part["names"]["memory"]), name)]
            there = list(dict.fromkeys(sites))
            place |= {site: (part[name], k, len(there)) for k, site in enumerate(there)}
    found: State = {}
    for k, site in enumerate(engine.sites):
        if site.name not in place:
            raise InputError(f'the checkpoint has no site "{site.name}": resume with as many ranks as wrote it')
        state, at, _ = place[site.name]
        for key, value in state.items():
            match = re.fullmatch(r"site(\d+)\.(.+)", key)
            if match is not None and int(match[1]) == at:
                found[f"site{k}.{match[2]}"] = value
    owners = [place[site.name] for site in engine.sites]
    for key, value in owners[0][0].items():
        if re.fullmatch(r"site\d+\..+", key):
            continue
        array = np.asarray(value)
        if isinstance(value, np.ndarray) and array.ndim and array.shape[0] == owners[0][2]:
            found[key] = np.array([np.asarray(state[key])[at] for state, at, _ in owners], dtype=array.dtype)
        elif all(np.array_equal(np.asarray(state[key]), array) for state, _, _ in owners):
            found[key] = value
        else:
            raise InputError(f'a state of "{engine.name}" cannot be taken apart: resume with as many ranks as wrote it')
    return found


def _of_port(memory: Sequence[str], name: str) -> list[str]:
    """Names of the molecules of an engine."""
    return [entry for entry in memory if entry.startswith(f"{name.removeprefix('component.')}|counts|")]


def _take_rows(recorder: Recorder, parts: Parts, folder: Path, place: str) -> None:
    """What all ranks have recorded so far becomes the rows of this one."""
    found: dict[tuple[str, ...], Array] = {}
    for rank, part in enumerate(parts):
        rows = unpacked(part["names"]["rows"])
        variables = [
            Variable(path, "", ("",) * len(labels), tuple(map(tuple, labels)), tuple(range(_size(labels))), kind)
            for path, labels, kind in rows
        ]
        old = Recorder(folder, variables, 0, rows_of(place, rank, len(parts)))
        old.restore(part["recorder"])
        table = np.concatenate([*old.chunks()]) if old.recorded else np.zeros((0, 0))
        for v, column in zip(variables, columns(variables), strict=True):
            for k, key in enumerate(_keys(v)):
                found[key] = table[:, column.start + k]
    places = columns(recorder.variables)
    missing = next((key for v in recorder.variables for key in _keys(v) if key not in found), None)
    if missing is not None:
        raise InputError(f"the checkpoint has no {' '.join(missing)}: resume with as many ranks as wrote it")
    n = len(next(iter(found.values()), np.zeros(0)))
    table = np.zeros((n, sum(len(v.indices) for v in recorder.variables)))
    for v, column in zip(recorder.variables, places, strict=True):
        for k, key in enumerate(_keys(v)):
            table[:, column.start + k] = found[key]
    recorder.take(table)


def _keys(v: Variable) -> list[tuple[str, ...]]:
    """What stands in each column of a variable."""
    shape = tuple(len(names) for names in v.labels)
    return [(v.path, *(names[i] for names, i in zip(v.labels, at, strict=True))) for at in np.ndindex(*shape)]


def _size(labels: Sequence[Sequence[str]]) -> int:
    return int(np.prod([len(names) for names in labels]))
