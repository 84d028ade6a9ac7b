"""Where sites are and which links reach them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.base.schema import explain
from couple.components.capabilities import geometry_of, options_of
from couple.components.engine import SiteEngine
from couple.experiment import RESERVED, Experiment, LinkBlock, SiteBlock
from couple.experiment.placement import SEED
from couple.geometry.cable import Cable
from couple.geometry.geometry import Geometry
from couple.parallel.communicator import world
from couple.wiring.branches import Branches, fitting
from couple.wiring.cables import cable_of
from couple.wiring.cells import CellBranches, Cells
from couple.wiring.placement import spots

Order = tuple[int, ...]


class Sited(list["Place"]):
    """The sites of this rank. everywhere: those of all ranks, by name, each with its order."""

    def __init__(self, places: Iterable[Place], everywhere: Mapping[str, Order] | None = None) -> None:
        super().__init__(places)
        self.everywhere = {place.name: place.order for place in self} if everywhere is None else dict(everywhere)


@dataclass(frozen=True)
class Part:
    """What of a site lies in one segment (full name): membrane in µm², volume in µm³."""

    segment: str
    area: float
    volume: float


@dataclass(frozen=True)
class Place:
    """A site with its geometry; `key` is where it stands in the file. parts: none without NEURON."""

    block: SiteBlock
    key: str
    geometry: Geometry
    parts: tuple[Part, ...] = ()
    away: float | None = None
    """Path distance of its segment in µm, where the block asked for one."""
    cable: Cable | None = None
    """Of a site along whole sections; parts are its segments."""
    order: Order = ()
    """Sorts sites as one process would have them: block, cell, number in it."""

    @property
    def name(self) -> str:
        return self.block.name

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(part.segment for part in self.parts)

    @property
    def where(self) -> str:
        """Its segments in few words."""
        names = self.segments
        return ", ".join(names) if len(names) <= 3 else f"{names[0]} .. {names[-1]} ({len(names)} segments)"


def distances(places: Sequence[Place], branches: Branches | None, segments: Sequence[str]) -> dict[str, float]:
    """Path distance from the soma in µm of sites, their segments weighted by volume, and of "neuron.SEGMENT".

    Empty without a soma.
    """
    if branches is None or not branches.sections:
        return {}
    try:
        away = branches.distances(branches.soma())
    except InputError:  # no section is called soma
        return {}
    of_segments = {f"neuron.{segment}": away[segment] for segment in segments if segment in away}
    return of_segments | {
        place.name: sum(away[p.segment] * p.volume for p in place.parts) / sum(p.volume for p in place.parts)
        for place in places
        if place.parts and all(segment in away for segment in place.segments)
    }


@dataclass(frozen=True)
class PlacedLink:
    """A link of one site with the electrical model.

    into: "site" or "neuron". port: of the model ("ica", "nai", a conductance's name). quantity: of the site.
    """

    key: str
    block: LinkBlock
    into: Literal["site", "neuron"]
    place: Place
    port: str
    quantity: str

    @property
    def name(self) -> str:
        here, there = f"{self.place.name}.{self.quantity}", f"neuron.{self.port}"
        return f"{there} -> {here}" if self.into == "site" else f"{here} -> {there}"

    def ion(self, known: Iterable[str]) -> str | None:
        """The ion whose current (iX, into a site) or concentration (Xi, into NEURON) this is, if it is one."""
        ion = self.port[1:] if self.into == "site" else self.port[:-1]
        return ion if ion in known and self.port == (f"i{ion}" if self.into == "site" else f"{ion}i") else None


Shared = dict[tuple[str, str, str], list[tuple[PlacedLink, Part]]]
"""(into, port, segment) → the links there, each with what of its site lies in that segment."""


def shared(links: Sequence[PlacedLink]) -> Shared:
    """Which links meet in each segment."""
    found: Shared = {}
    for link in links:
        for part in link.place.parts:
            found.setdefault((link.into, link.port, part.segment), []).append((link, part))
    return found


def place_sites(experiment: Experiment, branches: Branches | None, cells: Cells | None = None) -> Sited:
    """All sites on this rank with their geometry: their own, or that of their segments.

    Raises InputError that names the key.
    """
    places: list[Place] = []
    missing: dict[int, InputError] = {}
    for i, block in enumerate(experiment.site):
        try:
            made = [*_sites_of_block(block, f"site[{i}]", branches, experiment.folder, cells)]
        except InputError as error:
            if branches is None or world().size == 1 or (cells is not None and cells.all):
                raise
            made, missing[i] = [], error  # the model of another rank may have it
        places += [replace(place, order=(i, *place.order)) for place in made]
    return _all_ranks(places, missing, shared=branches is None)


def _all_ranks(places: list[Place], missing: Mapping[int, InputError], *, shared: bool) -> Sited:
    """What all ranks have placed. shared: each has placed the same, which is yet to be divided."""
    ranks = world().gather([(p.name, p.key, p.order) for p in places] if not shared or world().first else [])
    keys: dict[str, str] = {}
    everywhere: dict[str, Order] = {}
    for rank, there in enumerate(ranks):
        for name, key, order in there:
            if name in keys:
                raise InputError(f'another site, of {keys[name]}, is also named "{name}"', where=f"{key}.name")
            keys[name], everywhere[name] = key, (*order, rank)
    for i, error in missing.items():
        if f"site[{i}]" not in keys.values():
            raise error
    return Sited(places, everywhere)


def _sites_of_block(
    block: SiteBlock, key: str, branches: Branches | None, folder: Path, cells: Cells | None
) -> Iterator[Place]:
    """The sites of a block on this rank; in a network those of every cell that it names, called CELL_NAME."""
    if block.cells is None or cells is None or branches is None:
        nowhere = block.segment is None and block.sections is None and block.place is None
        if branches is not None and nowhere and not world().first:
            return  # in no segment: on the first rank
        for k, place in enumerate(_sites(block, key, branches, folder)):
            yield replace(place, order=(-1, k))
        return
    for cell in cells.local_of(block.cells, f"{key}.cells"):
        for k, place in enumerate(_sites(block, key, CellBranches(branches, cell), folder, cell.name)):
            named = place.block.model_copy(update={"name": f"{cell.name}_{place.name}"})
            yield replace(place, block=named, order=(cell.gid, k))


def _sites(
    block: SiteBlock, key: str, branches: Branches | None, folder: Path, cell: str | None = None
) -> Iterator[Place]:
    """The site of a block, or all of them; cell: keys the random places."""
    own = None
    if block.geometry is not None:
        try:
            own = block.geometry.build()
        except InputError as error:
            raise error.at(f"{key}.geometry") from None
    if branches is None:
        given = (k for k in ("segment", "sections", "place") if getattr(block, k) is not None)
        if kind := next(given, ""):
            raise InputError(
                "needs a [neuron] model; or give geometry.cylinder = { diameter, length }", where=f"{key}.{kind}"
            )
        yield Place(block, key, own or _of_engine(block, key, folder))
    elif block.place is not None:
        distinct = own is None
        keyed = block.name if cell is None else f"{cell}.{block.name}"
        found = spots(block.place, branches, SEED, keyed, f"{key}.place", distinct=distinct)
        for i, spot in enumerate(found):
            name = block.name.replace("*", spot.star) if "*" in block.name else f"{block.name}_{i}"
            _check_name(name, f"{key}.name")
            made = _place(block.model_copy(update={"name": name}), key, own, [spot.segment], branches)
            yield replace(made, away=spot.away)
    elif block.sections is not None:
        cable = cable_of(block.sections, branches, f"{key}.sections")
        parts = tuple(map(Part, cable.segments, cable.areas, cable.volumes))
        yield Place(block, key, cable.geometry, parts, cable=cable)
    elif block.segment is not None:
        yield _place(block, key, own, list(branches.find(block.segment, f"{key}.segment")), branches)
    else:
        yield Place(block, key, own or _of_engine(block, key, folder))


def _check_name(name: str, key: str) -> None:
    if not name.isidentifier() or name in RESERVED:
        raise InputError(f'makes the site "{name}", which is no name: letters, digits and _ only', where=key)


def _place(block: SiteBlock, key: str, own: Geometry | None, segments: list[str], branches: Branches) -> Place:
    """A site in some segments, in each in proportion to the segment's membrane and volume."""
    try:
        shapes = [branches.model.geometry(segment) for segment in segments]
    except InputError as error:
        raise error.at(f"{key}.{'place' if block.place is not None else 'segment'}") from None
    geometry = own or Geometry.joined(shapes)
    area, volume = sum(s.area for s in shapes), sum(s.volume for s in shapes)
    parts = tuple(
        Part(segment, geometry.area * (s.area / area), geometry.volume * (s.volume / volume))
        for segment, s in zip(segments, shapes, strict=True)
    )
    return Place(block, key, geometry, parts)


def _of_engine(block: SiteBlock, key: str, folder: Path) -> Geometry:
    """The geometry that the options of the site's engine describe. Raises InputError if they do not."""
    try:
        engine: type[SiteEngine] = registry.load("couple.engines", block.engine)
    except InputError as error:
        raise error.at(f"{key}.engine") from None
    where = f"{key}.{block.engine}"
    try:
        options = options_of(engine, block.engine, block.options)
        found = geometry_of(engine, engine.Options.model_validate(options), folder)
    except ValidationError as error:
        raise explain(error, block.options[block.engine]).at(where) from None
    except InputError as error:
        raise error.at(where) from None
    if found is None:
        raise InputError('give segment = "head(0.5)", or geometry.cylinder = { diameter, length }, or both', where=key)
    return found


def matching(pattern: str, places: Sequence[Place], key: str) -> list[Place]:
    """Sites whose name fits a pattern such as "head" or "spine_*". Raises InputError if there is none."""
    found = {*fitting(pattern, [p.name for p in places])}
    if pattern == "neuron":
        raise InputError("a drive fills or holds a species of a site, not neuron", where=key)
    everywhere = places.everywhere if isinstance(places, Sited) else {}
    if not found and not fitting(pattern, [*everywhere]):
        known = ["neuron", *everywhere, *(p.name for p in places)]
        raise InputError(f'unknown site "{pattern}"; {nearest(pattern, known)}', where=key)
    return [p for p in places if p.name in found]


def place_links(experiment: Experiment, places: Sequence[Place]) -> list[PlacedLink]:
    """One link per site for every [[link]] with neuron. Raises InputError that names the key."""
    links = []
    for i, block in enumerate(experiment.link):
        if block.joins_sites:
            continue
        key = f"link[{i}]"
        source, target = block.source.split(".", 1), block.target.split(".", 1)
        into: Literal["site", "neuron"] = "site" if source[0] == "neuron" else "neuron"
        (neuron, port), (pattern, quantity) = (source, target) if into == "site" else (target, source)
        if neuron != "neuron" or pattern == "neuron":
            raise InputError(
                f'"{block.source}" to "{block.target}": a link joins "neuron" with a site, '
                'as in from = "neuron.ica", to = "head.Ca", or two sites',
                where=key,
            )
        if experiment.neuron is None:
            raise InputError("links with neuron need a [neuron] block; use [[drive]] for prescribed inputs", where=key)
        for place in matching(pattern, places, f"{key}.{'to' if into == 'site' else 'from'}"):
            if not place.parts:
                raise InputError(f'site "{place.name}" has no segment: give it one, or drop its geometry', where=key)
            links.append(PlacedLink(key, block, into, place, port, quantity))
    _refuse_repeats(links)
    return links


def _refuse_repeats(links: Sequence[PlacedLink]) -> None:
    """What crosses twice would count twice."""
    seen: dict[tuple[str, ...], PlacedLink] = {}
    for link in links:
        # A site takes an ion's charge once, and sets its concentration once, whatever the species.
        is_ion = link.into == "site" or link.block.conductance is None
        once = (link.into, link.place.name, link.port) + (() if is_ion else (link.quantity,))
        first = seen.setdefault(once, link)
        if first is not link:
            raise InputError(
                f'"{link.name}" repeats "{first.name}" of {first.key}: what crosses twice counts twice', where=link.key
            )
