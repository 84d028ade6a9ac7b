"""Triangles of a surface that cut each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from couple.base.arrays import Bools, Floats, Ints
from couple.geometry.surface.surface import Surface

_ROWS = 2_000_000
"""Pairs that are looked at together."""
_INSIDE = 1e-9
"""Of an edge: neighbours at a corner do not cross by rounding; others must not even touch."""


def crossing_pair(surface: Surface) -> tuple[int, Floats] | None:
    """How many pairs of triangles cut each other, and the middle of one; None if none do.

    An edge of one of them goes through the other, or touches it (Möller & Trumbore 1997). Neighbours across an edge are
    left out, and so are triangles in one plane that lie on each other.
    """
    corners, triangles = surface.corners, surface.triangles
    found, at = 0, None
    for one, two in _near_pairs(corners):
        shared = (triangles[one][:, :, None] == triangles[two][:, None, :]).sum(axis=(1, 2))
        one, two, shared = one[shared < 2], two[shared < 2], shared[shared < 2]
        margin = np.where(shared == 0, -_INSIDE, _INSIDE)  # those with a common corner do touch
        cut = np.zeros(len(one), dtype=np.bool_)
        for k in range(3):
            cut |= _edge_cuts(corners[one], corners[two], k, margin)
            cut |= _edge_cuts(corners[two], corners[one], k, margin)
        if cut.any():
            found += int(cut.sum())
            at = corners[one[np.argmax(cut)]].mean(axis=0) if at is None else at
    return None if at is None else (found, at)


def _near_pairs(corners: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of triangles whose boxes overlap, found in a grid of boxes of about their size; each once."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    start = low.min(axis=0)
    edge = max(float(np.median((high - low).max(axis=1))) * 2, float((high.max(axis=0) - start).max()) / 256)
    first, last = (np.floor((x - start) / edge).astype(np.int64) for x in (low, high))
    shape = last.max(axis=0) + 1
    spans = last - first + 1
    n = spans.prod(axis=1)
    owner = np.repeat(np.arange(len(corners)), n)
    k = np.arange(len(owner)) - np.repeat(np.cumsum(n) - n, n)
    s = spans[owner]
    steps = np.stack([k // (s[:, 1] * s[:, 2]), k // s[:, 2] % s[:, 1], k % s[:, 2]], axis=1)
    boxes = np.ravel_multi_index(tuple((first[owner] + steps).T), tuple(shape))
    order = np.argsort(boxes, kind="stable")
    owner, boxes = owner[order], boxes[order]
    ends = np.searchsorted(boxes, boxes, side="right")
    later = ends - np.arange(len(boxes)) - 1  # entries of the same box behind each
    total = np.concatenate([[0], np.cumsum(later)])
    begin = 0
    while begin < len(later):
        stop = max(int(np.searchsorted(total, total[begin] + _ROWS, side="right")) - 1, begin + 1)
        rows = np.repeat(np.arange(begin, stop), later[begin:stop])
        with_ = rows + 1 + np.arange(len(rows)) - np.repeat(total[begin:stop] - total[begin], later[begin:stop])
        a, b = owner[rows], owner[with_]
        near = (low[a] <= high[b]).all(axis=1) & (low[b] <= high[a]).all(axis=1)
        # of the boxes that both are in, the pair counts in the first
        common = np.maximum(first[a], first[b])
        near &= np.ravel_multi_index(tuple(common.T), tuple(shape)) == boxes[rows]
        yield a[near], b[near]
        begin = stop


def _edge_cuts(one: Floats, two: Floats, k: int, margin: Floats) -> Bools:
    """(n,) whether edge k of each of `one` goes through the triangle of `two`; both (n, 3, 3).

    margin: (n,) of the edges, how far inside both of them.
    """
    origin, ray = one[:, k], one[:, (k + 1) % 3] - one[:, k]
    e1, e2 = two[:, 1] - two[:, 0], two[:, 2] - two[:, 0]
    p = np.cross(ray, e2)
    det = np.einsum("ij,ij->i", e1, p)
    size = np.linalg.norm(e1, axis=1) * np.linalg.norm(e2, axis=1) * np.linalg.norm(ray, axis=1)
    steep = abs(det) > 1e-12 * size
    inverse = 1.0 / np.where(steep, det, 1.0)
    s = origin - two[:, 0]
    u = np.einsum("ij,ij->i", s, p) * inverse
    q = np.cross(s, e1)
    v = np.einsum("ij,ij->i", ray, q) * inverse
    t = np.einsum("ij,ij->i", e2, q) * inverse
    inside = (u > margin) & (v > margin) & (u + v < 1 - margin)
    return np.asarray(steep & inside & (t > margin) & (t < 1 - margin))
