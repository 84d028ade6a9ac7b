"""Necks: what diffuses between two sites, through what, and where it opens into each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from couple.base.errors import InputError, nearest
from couple.base.units import quantity
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.exchange.diffusion import neck_resistance
from couple.experiment import Experiment, LinkBlock
from couple.experiment.sites.placement import Neck
from couple.geometry.cable import Foot
from couple.wiring.cells.cables import foot_of
from couple.wiring.cells.sections import Branches, section_of, stem
from couple.wiring.links.resolved_necks import own_neck_opening
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites

LEAST, MOST = 1e-12, 1e9
"""µm³/ms; anything that diffuses does so within these."""


@dataclass(frozen=True)
class PlacedNeck:
    """A diffusion of a species between two sites. conductance: µm³/ms; through: in words.

    feet: where it opens into each site, if that lies along sections. openings: its diameter (µm), if it opens into the
    lower end of a site that stands on it. within: whether that is the opening of a neck which is part of the site.
    block: of the file, which says whether it carries charge.
    """

    key: str
    sites: tuple[PlacedSite, PlacedSite]
    species: Species
    conductance: float
    through: str
    feet: tuple[Foot | None, Foot | None] = (None, None)
    openings: tuple[float | None, float | None] = (None, None)
    within: tuple[bool, bool] = (False, False)
    block: LinkBlock | None = None

    @property
    def drifts(self) -> bool:
        """Whether it carries charge by the voltage between its ends."""
        return self.block is not None and self.block.drift and not any(self.within)

    @property
    def follows(self) -> bool:
        """Whether it carries the charge that comes into a site with a neck of its own."""
        return self.block is not None and self.block.drift and any(self.within)

    @property
    def ends(self) -> tuple[str, str]:
        """Both ends, as "head.Ca" and "shaft.Ca"."""
        first, second = self.sites
        return f"{first.name}.{self.species.name}", f"{second.name}.{self.species.name}"

    @property
    def name(self) -> str:
        """Both ends in one."""
        return " <-> ".join(self.ends)


def place_necks(
    experiment: Experiment, network: ReactionNetwork, sites: PlacedSites, branches: Branches | None
) -> list[PlacedNeck]:
    """One neck per pair of sites for every [[link]] between sites. Raises InputError that names the key."""
    necks: list[PlacedNeck] = []
    seen: dict[tuple[frozenset[str], str], PlacedNeck] = {}
    for i, block in enumerate(experiment.link):
        if not block.joins_sites:
            continue
        key = f"link[{i}]"
        for end, name in (("from", block.source), ("to", block.target)):
            sites.matching(name.split(".", 1)[0], f"{key}.{end}")
        species = _species(block, network, key)
        for first, second, star in _pairs(block, sites, key):
            neck = _Joining(experiment, block, key, star, branches).neck(first, second, species)
            other = seen.setdefault((frozenset((first.name, second.name)), species.name), neck)
            if other is not neck:
                raise InputError(f'"{neck.name}" repeats "{other.name}" of {other.key}', where=key)
            necks.append(neck)
    return necks


def openings_of(necks: Sequence[PlacedNeck]) -> dict[str, float]:
    """Site → diameter of the neck that opens into its lower end, if nothing else does that has no known place."""
    found: dict[str, set[float | None]] = {}
    for neck in necks:
        for site, opening in zip(neck.sites, neck.openings, strict=True):
            found.setdefault(site.name, set()).add(opening)
    return {name: opening for name, (opening, *more) in found.items() if opening is not None and not more}


def feet_of(necks: Sequence[PlacedNeck]) -> dict[str, tuple[Foot, ...]]:
    """Site along sections → where necks open into it, each place once."""
    found: dict[str, dict[Foot, None]] = {}
    for neck in necks:
        for site, foot in zip(neck.sites, neck.feet, strict=True):
            if foot is not None:
                found.setdefault(site.name, {})[foot] = None
    return {name: tuple(feet) for name, feet in found.items()}


def _species(block: LinkBlock, network: ReactionNetwork, key: str) -> Species:
    """The species that both ends name: mobile, and in the volume."""
    from_, to = block.source.split(".", 1)[1], block.target.split(".", 1)[1]
    known = {s.name: s for s in network.species}
    for name, end in ((from_, "from"), (to, "to")):
        if name not in known:
            raise InputError(f'unknown species "{name}"; {nearest(name, known)}', where=f"{key}.{end}")
    if from_ != to:
        raise InputError(f'"{from_}" does not become "{to}" by diffusion: name one species on both ends', where=key)
    species = known[from_]
    if species.on != "volume":
        raise InputError(f'"{from_}" lives on the membrane; only species in the volume diffuse', where=f"{key}.from")
    if species.D == 0 and (block.through is None or block.through.conductance is None):
        raise InputError(f'"{from_}" does not diffuse: its D is 0', where=f"{key}.from")
    return species


def _pairs(block: LinkBlock, sites: PlacedSites, key: str) -> list[tuple[PlacedSite, PlacedSite, str]]:
    """Sites that are joined, with what the * stood for, which is the same on both ends if both have one."""
    source, target = block.source.split(".", 1)[0], block.target.split(".", 1)[0]
    firsts, seconds = sites.matching(source, f"{key}.from"), sites.matching(target, f"{key}.to")
    found = []
    by_star: dict[str | None, list[PlacedSite]] = {}
    for second in seconds:
        by_star.setdefault(stem(target, second.name), []).append(second)
    same_star = "*" in source and "*" in target
    for first in firsts:
        star = stem(source, first.name) or ""
        chosen = by_star.get(star, []) if same_star else seconds
        if not chosen:
            raise InputError(f'"{first.name}" has no partner "{target.replace("*", star, 1)}"', where=f"{key}.to")
        for second in chosen:
            if first.name == second.name:
                raise InputError(f'joins "{first.name}" with itself', where=key)
            found.append((first, second, star or stem(target, second.name) or ""))
    return found


@dataclass(frozen=True)
class _Joining:
    """A link between sites that is placed. star: what the * of its names stands for."""

    experiment: Experiment
    block: LinkBlock
    key: str
    star: str
    branches: Branches | None

    def neck(self, first: PlacedSite, second: PlacedSite, species: Species) -> PlacedNeck:
        """What joins two sites. Raises InputError that names the key."""
        through = self.block.through
        if through is None:
            raise InputError(
                "a link between two sites needs what is between them: through = { diameter, length }, "
                'or the name of a section, or { conductance = "0.01 um^3/ms" }',
                where=self.key,
            )
        try:
            held = [own_neck_opening(s, through, species, self.experiment.folder) for s in (first, second)]
            conductance, words = _conductance(through, species, self.star, self.branches)
        except InputError as error:
            raise error.at(f"{self.key}.through") from None
        feet = self._foot(first), self._foot(second)
        if self.block.at is not None and feet == (None, None):
            raise InputError("neither site lies along sections: leave it out", where=f"{self.key}.at")
        openings = held[0] or self._opening(first), held[1] or self._opening(second)
        within = held[0] is not None, held[1] is not None
        return PlacedNeck(self.key, (first, second), species, conductance, words, feet, openings, within, self.block)

    def _named(self, pattern: str) -> str:
        """A name of the block in place of its pattern."""
        return pattern.replace("*", self.star, 1)

    def _foot(self, site: PlacedSite) -> Foot | None:
        """Where the link opens into a site along sections; None for any other. Raises InputError that names the key."""
        block, branches = self.block, self.branches
        if site.cable is None or branches is None:
            return None
        neck = block.through.section if block.through is not None else None
        if block.at is None and neck is None:
            raise InputError(
                f'"{site.name}" lies along sections: say where the neck opens into it, at = "{site.cable.segments[0]}"',
                where=self.key,
            )
        if block.at is not None:
            segment = branches.model.resolve(self._named(block.at))
            section, x = section_of(segment), float(block.at.rsplit("(", 1)[1].rstrip(") "))
        else:
            assert neck is not None
            stands = branches.table
            own = stands[section_of(next(iter(branches.find([self._named(neck)], f"{self.key}.through"))))]
            if own.parent is None:
                raise InputError(
                    f'"{own.name}" stands on no section: give at = "dend(0.5)"', where=f"{self.key}.through"
                )
            section, x = own.parent, own.at
        try:
            return foot_of(site.cable, section, x, site.name)
        except InputError as error:
            raise error.at(f"{self.key}.{'through' if block.at is None else 'at'}") from None

    def _opening(self, site: PlacedSite) -> float | None:
        """Diameter of a neck section on whose far end the section of a site stands, if the site is its first
        segment.
        """
        through, branches = self.block.through, self.branches
        if branches is None or through is None or through.section is None or len(site.segments) != 1:
            return None
        *_, last = branches.find([self._named(through.section)], "")
        stands = branches.table
        own = stands[section_of(site.segments[0])]
        first = branches.sections[own.name][0] == site.segments[0]
        on_it = own.parent == section_of(last) and own.at == 1.0 and own.end == 0.0
        return branches.model.geometry(last).size[0] if first and on_it and site.block.geometry is None else None


def _conductance(neck: Neck, species: Species, star: str, branches: Branches | None) -> tuple[float, str]:
    """µm³/ms and what it is made of. Raises InputError that names the key under `through`."""
    if neck.conductance is not None:
        try:
            value = quantity(neck.conductance, "diffusive conductance")
        except InputError as error:
            raise error.at("conductance") from None
        return _within(value * species.share), "given"
    if neck.section is not None:
        if branches is None:
            raise InputError("needs a [neuron] model; or give diameter and length", where="section")
        segments = branches.find([neck.section.replace("*", star, 1)], "section")
        cylinders = [branches.model.geometry(segment).size[:2] for segment in segments]
        words = neck.section.replace("*", star, 1)
    else:
        assert neck.diameter is not None and neck.length is not None
        cylinders, words = [(neck.diameter, neck.length)], f"{neck.diameter:g} x {neck.length:g} um"
    open_ends = [cylinders[0][0], cylinders[-1][0]][: neck.ends]
    resistance = neck_resistance([(d, length) for d, length in cylinders], open_ends)
    return _within(species.D / resistance), f"{words}, {neck.ends} open end{'s' if neck.ends != 1 else ''}"


def _within(conductance: float) -> float:
    """Refuses what is a slip of a unit."""
    if not LEAST <= conductance <= MOST:
        raise InputError(f"{conductance:.3g} um^3/ms; from {LEAST:g} to {MOST:g} um^3/ms can be")
    return conductance
