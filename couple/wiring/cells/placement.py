"""From a placement to places on the branches of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.experiment.sites.placement import MOST, Placement
from couple.rng.streams import generator
from couple.wiring.cells.sections import Branches, section_of

END = 1e-6
"""Parts of a section at its ends."""


@dataclass(frozen=True)
class BranchPoint:
    """A place: segment, position x along its section (0 to 1), and what the * of the pattern stood for.

    away: path distance of the segment in µm, where the block asked for one.
    """

    segment: str
    x: float
    star: str = ""
    away: float | None = None


def branch_points(
    placement: Placement,
    branches: Branches,
    seed: int,
    name: str,
    key: str,
    *,
    distinct: bool = False,
) -> list[BranchPoint]:
    """The places of a block, in the order of the model's sections and along them.

    seed: where the placement has none; name: of the block, which keys its random numbers. distinct: no segment twice.
    Raises InputError that names the key.
    """
    found = branches.find(placement.on, f"{key}.on")
    for segment in branches.find(placement.without, f"{key}.except"):
        found.pop(segment, None)
    away = _at_distance(placement, branches, list(found), key)
    segments = list(away)
    if not segments:
        wide = "" if placement.distance is None else " at distance {:g} .. {:g} um".format(*placement.distance)
        raise InputError(f"{', '.join(placement.on)}{wide}: no segment is left", where=key)
    try:
        lengths = np.array([branches.model.geometry(s).size[1] for s in segments])
    except InputError as error:
        raise error.at(key) from None
    wanted = placement.count
    if placement.density is not None:
        wanted = round(placement.density * float(lengths.sum()))
        if not 1 <= wanted <= MOST:
            raise InputError(
                f"{placement.density:g} /um on {lengths.sum():g} um of branch makes {wanted}; from 1 to {MOST} can be",
                where=f"{key}.density",
            )
    if wanted is None:
        return [BranchPoint(s, _middle(s), found[s], away[s]) for s in segments]
    rng = generator(seed if placement.seed is None else placement.seed, "place", name, "positions")
    if distinct:
        chosen = [(k, 0.5) for k in _whole_segments(placement, lengths, wanted, rng, key)]
    else:
        chosen = _points(_along(placement, wanted, rng) * lengths.sum(), lengths)
    return [
        BranchPoint(s, _position(s, part, branches), found[s], away[s]) for k, part in chosen for s in (segments[k],)
    ]


def _at_distance(placement: Placement, branches: Branches, segments: list[str], key: str) -> dict[str, float | None]:
    """Those within the placement's distance, and what it is, from the nearest soma where there are several."""
    if placement.distance is None:
        return dict.fromkeys(segments)
    try:
        away = branches.distances(_origins(placement, branches))
    except InputError as error:
        raise InputError(error.message, where=f"{key}.from") from None
    low, high = placement.distance
    return {s: away[s] for s in segments if s in away and low <= away[s] <= high}


def _origins(placement: Placement, branches: Branches) -> list[str]:
    """Segments from which distance is counted."""
    if placement.origin is None:
        return branches.soma()
    found = list(branches.find([placement.origin], ""))
    if len({section_of(segment) for segment in found}) > 1:
        raise InputError(f'"{placement.origin}" is several sections; name one')
    return [found[len(found) // 2]]


def _whole_segments(
    placement: Placement, lengths: Floats, wanted: int, rng: np.random.Generator, key: str
) -> list[int]:
    """Indices of `wanted` different segments, random ones in proportion to their lengths."""
    if wanted > len(lengths):
        raise InputError(
            f"{wanted} sites for {len(lengths)} segments; a site without a geometry of its own takes a whole one: "
            "give fewer, or geometry.cylinder = { diameter, length }, or raise nseg",
            where=key,
        )
    if placement.spread == "random":
        return sorted(rng.choice(len(lengths), wanted, replace=False, p=lengths / lengths.sum()).tolist())
    places = [k for k, _ in _points(_along(placement, wanted, rng) * lengths.sum(), lengths)]
    if len(set(places)) < len(places):
        raise InputError(
            f"{wanted} even places meet in the same segment, and a site without a geometry of its own takes a whole "
            'one: give fewer, or geometry.cylinder, or spread = "random"',
            where=key,
        )
    return places


def _along(placement: Placement, wanted: int, rng: np.random.Generator) -> Floats:
    """(wanted,) places as parts of the whole length, in order."""
    if placement.spread == "even":
        return (np.arange(wanted) + 0.5) / wanted
    return np.sort(rng.random(wanted))


def _points(at: Floats, lengths: Floats) -> list[tuple[int, float]]:
    """(segment, part of it from 0 to 1) of points at distances `at` along all segments in a row."""
    ends = np.cumsum(lengths)
    k = np.minimum(np.searchsorted(ends, at, side="right"), len(lengths) - 1)
    part = (at - (ends[k] - lengths[k])) / lengths[k]
    return [(int(i), float(min(max(p, 0.0), 1.0))) for i, p in zip(k, part, strict=True)]


def _middle(segment: str) -> float:
    return float(segment.rsplit("(", 1)[1].rstrip(")"))


def _position(segment: str, part: float, branches: Branches) -> float:
    """x along the section of a point at `part` of a segment: never its ends, where NEURON has no membrane."""
    n = len(branches.sections[section_of(segment)])
    return min(max(_middle(segment) + (part - 0.5) / n, END), 1.0 - END)
