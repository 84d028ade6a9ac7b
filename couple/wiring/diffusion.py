"""Links between two sites: who is joined with whom, and through what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from couple.errors import InputError, nearest
from couple.exchange.diffusion import DiffusionLink, End, neck_resistance
from couple.experiment import Experiment, LinkBlock
from couple.experiment.placement import Neck
from couple.network import ReactionNetwork, Species
from couple.units import quantity
from couple.wiring.branches import Branches, stem
from couple.wiring.engines import Engines
from couple.wiring.memory import Memory
from couple.wiring.places import Place, matching

LEAST, MOST = 1e-12, 1e9
"""µm³/ms; anything that diffuses does so within these."""


@dataclass(frozen=True)
class Tie:
    """A diffusion of a species between two sites. conductance: µm³/ms; through: in words."""

    key: str
    first: Place
    second: Place
    species: Species
    conductance: float
    through: str

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
                conductance, words = _conductance(block.through, species, star, branches)
            except InputError as error:
                raise error.at(f"{key}.through") from None
            tie = Tie(key, first, second, species, conductance, words)
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
            _end(tie.first, tie.species.name, engines, memory),
            _end(tie.second, tie.species.name, engines, memory),
            tie.conductance,
            dict(tie.species.contains),
        )
        for tie in ties
    ]


def _end(place: Place, species: str, engines: Engines, memory: Memory) -> End:
    engine, row = engines.of[place.name]
    influx = memory.at(engine, "influx", row, engine.setup.injected.index(species))
    count = memory.at(engine, "counts", row, engine.network.index(species))
    return End(place.name, influx, count, place.geometry.volume, engine.integer)


def tie_line(tie: Tie) -> str:
    """For `couple check`."""
    rate = tie.conductance * (1 / tie.first.geometry.volume + 1 / tie.second.geometry.volume)
    return (
        f"{tie.name}: diffusion, {tie.conductance:.6g} um^3/ms ({tie.through}), evens out with a time constant of "
        f"{1 / rate:.4g} ms; no charge crosses"
    )
