"""Range variables of the model that [record] asks for: (segment, variable), grouped by variable."""

from __future__ import annotations

from collections.abc import Mapping

from couple.base.errors import InputError, nearest
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.cells.network_cells import Cells
from couple.wiring.cells.sections import Branches
from couple.wiring.sites.placed_site import Order

Ranges = Mapping[tuple[str, str], Order]
"""(segment, variable) → order."""


def recorded_ranges(experiment: Experiment, branches: Branches | None, cells: Cells) -> Ranges:
    """Those on this rank, of the segments that fit and have the variable; all ranks together.

    Raises InputError that names the key of one that no rank has.
    """
    if branches is None:
        return {}
    found: dict[tuple[str, str], Order] = {}
    unknown: dict[int, InputError] = {}
    for i, text in enumerate(experiment.record.ranges):
        place, _, variable = text.rpartition(".")
        key = f"record.ranges[{i}]"
        try:
            segments = _segments(place, branches, cells, key)
            for segment, order in _having(variable, segments, branches, key).items():
                found.setdefault((segment, variable), (i, *order))
        except InputError as error:
            unknown[i] = error
    for i in sorted(set.intersection(*world().gather({*unknown}))):  # one that no rank has
        raise unknown[i]
    variables = [*dict.fromkeys(variable for _, variable in found)]
    return dict(sorted(found.items(), key=lambda item: variables.index(item[0][1])))


def _segments(place: str, branches: Branches, cells: Cells, key: str) -> dict[str, Order]:
    """Segments that a name or pattern means."""
    if cells.all:
        return {segment: (cell.gid, k) for k, (cell, segment) in enumerate(cells.segments(place, branches, key))}
    return {segment: (k,) for k, segment in enumerate(branches.find([place], key))}


def _having(variable: str, segments: Mapping[str, Order], branches: Branches, key: str) -> dict[str, Order]:
    """Those of the segments that have a variable. Raises InputError if none of them has it."""
    known = {segment: branches.model.range_variables(segment) for segment in segments}
    found = {segment: order for segment, order in segments.items() if variable in known[segment]}
    if not segments:
        raise InputError(f'no segment on this rank has "{variable}"', where=key)
    if not found:
        there = [*dict.fromkeys(name for names in known.values() for name in names)]
        first = next(iter(segments))
        raise InputError(f'"{variable}" is no range variable of {first}; {nearest(variable, there)}', where=key)
    return found
