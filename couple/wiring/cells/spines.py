"""Spines of [[spine]] blocks: where each grows, and how large it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from couple.base.errors import InputError
from couple.components.electrics import ElectricalModel
from couple.components.model_spec import SpineSpec, SynapseSpec
from couple.experiment import Experiment
from couple.experiment.cells.spine import Part, SpineBlock, Synapse
from couple.rng.streams import generator
from couple.wiring.cells.network_cells import Cell, CellBranches, Cells, number
from couple.wiring.cells.placement import BranchPoint, branch_points
from couple.wiring.cells.protocol_stimuli import synapse_times
from couple.wiring.cells.sections import Branches, section_of

US_PER_PS = 1e-6


def grow_spines(experiment: Experiment, model: ElectricalModel | None, cells: Cells) -> list[str]:
    """Grow the spines of all blocks on the model; lines that describe them. Raises InputError that names the key."""
    if model is None or not experiment.spine:
        return []
    branches = Branches(model)  # as it came: no spine grows on a spine
    if not branches.sections:
        return []  # another rank has them all
    specs: list[SpineSpec] = []
    for i, block in enumerate(experiment.spine):
        key = f"spine[{i}]"
        times = synapse_times(experiment, i)
        if block.cells is None:
            found = branch_points(block.place, branches, block.seed, block.name, f"{key}.place")
            specs += _block(block, key, found, times)
            continue
        for cell in cells.local_of(block.cells, f"{key}.cells"):
            there, name = CellBranches(branches, cell), f"{cell.name}.{block.name}"
            found = branch_points(block.place, there, block.seed, name, f"{key}.place")
            specs += _block(block, key, found, times, cell)
    named = Counter(spec.name for spec in specs)
    for spec in specs:
        if named[spec.name] > 1 or f"{spec.name}.head" in branches.sections:
            raise InputError(f'another spine is also called "{spec.name}"', where=f"{spec.key}.name")
    model.grow(specs)
    return [_line(spec) for spec in specs]


def _block(
    block: SpineBlock, key: str, found: Sequence[BranchPoint], times: tuple[float, ...], cell: Cell | None = None
) -> list[SpineSpec]:
    name = block.name if cell is None else f"{cell.name}.{block.name}"
    leak = None if block.leak is None else (block.leak.g, block.leak.e)
    with_synapse = _stimulated(block.synapse, len(found), key)
    return [
        SpineSpec(
            f"{name}_{i}",
            key,
            section_of(point.segment),
            point.x,
            _sizes(block.head, "head", name, i, key, block.seed),
            _sizes(block.neck, "neck", name, i, key, block.seed),
            block.head.channels,
            block.neck.channels,
            block.Ra,
            block.cm,
            leak,
            _synapse(block, i, times, 0 if cell is None else 1 + cell.gid) if i in with_synapse else None,
            point.away,
        )
        for i, point in enumerate(found)
    ]


def _sizes(part: Part, which: str, name: str, i: int, key: str, seed: int) -> tuple[float, float]:
    """(diameter, length) of a part of spine i, from a stream of its own."""
    rng = generator(seed, "spine", f"{name}_{i}", which)
    made = []
    for field, size in (("diameter", part.diameter), ("length", part.length)):
        try:
            made.append(size.draw(rng))
        except ValueError as error:
            raise InputError(str(error), where=f"{key}.{which}.{field}") from None
    return made[0], made[1]


def has_synapse(experiment: Experiment, block: int, spine: int) -> bool:
    """Whether spine number `spine` of a [[spine]] block has one of the block's synapses. Raises InputError."""
    synapse, place, key = experiment.spine[block].synapse, experiment.spine[block].place, f"spine[{block}]"
    if synapse is None or synapse.count is None:
        return synapse is not None
    if place.count is None:
        raise InputError(
            "is needed to know which spines have a synapse: say how many there are", where=f"{key}.place.count"
        )
    return spine in _stimulated(synapse, place.count, key)


def _stimulated(synapse: Synapse | None, n: int, key: str) -> set[int]:
    """Which of n spines have a synapse: all, or `count` of them at even steps."""
    if synapse is None:
        return set()
    count = n if synapse.count is None else synapse.count
    if count > n:
        raise InputError(f"{count} synapses for {n} spines", where=f"{key}.synapse.count")
    return {int((k + 0.5) * n / count) for k in range(count)}


def _synapse(block: SpineBlock, i: int, times: tuple[float, ...], cell: int) -> SynapseSpec:
    synapse = block.synapse
    assert synapse is not None
    return SynapseSpec(
        synapse.AMPA * US_PER_PS,
        synapse.NMDA * US_PER_PS,
        times,
        synapse.rate or 0.0,
        synapse.start,
        (number(block.name), i),
        cell,
    )


def _line(spec: SpineSpec) -> str:
    (head, tall), (neck, long) = spec.head, spec.neck
    away = "" if spec.away is None else f" at {spec.away:.4g} um"
    where = f"{spec.section}({spec.x:.4g}){away}"
    line = f"{spec.name} on {where}: head {head:.4g} x {tall:.4g} um, neck {neck:.4g} x {long:.4g} um"
    if spec.synapse is not None:
        train = f"{spec.synapse.rate * 1e3:g} /s" if spec.synapse.rate else f"{len(spec.synapse.times)} spikes"
        line += f", AMPA {spec.synapse.ampa * 1e3:g} nS, NMDA {spec.synapse.nmda * 1e3:g} nS, {train}"
    return line
