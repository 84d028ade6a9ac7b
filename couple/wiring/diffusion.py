"""Links between two sites: who is joined with whom, and through what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from couple.base.errors import InputError, nearest
from couple.base.units import quantity
from couple.chemistry.network import ReactionNetwork, Species
from couple.components.capabilities import ContainsNecks, HasNeckOpenings
from couple.exchange.diffusion import DiffusionLink, End, neck_resistance
from couple.experiment import Experiment, LinkBlock
from couple.experiment.placement import Neck
from couple.geometry.cable import Foot
from couple.wiring.branches import Branches, section_of, stem
from couple.wiring.cables import foot_of
from couple.wiring.engines import Engines
from couple.wiring.memory import Memory
from couple.wiring.resolved_necks import mouth_within
from couple.wiring.sites import Place, matching

LEAST, MOST = 1e-12, 1e9
"""µm³/ms; anything that diffuses does so within these."""


@dataclass(frozen=True)
class Tie:
    """A diffusion of a species between two sites. conductance: µm³/ms; through: in words.

    feet: where it opens into each of them, if that lies along sections. mouths: its diameter (µm), if it opens into the
    lower end of one that stands on it. within: whether that is the mouth of a neck which is part of the site.
    """

    key: str
    first: Place
    second: Place
    species: Species
    conductance: float
    through: str
    feet: tuple[Foot | None, Foot | None] = (None, None)
    mouths: tuple[float | None, float | None] = (None, None)
    within: tuple[bool, bool] = (False, False)

    @property
    def name(self) -> str:
        return f"{self.first.name}.{self.species.name} <-> {self.second.name}.{self.species.name}"


def place_ties(
    experiment: Experiment, network: ReactionNetwork, places: Sequence[Place], branches: Branches | None
) -> list[Tie]:
    """One tie per pair of sites for every [[link]] between sites. Raises InputError that names the key."""
    ties: list[Tie] = []
    seen: dict[tuple[frozenset[str], str], Tie] = {}
    for i, block in enumerate(experiment.link):
        if not block.joins_sites:
            continue
        key = f"link[{i}]"
        for end, name in (("from", block.source), ("to", block.target)):
            matching(name.split(".", 1)[0], places, f"{key}.{end}")
        species = _species(block, network, key)
        for first, second, star in _pairs(block, places, key):
            if block.through is None:
                raise InputError(
                    "a link between two sites needs what is between them: through = { diameter, length }, "
                    'or the name of a section, or { conductance = "0.01 um^3/ms" }',
                    where=key,
                )
            try:
                held = [mouth_within(p, block.through, species, experiment.folder) for p in (first, second)]
                conductance, words = _conductance(block.through, species, star, branches)
            except InputError as error:
                raise error.at(f"{key}.through") from None
            feet = _foot(first, block, star, branches, key), _foot(second, block, star, branches, key)
            if block.at is not None and feet == (None, None):
                raise InputError("neither site lies along sections: leave it out", where=f"{key}.at")
            mouths = (
                held[0] or _mouth(first, block, star, branches),
                held[1] or _mouth(second, block, star, branches),
            )
            within = held[0] is not None, held[1] is not None
            tie = Tie(key, first, second, species, conductance, words, feet, mouths, within)
            other = seen.setdefault((frozenset((first.name, second.name)), species.name), tie)
            if other is not tie:
                raise InputError(f'"{tie.name}" repeats "{other.name}" of {other.key}', where=key)
            ties.append(tie)
    return ties


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


def _pairs(block: LinkBlock, places: Sequence[Place], key: str) -> list[tuple[Place, Place, str]]:
    """Sites that are joined, with what the * stood for, which is the same on both ends if both have one."""
    source, target = block.source.split(".", 1)[0], block.target.split(".", 1)[0]
    firsts, seconds = matching(source, places, f"{key}.from"), matching(target, places, f"{key}.to")
    found = []
    for first in firsts:
        star = stem(source, first.name) or ""
        chosen = [p for p in seconds if "*" not in source or "*" not in target or stem(target, p.name) == star]
        if not chosen:
            raise InputError(f'"{first.name}" has no partner "{target.replace("*", star, 1)}"', where=f"{key}.to")
        for second in chosen:
            if first.name == second.name:
                raise InputError(f'joins "{first.name}" with itself', where=key)
            found.append((first, second, star or stem(target, second.name) or ""))
    return found


def _foot(place: Place, block: LinkBlock, star: str, branches: Branches | None, key: str) -> Foot | None:
    """Where a link opens into a site along sections; None for any other. Raises InputError that names the key."""
    if place.cable is None or branches is None:
        return None
    neck = block.through.section if block.through is not None else None
    if block.at is None and neck is None:
        raise InputError(
            f'"{place.name}" lies along sections: say where the neck opens into it, at = "{place.cable.segments[0]}"',
            where=key,
        )
    if block.at is not None:
        segment = branches.model.resolve(block.at.replace("*", star, 1))
        section, x = section_of(segment), float(block.at.rsplit("(", 1)[1].rstrip(") "))
    else:
        assert neck is not None
        stands = {s.name: s for s in branches.model.sections()}
        own = stands[section_of(next(iter(branches.find([neck.replace("*", star, 1)], f"{key}.through"))))]
        if own.parent is None:
            raise InputError(f'"{own.name}" stands on no section: give at = "dend(0.5)"', where=f"{key}.through")
        section, x = own.parent, own.at
    try:
        return foot_of(place.cable, section, x, place.name)
    except InputError as error:
        raise error.at(f"{key}.{'through' if block.at is None else 'at'}") from None


def _mouth(place: Place, block: LinkBlock, star: str, branches: Branches | None) -> float | None:
    """Diameter of a neck section on whose far end the section of a site stands, if the site is its first segment."""
    if branches is None or block.through is None or block.through.section is None or len(place.segments) != 1:
        return None
    *_, last = branches.find([block.through.section.replace("*", star, 1)], "")
    stands = {s.name: s for s in branches.model.sections()}
    own = stands[section_of(place.segments[0])]
    first = branches.sections[own.name][0] == place.segments[0]
    on_it = own.parent == section_of(last) and own.at == 1.0 and own.end == 0.0
    return branches.model.geometry(last).size[0] if first and on_it and place.block.geometry is None else None


def mouths_of(ties: Sequence[Tie]) -> dict[str, float]:
    """Site → diameter of the neck that opens into its lower end, if nothing else does that has no known place."""
    found: dict[str, set[float | None]] = {}
    for tie in ties:
        for place, mouth in zip((tie.first, tie.second), tie.mouths, strict=True):
            found.setdefault(place.name, set()).add(mouth)
    return {name: mouth for name, (mouth, *more) in found.items() if mouth is not None and not more}


def feet_of(ties: Sequence[Tie]) -> dict[str, tuple[Foot, ...]]:
    """Site along sections → where necks open into it, each place once."""
    found: dict[str, dict[Foot, None]] = {}
    for tie in ties:
        for place, foot in zip((tie.first, tie.second), tie.feet, strict=True):
            if foot is not None:
                found.setdefault(place.name, {})[foot] = None
    return {name: tuple(feet) for name, feet in found.items()}


def _conductance(neck: Neck, species: Species, star: str, branches: Branches | None) -> tuple[float, str]:
    """µm³/ms and what it is made of. Raises InputError that names the key under `through`."""
    if neck.conductance is not None:
        try:
            value = quantity(neck.conductance, "diffusive conductance")
        except InputError as error:
            raise error.at("conductance") from None
        return _within(value), "given"
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


def diffusion_links(ties: Sequence[Tie], engines: Engines, memory: Memory) -> list[DiffusionLink]:
    """As `couple.exchange.diffusion` takes them."""
    return [
        DiffusionLink(
            tie.name,
            tie.species.name,
            _end(tie, 0, engines, memory),
            _end(tie, 1, engines, memory),
            tie.conductance,
            dict(tie.species.contains),
            any(tie.within),
        )
        for tie in ties
    ]


def _end(tie: Tie, side: int, engines: Engines, memory: Memory) -> End:
    place, foot, species = (tie.first, tie.second)[side], tie.feet[side], tie.species.name
    engine, row = engines.of[place.name]
    if foot is not None:
        cable = engine.sites[row].cable
        assert cable is not None
        at, column = cable.feet.index(foot), engine.setup.injected.index(species)
        influx, count = (memory.at(engine, port, at, column) for port in ("influx_feet", "counts_feet"))
        return End(place.name, influx, count, cable.volumes[cable.segment_of(foot)], engine.integer)
    influx = memory.at(engine, "influx", row, engine.setup.injected.index(species))
    count = memory.at(engine, "counts", row, engine.network.index(species))
    end = End(place.name, influx, count, place.geometry.volume, engine.integer)
    found = isinstance(engine, HasNeckOpenings) and "influx_mouth" in engine.inputs
    if engine.sites[row].mouth is None or not found:
        return end
    mouth = memory.at(engine, "influx_mouth", row, engine.setup.injected.index(species))
    if tie.within[side] and isinstance(engine, ContainsNecks):
        count = memory.at(engine, "counts_mouth", row, engine.setup.injected.index(species))
        return End(place.name, mouth, count, engine.reach(row, species), engine.integer)
    return replace(end, influx=mouth, other=influx)


def tie_line(tie: Tie) -> str:
    """For `couple check`."""
    sizes = [_size(place, foot) for place, foot in zip((tie.first, tie.second), tie.feet, strict=True)]
    if any(tie.within):
        own = tie.first if tie.within[0] else tie.second
        return f"{tie.name}: diffusion through the mouth of {own.name}, {tie.conductance:.6g} um^3/ms beyond it"
    rate = tie.conductance * sum(1 / volume for volume, _ in sizes)
    where = "".join(f" at {name}" for _, name in sizes if name)
    return (
        f"{tie.name}: diffusion, {tie.conductance:.6g} um^3/ms ({tie.through}){where}, evens out with a time constant "
        f"of {1 / rate:.4g} ms; no charge crosses"
    )


def _size(place: Place, foot: Foot | None) -> tuple[float, str]:
    """The volume that a link opens into, µm³, and its segment, if the site lies along sections."""
    if foot is None or place.cable is None:
        return place.geometry.volume, ""
    at = place.cable.segment_of(foot)
    return place.cable.volumes[at], place.cable.segments[at]
