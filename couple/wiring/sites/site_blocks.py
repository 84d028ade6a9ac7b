"""From [[site]] blocks to sites with their geometry: their own, that of their segments, or that of their options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from couple.base.errors import InputError
from couple.experiment import RESERVED, Experiment, SiteBlock
from couple.experiment.sites.placement import SEED
from couple.geometry.geometry import Geometry
from couple.parallel.communicator import world
from couple.wiring.cells.cables import cable_of
from couple.wiring.cells.network_cells import CellBranches, Cells
from couple.wiring.cells.placement import branch_points
from couple.wiring.cells.sections import Branches
from couple.wiring.sites.changed_sites import SiteChanges
from couple.wiring.sites.engine_choice import EngineChoice
from couple.wiring.sites.placed_site import Order, PlacedSite, PlacedSites, SegmentShare


def place_sites(
    experiment: Experiment,
    engines: Mapping[str, EngineChoice],
    branches: Branches | None,
    cells: Cells | None = None,
) -> PlacedSites:
    """All sites on this rank with their geometry; all ranks together.

    engines: of the blocks, by key. branches: of the electrical model, None without. Raises InputError that names the
    key.
    """
    sites: list[PlacedSite] = []
    missing: dict[int, InputError] = {}
    changes = SiteChanges(experiment, engines)
    for i, block in enumerate(experiment.site):
        key = f"site[{i}]"
        if i in experiment.site_changes:
            continue
        try:
            made = [*_of_block(_Placing(experiment, block, key, engines[key]), branches, cells)]
        except InputError as error:
            if branches is None or world().size == 1 or (cells is not None and cells.all):
                raise
            made, missing[i] = [], error  # the model of another rank may have it
        sites += [changes.applied(replace(site, order=(i, *site.order))) for site in made]
    placed = _all_ranks(sites, missing, shared=branches is None)
    changes.check(placed.everywhere)
    return placed


def _all_ranks(sites: list[PlacedSite], missing: Mapping[int, InputError], *, shared: bool) -> PlacedSites:
    """What all ranks have placed. shared: each has placed the same, which is yet to be divided."""
    ranks = world().gather([(s.name, s.key, s.order) for s in sites] if not shared or world().first else [])
    keys: dict[str, str] = {}
    everywhere: dict[str, Order] = {}
    for rank, there in enumerate(ranks):
        for name, key, order in there:
            if name in keys:
                raise InputError(
                    f'another site, of {keys[name]}, is also named "{name}"; for what differs at that site alone, give '
                    "its name, and no place or segment",
                    where=f"{key}.name",
                )
            keys[name], everywhere[name] = key, (*order, rank)
    for i, error in missing.items():
        if f"site[{i}]" not in keys.values():
            raise error
    return PlacedSites(sites, everywhere)


@dataclass(frozen=True)
class _Placing:
    """A block that is placed. cell: name of the cell, which keys the random places in a network."""

    experiment: Experiment
    block: SiteBlock
    key: str
    engine: EngineChoice
    cell: str = ""

    def own_geometry(self, segments: Sequence[Geometry] = ()) -> Geometry | None:
        """What the block itself says of its shape, in these segments. Raises InputError that names the key."""
        given = self.block.geometry
        if given is None:
            return None
        try:
            folder = self.experiment.folder
            return given.in_segments(segments, folder) if segments else given.build(folder)
        except InputError as error:
            raise error.at(f"{self.key}.geometry") from None

    @property
    def is_shell(self) -> bool:
        """Whether its sites lie below the membrane of their segments."""
        return self.block.geometry is not None and self.block.geometry.shell is not None

    def nowhere(self) -> PlacedSite:
        """The site of a block without segments: its own geometry, or that which the engine's options describe."""
        own = self.own_geometry()
        return PlacedSite(self.block, self.key, self.engine, own or self.engine.geometry(self.experiment.folder))


def _of_block(placing: _Placing, branches: Branches | None, cells: Cells | None) -> Iterator[PlacedSite]:
    """The sites of a block on this rank; in a network those of every cell that it names, called CELL_NAME."""
    block = placing.block
    if block.cells is None or cells is None or branches is None:
        nowhere = block.segment is None and block.sections is None and block.place is None
        if branches is not None and nowhere and not world().first:
            return  # in no segment: on the first rank
        for k, site in enumerate(_sites(placing, branches)):
            yield replace(site, order=(-1, k))
        return
    for cell in cells.local_of(block.cells, f"{placing.key}.cells"):
        for k, site in enumerate(_sites(replace(placing, cell=cell.name), CellBranches(branches, cell))):
            named = site.block.model_copy(update={"name": f"{cell.name}_{site.name}"})
            yield replace(site, block=named, order=(cell.gid, k))


def _sites(placing: _Placing, branches: Branches | None) -> Iterator[PlacedSite]:
    """The site of a block, or all of them, on the branches of a model or of one cell."""
    block, key = placing.block, placing.key
    if branches is None:
        given = (k for k in ("segment", "sections", "place") if getattr(block, k) is not None)
        if kind := next(given, ""):
            raise InputError(
                "needs a [neuron] model; or give geometry.cylinder = { diameter, length }", where=f"{key}.{kind}"
            )
        yield placing.nowhere()
    elif block.place is not None:
        yield from _at_points(placing, branches)
    elif block.sections is not None:
        cable = cable_of(block.sections, branches, f"{key}.sections")
        shares = tuple(map(SegmentShare, cable.segments, cable.areas, cable.volumes))
        yield PlacedSite(block, key, placing.engine, cable.geometry, shares, cable=cable)
    elif block.segment is not None:
        yield _in_segments(placing, list(branches.find(block.segment, f"{key}.segment")), branches)
    else:
        yield placing.nowhere()


def _at_points(placing: _Placing, branches: Branches) -> Iterator[PlacedSite]:
    """Many sites, each in the segment of a place of the block."""
    block, key = placing.block, placing.key
    assert block.place is not None
    keyed = f"{placing.cell}.{block.name}" if placing.cell else block.name
    distinct = block.geometry is None or placing.is_shell
    found = branch_points(block.place, branches, SEED, keyed, f"{key}.place", distinct=distinct)
    for i, point in enumerate(found):
        name = block.name.replace("*", point.star) if "*" in block.name else f"{block.name}_{i}"
        _check_name(name, f"{key}.name")
        named = replace(placing, block=block.model_copy(update={"name": name}))
        yield replace(_in_segments(named, [point.segment], branches), away=point.away)


def _check_name(name: str, key: str) -> None:
    if not name.isidentifier() or name in RESERVED:
        raise InputError(f'makes the site "{name}", which is no name: letters, digits and _ only', where=key)


def _in_segments(placing: _Placing, segments: list[str], branches: Branches) -> PlacedSite:
    """A site in some segments, in each in proportion to the segment's membrane and volume; a shell, to its membrane."""
    block = placing.block
    try:
        shapes = [branches.model.geometry(segment) for segment in segments]
    except InputError as error:
        raise error.at(f"{placing.key}.{'place' if block.place is not None else 'segment'}") from None
    geometry = placing.own_geometry(shapes) or Geometry.joined(shapes)
    area, volume = sum(s.area for s in shapes), sum(s.volume for s in shapes)
    parts = [(s.area / area, s.area / area if placing.is_shell else s.volume / volume) for s in shapes]
    shares = tuple(
        SegmentShare(segment, geometry.area * of_area, geometry.volume * of_volume)
        for segment, (of_area, of_volume) in zip(segments, parts, strict=True)
    )
    return PlacedSite(block, placing.key, placing.engine, geometry, shares)
