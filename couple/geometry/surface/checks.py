"""What keeps a surface from enclosing a volume: holes, triangles turned over, loose pieces, crossings."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.geometry.surface.crossings import crossing_pair
from couple.geometry.surface.surface import Surface

_REPAIR = 'MeshLab or trimesh can: trimesh.load(FILE, force="mesh"), then {}, then export'


def checked_surface(surface: Surface, where: str) -> Surface:
    """The surface with its normals outward. Raises InputError, with how to mend it, for one that encloses nothing.

    One outer shell may have cavities: shells inside it whose triangles are seen from within it.
    """
    if not len(surface.triangles):
        raise InputError("holds no triangle that has an area", where=where)
    _check_edges(surface, where)
    _check_shells(surface, where)
    found = surface if surface.volume > 0 else surface.flipped()
    if (pair := crossing_pair(found)) is not None:
        count, at = pair
        raise InputError(
            f"crosses itself: {count} pair{'s' if count > 1 else ''} of triangles cut each other (one near "
            f"{point_text(at)} um), so its volume is counted twice there; {_REPAIR.format('a union of its parts')}",
            where=where,
        )
    return found


def _check_edges(surface: Surface, where: str) -> None:
    """Every edge has a triangle on either side, which go along it in opposite directions."""
    t, n = surface.triangles, np.int64(len(surface.points))
    start = t.ravel()
    end = np.roll(t, -1, axis=1).ravel()
    key = np.minimum(start, end) * n + np.maximum(start, end)
    edges, first, inverse, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if (count == 1).any():
        k = first[np.argmax(count == 1)]
        at = surface.points[[start[k], end[k]]].mean(axis=0)
        holes = int((count == 1).sum())
        raise InputError(
            f"is open: {holes} of {len(edges)} edges have a triangle on one side alone (one near {point_text(at)} um): "
            f"close the hole; {_REPAIR.format('trimesh.repair.fill_holes')}",
            where=where,
        )
    if (count > 2).any():
        k = first[np.argmax(count > 2)]
        at = surface.points[[start[k], end[k]]].mean(axis=0)
        raise InputError(
            f"is no surface: {int((count > 2).sum())} edges have more than two triangles (one near {point_text(at)} "
            "um): take out walls inside, and triangles that are there twice",
            where=where,
        )
    turned = np.bincount(inverse.ravel(), weights=np.where(start < end, 1, -1)) != 0
    if turned.any():
        k = first[np.argmax(turned)]
        at = surface.points[[start[k], end[k]]].mean(axis=0)
        raise InputError(
            f"has neighbours that are seen from opposite sides, across {int(turned.sum())} edges (one near "
            f"{point_text(at)} um): turn some over; {_REPAIR.format('trimesh.repair.fix_normals')}",
            where=where,
        )


def shells_of(surface: Surface) -> tuple[int, Ints]:
    """Number of pieces that hang together, and (m,) the piece of each triangle."""
    t = surface.triangles
    rows, columns = np.concatenate([t[:, 0], t[:, 1]]), np.concatenate([t[:, 1], t[:, 2]])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(surface.points),) * 2)
    piece = connected_components(graph, directed=False)[1][t[:, 0]]
    names, number = np.unique(piece, return_inverse=True)
    return len(names), number.ravel()


def _check_shells(surface: Surface, where: str) -> None:
    """One shell outside; others are cavities in it."""
    pieces, piece = shells_of(surface)
    a, b, c = (surface.corners[:, k] - (surface.low + surface.high) / 2 for k in range(3))
    each = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    volumes = np.bincount(piece, weights=each, minlength=pieces)
    if not (abs(volumes) > 0).all():
        raise InputError("has a piece without a volume: take it out", where=where)
    outer = np.sign(volumes) == np.sign(volumes[np.argmax(abs(volumes))])
    if outer.sum() > 1:
        raise InputError(
            f"is in {int(outer.sum())} pieces that nothing can cross between, of "
            f"{', '.join(f'{abs(v):.4g}' for v in volumes[outer][:4])} um^3: join them, or make each a site; a cavity "
            "is a shell that is turned inside out",
            where=where,
        )
    if pieces > 1:
        largest = int(np.argmax(abs(volumes)))
        main = surface.corners[piece == largest].reshape(-1, 3)
        rest = surface.corners[piece != largest].reshape(-1, 3)
        if (rest < main.min(axis=0)).any() or (rest > main.max(axis=0)).any():
            raise InputError("has a cavity that is not inside of it: take it out, or turn it over", where=where)


def point_text(x: Floats) -> str:
    """A place for a message."""
    return "(" + ", ".join(f"{c:.4g}" for c in x) + ")"
