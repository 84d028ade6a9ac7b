"""Where sites are and which links reach them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from couple import registry
from couple.block import explain
from couple.electrics import ElectricalModel
from couple.engine import SiteEngine
from couple.errors import InputError, nearest
from couple.experiment import Experiment, LinkBlock, SiteBlock
from couple.geometry import Geometry


@dataclass(frozen=True)
class Place:
    """A site with its geometry; `key` is where it stands in the file. segment: full name, None without NEURON."""

    block: SiteBlock
    key: str
    geometry: Geometry
    segment: str | None

    @property
    def name(self) -> str:
        return self.block.name


@dataclass(frozen=True)
class PlacedLink:
    """A link of one site with the electrical model.

    into: "site" or "neuron". port: of the model ("ica", "cai", a conductance's name). quantity: of the site.
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

    @property
    def segment(self) -> str:
        assert self.place.segment is not None  # place_links made sure
        return self.place.segment

    def sharing(self, links: Sequence[PlacedLink]) -> list[PlacedLink]:
        """Links (this one too) of the same direction and port whose sites lie in this one's segment."""
        mine = (self.into, self.port, self.segment)
        return [k for k in links if (k.into, k.port, k.segment) == mine]


def place_sites(experiment: Experiment, model: ElectricalModel | None) -> list[Place]:
    """Geometry of every site: its own, or else that of its segment. Raises InputError that names the key."""
    places = []
    for i, block in enumerate(experiment.site):
        key = f"site[{i}]"
        geometry = None
        if block.geometry is not None:
            try:
                geometry = block.geometry.build()
            except InputError as error:
                raise error.at(f"{key}.geometry") from None
        if block.segment is None:
            places.append(Place(block, key, geometry or _of_engine(block, key, experiment.folder), None))
            continue
        if model is None:
            raise InputError(
                f'"{block.segment}" needs a [neuron] model; or give geometry.cylinder = {{ diameter, length }}',
                where=f"{key}.segment",
            )
        try:
            segment = model.resolve(block.segment)
            places.append(Place(block, key, geometry or model.geometry(segment), segment))
        except InputError as error:
            raise error.at(f"{key}.segment") from None
    return places


def _of_engine(block: SiteBlock, key: str, folder: Path) -> Geometry:
    """The geometry that the options of the site's engine describe. Raises InputError if they do not."""
    try:
        engine: type[SiteEngine] = registry.load("couple.engines", block.engine)
    except InputError as error:
        raise error.at(f"{key}.engine") from None
    where = f"{key}.{block.engine}"
    try:
        found = engine.geometry_of(engine.Options.model_validate(block.options[block.engine]), folder)
    except ValidationError as error:
        raise explain(error, block.options[block.engine]).at(where) from None
    except InputError as error:
        raise error.at(where) from None
    if found is None:
        raise InputError('give segment = "head(0.5)", or geometry.cylinder = { diameter, length }, or both', where=key)
    return found


def matching(pattern: str, places: Sequence[Place], key: str) -> list[Place]:
    """Sites whose name fits a pattern such as "head" or "spine_*". Raises InputError if there is none."""
    found = [p for p in places if fnmatch.fnmatchcase(p.name, pattern)]
    if pattern == "neuron":
        raise InputError("a drive fills or holds a species of a site, not neuron", where=key)
    if not found:
        known = ["neuron", *(p.name for p in places)]
        raise InputError(f'unknown site "{pattern}"; {nearest(pattern, known)}', where=key)
    return found


def place_links(experiment: Experiment, places: Sequence[Place]) -> list[PlacedLink]:
    """One link per site for every [[link]]. Raises InputError that names the key."""
    links = []
    for i, block in enumerate(experiment.link):
        key = f"link[{i}]"
        source, target = block.source.split(".", 1), block.target.split(".", 1)
        into: Literal["site", "neuron"] = "site" if source[0] == "neuron" else "neuron"
        (neuron, port), (pattern, quantity) = (source, target) if into == "site" else (target, source)
        if neuron != "neuron" or pattern == "neuron":
            raise InputError(
                f'"{block.source}" to "{block.target}": a link joins "neuron" with a site, '
                'as in from = "neuron.ica", to = "head.Ca"',
                where=key,
            )
        if experiment.neuron is None:
            raise InputError("links with neuron need a [neuron] block; use [[drive]] for prescribed inputs", where=key)
        for place in matching(pattern, places, f"{key}.{'to' if into == 'site' else 'from'}"):
            if place.segment is None:
                raise InputError(f'site "{place.name}" has no segment: give it one, or drop its geometry', where=key)
            links.append(PlacedLink(key, block, into, place, port, quantity))
    _refuse_repeats(links)
    return links


def _refuse_repeats(links: Sequence[PlacedLink]) -> None:
    """What crosses twice would count twice."""
    seen: dict[tuple[str, ...], PlacedLink] = {}
    for link in links:
        # A site takes a segment's charge once, and sets its cai once, whatever the species.
        once = (link.into, link.place.name, link.port) + (() if link.port in ("ica", "cai") else (link.quantity,))
        first = seen.setdefault(once, link)
        if first is not link:
            raise InputError(
                f'"{link.name}" repeats "{first.name}" of {first.key}: what crosses twice counts twice', where=link.key
            )
