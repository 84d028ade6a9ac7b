"""Molecules of every species at the start of a site, as real numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from couple.base.errors import InputError, nearest, quoted
from couple.base.units import IONS_PER_MM_UM3, quantity
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.chemistry.whole_counts import nearly_whole
from couple.experiment import Initial
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.geometry.geometry import Geometry


class InitialAmounts(NamedTuple):
    """counts: (n_species,) molecules, real numbers. together: columns that one total is split over."""

    counts: tuple[float, ...]
    together: tuple[tuple[int, ...], ...]


def initial_amounts(network: ReactionNetwork, initial: Mapping[str, Initial], geometry: Geometry) -> InitialAmounts:
    """Of a site of this geometry. Engines of whole molecules round them, see couple.chemistry.whole_counts.

    A total placed at = "steady" is split over the forms that the species turns into, at the steady state with all
    plainly given volume species (free calcium) held at their initial concentration.
    Raises InputError that names the key under `chemistry.initial`.
    """
    known = {s.name: s for s in network.species}
    counts = dict.fromkeys(network.names, 0.0)
    held: dict[str, float] = {}
    for name, start in initial.items():
        if name not in known:
            raise InputError(f'unknown species "{name}"; {nearest(name, known)}', where=f"chemistry.initial.{name}")
        if start.at is None:
            counts[name] = _total(known[name], start, geometry)
            if known[name].on == "volume" and geometry.volume > 0:
                held[name] = counts[name] / (IONS_PER_MM_UM3 * geometry.volume)
    placed: dict[str, str] = {n: n for n, i in initial.items() if i.at is None}
    together = []
    for name, start in initial.items():
        if start.at is None:
            continue
        where = f"chemistry.initial.{name}"
        try:
            shares = network.steady_fractions(name, held)
        except InputError as error:
            raise error.at(where) from None
        for member in shares:
            if member in placed:
                raise InputError(f'its form "{member}" is already given by initial.{placed[member]}', where=where)
            placed[member] = name
        total = _total(known[name], start, geometry)
        counts |= {member: total * share for member, share in shares.items()}
        together.append(tuple(network.index(member) for member in shares))
    return InitialAmounts(tuple(counts[n] for n in network.names), tuple(together))


def molecules_in_all(network: ReactionNetwork, initial: Mapping[str, Initial], geometry: Geometry) -> float:
    """Molecules of all species that have an amount at the start."""
    known = {s.name: s for s in network.species}
    return sum(_amount(known[name], start, geometry) for name, start in initial.items())


def rounded(
    network: ReactionNetwork, initial: Mapping[str, Initial], geometry: Geometry
) -> Iterator[tuple[str, float]]:
    """Species, and the amount asked for, where the nearest whole number is more than 1 % off."""
    known = {s.name: s for s in network.species}
    for name, start in initial.items():
        total = _total(known[name], start, geometry)
        if abs(round(total) - total) > 0.01 * total:
            yield name, total


def _total(species: Species, start: Initial, geometry: Geometry) -> float:
    total = nearly_whole(_amount(species, start, geometry))
    if total > MOST_MOLECULES:
        raise InputError(
            f"{quoted(str(start.total))} is {total:.2g} molecules in a site; up to {MOST_MOLECULES:.0e} can be",
            where=f"chemistry.initial.{species.name}",
        )
    return total


def _amount(species: Species, start: Initial, geometry: Geometry) -> float:
    if start.count is not None:
        return float(start.count)
    if geometry.volume == 0:
        raise InputError(
            "a lattice without lengths has no concentrations; give { count = 100 }",
            where=f"chemistry.initial.{species.name}",
        )
    dimension = "concentration" if species.on == "volume" else "surface density"
    try:
        value = quantity(start.total, dimension)
    except InputError as error:
        raise error.at(f"chemistry.initial.{species.name}") from None
    if value < 0:
        raise InputError(f"{quoted(start.total)} is negative", where=f"chemistry.initial.{species.name}")
    size = IONS_PER_MM_UM3 * geometry.volume if species.on == "volume" else geometry.area
    return value * size * species.share
