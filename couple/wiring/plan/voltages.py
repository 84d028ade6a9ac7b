"""Segments whose voltage [record] asks for, besides the coupled ones."""

from __future__ import annotations

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.cells.network_cells import Cells
from couple.wiring.cells.sections import Branches
from couple.wiring.sites.placed_site import Order


def recorded_voltages(experiment: Experiment, branches: Branches | None, cells: Cells) -> dict[str, Order]:
    """Segment on this rank → its order, of those that are asked for; all ranks together.

    Raises InputError that names the key of a segment that no rank has.
    """
    if branches is None:
        return {}
    found: dict[str, Order] = {}
    unknown: dict[int, InputError] = {}
    for i, name in enumerate(experiment.record.voltages):
        key = f"record.voltages[{i}]"
        if cells.all:
            for k, (cell, segment) in enumerate(cells.segments(name, branches, key)):
                found.setdefault(segment, (-1, i, cell.gid, k))
            continue
        try:
            if "*" in name or "?" in name:
                for k, segment in enumerate(branches.find([name], "")):
                    found.setdefault(segment, (-1, i, k))
                continue
            found.setdefault(branches.model.resolve(name), (-1, i))
        except InputError as error:
            unknown[i] = error.at(key)
    for i in sorted(set.intersection(*world().gather({*unknown}))):  # one that no rank has
        raise unknown[i]
    return found
