"""Who is connected with whom: drawn per target cell from a stream of its own, so that ranks need no messages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from couple.base.budget import check_memory
from couple.components.electrics import ElectricalModel
from couple.components.model_spec import Contact, Train
from couple.experiment import Experiment
from couple.experiment.cells.network import RECEPTORS, Connection, Receptors, Stimulus
from couple.parallel.communicator import world
from couple.rng.streams import generator
from couple.wiring.cells.network_cells import Cell, CellBranches, Cells, number
from couple.wiring.cells.sections import Branches
from couple.wiring.cells.spike_times import spike_times
from couple.wiring.cells.spines import US_PER_PS


def connect_cells(experiment: Experiment, model: ElectricalModel | None, cells: Cells) -> list[str]:
    """Connect the network on the model; lines that describe it. Raises InputError that names the key."""
    network = experiment.circuit
    if model is None or network is None:
        return []
    branches = Branches(model)
    contacts: list[Contact] = []
    lines = []
    sizes = experiment.populations
    for i, connection in enumerate(network.connection):
        inputs = connection.inputs or sizes[connection.source] * (connection.probability or 0.0)
        _check_room(inputs, sizes[connection.target], "inputs", f"network.connection[{i}]")
        made = [*_connection(connection, f"network.connection[{i}]", network.seed, branches, cells)]
        lines.append(_line(connection, f"{connection.source} -> {connection.target}", made))
        contacts += made
    for i, stimulus in enumerate(network.stimulus):
        _check_room(stimulus.count, sizes[stimulus.target], "trains", f"network.stimulus[{i}]")
        made = [*_stimulus(stimulus, f"network.stimulus[{i}]", network.seed, branches, cells)]
        lines.append(_line(stimulus, f"stimulus -> {stimulus.target}", made))
        contacts += made
    model.connect(contacts)
    return lines


BYTES = 100
"""Of memory for each contact, at the least: who and when; the electrical model takes several times as much."""


def _check_room(each: float, cells: int, what: str, key: str) -> None:
    """Raise InputError for more contacts on this rank than fit into memory."""
    here = each * cells / world().size
    check_memory(BYTES * here, f"{each:.3g} {what} of each of {cells} cells", "give fewer, or start more ranks", key)


def _connection(block: Connection, key: str, seed: int, branches: Branches, cells: Cells) -> Iterator[Contact]:
    pool = np.array([c.gid for c in cells.all if c.name.rpartition("_")[0] == block.source], dtype=np.int64)
    for cell in cells.local_of([block.target], f"{key}.to"):
        rng = generator(seed, "network", block.label, cell.name)
        at = int(np.searchsorted(pool, cell.gid))  # its own place among those that may project to it, to be left out
        own = at if at < len(pool) and pool[at] == cell.gid else len(pool)
        others = len(pool) - (own < len(pool))
        if block.inputs is not None:
            drawn = np.sort(rng.choice(others, block.inputs, replace=False))
        else:
            assert block.probability is not None
            drawn = np.flatnonzero(rng.random(others) < block.probability)
        chosen = pool[drawn + (drawn >= own)]
        places = _places(block, cell, branches, key)
        where = rng.integers(len(places), size=len(chosen))
        delays = rng.uniform(*block.delay, len(chosen))
        for k, segment in enumerate(places):
            mine = where == k
            sources = tuple(zip(chosen[mine].tolist(), delays[mine].tolist(), strict=True))
            if sources:
                yield from _receptors(block, key, segment, sources, ())


def _stimulus(block: Stimulus, key: str, seed: int, branches: Branches, cells: Cells) -> Iterator[Contact]:
    times = spike_times(block.times, f"{key}.times")
    for cell in cells.local_of([block.target], f"{key}.to"):
        rng = generator(seed, "network", block.label, cell.name)
        places = _places(block, cell, branches, key)
        where = rng.integers(len(places), size=block.count)
        for k, segment in enumerate(places):
            trains = tuple(
                Train(times, block.rate or 0.0, block.start, (number(block.label), cell.gid, int(i)))
                for i in np.flatnonzero(where == k)
            )
            if trains:
                yield from _receptors(block, key, segment, (), trains)


def _places(block: Receptors, cell: Cell, branches: Branches, key: str) -> list[str]:
    """Segments of a cell that contacts may be on."""
    return list(CellBranches(branches, cell).find(block.at, f"{key}.at"))


def _receptors(
    block: Receptors, key: str, segment: str, sources: tuple[tuple[int, float], ...], trains: tuple[Train, ...]
) -> Iterator[Contact]:
    for receptor in RECEPTORS:
        weight = getattr(block, receptor) * US_PER_PS
        if weight:
            yield Contact(key, segment, receptor, weight, sources, trains)


def _line(block: Receptors, what: str, made: list[Contact]) -> str:
    kinds = [receptor for receptor in RECEPTORS if getattr(block, receptor)]
    n = sum(len(c.sources) + len(c.trains) for c in made) // max(len(kinds), 1)
    strengths = ", ".join(f"{kind} {getattr(block, kind) / 1e3:g} nS" for kind in kinds)
    return f"{what}: {n} contacts here, {strengths}"
