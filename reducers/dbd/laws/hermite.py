"""Q3 Hermite C1 elements in any dimension, on an unbounded grid of which only visited cells are stored.

Each vertex of the grid carries 2^d degrees of freedom per component of F: products of a value (0) or a slope (1) in
every dimension. With x in [0, 1] along a cell: value shapes 1-3x²+2x³ and 3x²-2x³, slope shapes x-2x²+x³ and x³-x²;
slopes are per local coordinate (divide by the side for physical ones). A cell sees 2^d vertices, so F is a sum of 4^d
terms (arXiv:1905.12122, eq. 13). Where nothing is stored F is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from couple.cache.kernels import njit
from couple.components.component import State
from reducers.dbd.laws.law import AUTONOMOUS, CoefficientTable, Law

FAR = 2.0**40
"""Grid units from the origin beyond which a state is taken as diverged."""


@njit(cache=True, python=True)
def _slot(key: Ints, keys: Ints, table: Ints) -> np.int64:
    """Place of a vertex in the open-addressing `table` (size a power of 2), or of the gap where it would go."""
    mask = len(table) - 1
    h = np.uint64(1469598103934665603)
    for j in range(len(key)):
        h = (h ^ np.uint64(key[j])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    at = np.int64(h & np.uint64(mask))
    while table[at] >= 0:
        row, same = table[at], True
        for j in range(len(key)):
            same = same and keys[row, j] == key[j]
        if same:
            return at
        at = np.int64((at + 1) & mask)
    return at


@njit(cache=True)
def rows_of_cells(cells: Ints, keys: Ints, table: Ints) -> Ints:
    """(batch, 2^d) rows of the vertices of each cell, -1 where none is stored. Bit j of a vertex: upper side of j."""
    batch, d = cells.shape
    out = np.empty((batch, 1 << d), dtype=np.int64)
    key = np.empty(d, dtype=np.int64)
    for b in range(batch):
        for v in range(1 << d):
            for j in range(d):
                key[j] = cells[b, j] + ((v >> j) & 1)
            out[b, v] = table[_slot(key, keys, table)]
    return out


@njit(cache=True)
def add_vertices(cells: Ints, keys: Ints, rows: int, table: Ints) -> int:
    """Store the vertices of the cells; `keys` and `table` must have room. Returns the new number of rows."""
    batch, d = cells.shape
    key = np.empty(d, dtype=np.int64)
    for b in range(batch):
        for v in range(1 << d):
            for j in range(d):
                key[j] = cells[b, j] + ((v >> j) & 1)
            at = _slot(key, keys, table)
            if table[at] < 0:
                keys[rows] = key
                table[at] = rows
                rows += 1
    return rows


@njit(cache=True)
def _shapes(x: float, out: Floats) -> None:
    """out[end, kind] of the four shapes at x; kind 0 value, 1 slope."""
    x2, x3 = x * x, x * x * x
    out[0, 0], out[0, 1] = 1.0 - 3.0 * x2 + 2.0 * x3, x - 2.0 * x2 + x3
    out[1, 0], out[1, 1] = 3.0 * x2 - 2.0 * x3, x3 - x2


@njit(cache=True)
def _slopes(x: float, out: Floats) -> None:
    """Their derivatives."""
    x2 = x * x
    out[0, 0], out[0, 1] = -6.0 * x + 6.0 * x2, 1.0 - 4.0 * x + 3.0 * x2
    out[1, 0], out[1, 1] = 6.0 * x - 6.0 * x2, 3.0 * x2 - 2.0 * x


@njit(cache=True)
def _products(shapes: Floats, v: int, out: Floats) -> None:
    """out (2^d,): products over dimensions of the shapes (d, 2, 2) that belong to vertex v; bit j: slope in j."""
    out[0] = 1.0
    n = 1
    for j in range(len(shapes)):
        end = (v >> j) & 1
        for s in range(n):
            out[n + s] = out[s] * shapes[j, end, 1]
            out[s] *= shapes[j, end, 0]
        n *= 2


@njit(cache=True)
def hermite_rates(x: Floats, rows: Ints, values: Floats, n: int) -> Floats:
    """(batch, n) F at local coordinates x (batch, d); values (n_rows, 2^d * n), component fastest."""
    batch, d = x.shape
    out = np.zeros((batch, n))
    shapes, weight = np.empty((d, 2, 2)), np.empty(1 << d)
    for b in range(batch):
        for j in range(d):
            _shapes(x[b, j], shapes[j])
        for v in range(1 << d):
            row = rows[b, v]
            if row >= 0:
                _products(shapes, v, weight)
                for s in range(1 << d):
                    for k in range(n):
                        out[b, k] += weight[s] * values[row, s * n + k]
    return out


@njit(cache=True)
def hermite_vjp(x: Floats, rows: Ints, values: Floats, weights: Floats) -> Floats:
    """(batch, d) Σ_k weights_k ∂F_k/∂x_j."""
    batch, d = x.shape
    n = weights.shape[1]
    out = np.zeros((batch, d))
    shapes, slopes = np.empty((d, 2, 2)), np.empty((d, 2, 2))
    product, along = np.empty(1 << d), np.empty(1 << d)
    for b in range(batch):
        for j in range(d):
            _shapes(x[b, j], shapes[j])
            _slopes(x[b, j], slopes[j])
        for v in range(1 << d):
            row = rows[b, v]
            if row < 0:
                continue
            for s in range(1 << d):
                along[s] = 0.0
                for k in range(n):
                    along[s] += weights[b, k] * values[row, s * n + k]
            for j in range(d):
                kept = shapes[j].copy()
                shapes[j] = slopes[j]
                _products(shapes, v, product)
                shapes[j] = kept
                for s in range(1 << d):
                    out[b, j] += product[s] * along[s]
    return out


@njit(cache=True)
def hermite_pull(x: Floats, rows: Ints, weights: Floats, gradient: Floats, touched: npt.NDArray[np.bool_]) -> None:
    """Add Σ_k weights_k ∂F_k/∂values to `gradient`."""
    batch, d = x.shape
    n = weights.shape[1]
    shapes, product = np.empty((d, 2, 2)), np.empty(1 << d)
    for b in range(batch):
        for j in range(d):
            _shapes(x[b, j], shapes[j])
        for v in range(1 << d):
            row = rows[b, v]
            if row < 0:
                continue
            touched[row] = True
            _products(shapes, v, product)
            for s in range(1 << d):
                for k in range(n):
                    gradient[row, s * n + k] += product[s] * weights[b, k]


class Hermite(Law):
    """F_k(θ) for every parameter k, piecewise cubic in the parameters named in `domain`.

    side: of a cell, one for all or one per dimension. origin: (d,) place of a vertex; to have a point in the middle
    of a cell give `point - side / 2`.
    Raises InputError for an empty or unknown domain, or a side that is not positive.
    """

    separable = True

    def __init__(
        self, parameters: Sequence[str], domain: Sequence[str], side: float | Sequence[float], origin: Sequence[float]
    ) -> None:
        self.parameters, self.domain = tuple(parameters), tuple(domain)
        unknown = [name for name in self.domain if name not in self.parameters]
        if unknown or not self.domain or len(set(self.domain)) < len(self.domain):
            raise InputError(
                f"{list(domain)} must be one or more of {', '.join(self.parameters)}, each once", where="domain"
            )
        d = len(self.domain)
        self.side = np.broadcast_to(np.asarray(side, dtype=float), (d,)).copy()
        self.origin = np.asarray(origin, dtype=float).copy()
        if not (np.isfinite(self.side).all() and (self.side > 0).all()) or self.origin.shape != (d,):
            raise InputError(f"needs a positive side and an origin of {d} numbers, not {side!r}", where="side")
        self.columns = np.array([self.parameters.index(name) for name in self.domain])
        self.coefficients = CoefficientTable(0, (1 << d) * len(self.parameters))
        self.keys = np.zeros((64, d), dtype=np.int64)
        self._table = np.full(256, -1, dtype=np.int64)

    @property
    def tables(self) -> Sequence[CoefficientTable]:
        """Values and slopes at vertices: (n_rows, 2^d × n)."""
        return (self.coefficients,)

    @property
    def vertices(self) -> Ints:
        """(n_rows, d) integer places of the stored vertices."""
        return self.keys[: self.coefficients.rows]

    def cells(self, theta: Floats) -> tuple[Ints, Floats]:
        """(batch, d) cell and local coordinate of each state. Raises RunError if θ is not finite or far away."""
        place = (np.ascontiguousarray(theta[:, self.columns]) - self.origin) / self.side
        if not (np.abs(place) < FAR).all():
            raise RunError(f"the parameters have diverged: {_shown(self.domain, theta[:, self.columns])}")
        cell = np.floor(place)
        return cell.astype(np.int64), place - cell

    def rows(self, theta: Floats) -> Ints:
        """(batch, 2^d) rows of the coefficients that F depends on at each state, -1 for zeros."""
        return np.asarray(rows_of_cells(self.cells(theta)[0], self.keys, self._table))

    def reserve(self, theta: Floats) -> None:
        """Make room for the vertices of the cells of θ (batch, n). Raises RunError if θ is not finite or far away."""
        cells = self.cells(theta)[0]
        if (rows_of_cells(cells, self.keys, self._table) >= 0).all():
            return
        cells = np.unique(cells, axis=0)
        self._room(self.coefficients.rows + len(cells) * (1 << cells.shape[1]))
        self.coefficients.grow(add_vertices(cells, self.keys, self.coefficients.rows, self._table))

    def _room(self, rows: int) -> None:
        if rows > len(self.keys):
            keys = np.zeros((2 * rows, self.keys.shape[1]), dtype=np.int64)
            keys[: len(self.keys)] = self.keys
            self.keys = keys
        if 4 * rows > len(self._table):
            self._table = np.full(1 << int(8 * rows - 1).bit_length(), -1, dtype=np.int64)
            for row, key in enumerate(self.vertices):
                self._table[_slot(key, self.keys, self._table)] = row

    def first_touched(self, theta: Floats) -> int:
        """First state of a path (T, n) in a cell with a touched vertex; T if none is."""
        if not len(theta):
            return 0
        rows = self.rows(theta)
        hit = (self.coefficients.touched[rows] & (rows >= 0)).any(axis=1)
        return int(np.argmax(hit)) if hit.any() else len(theta)

    def save_places(self, prefix: str = "") -> State:
        """Vertices (n_rows, d) and origin (d,)."""
        return {f"{prefix}vertices": self.vertices.copy(), f"{prefix}origin": self.origin.copy()}

    def restore_places(self, state: State, prefix: str = "") -> None:
        """Make the vertices that `save_places` described, in the same rows."""
        vertices = np.asarray(state[f"{prefix}vertices"], dtype=np.int64)
        self.origin = np.asarray(state[f"{prefix}origin"], dtype=float).copy()
        self._room(max(len(vertices), 1))
        self._table[:] = -1
        self.keys[: len(vertices)] = vertices
        for row, key in enumerate(vertices):
            self._table[_slot(key, self.keys, self._table)] = row
        self.coefficients.grow(len(vertices))

    def rates(self, theta: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) F; 0 in cells without vertices. Raises RunError if θ is not finite or far away."""
        cells, x = self.cells(theta)
        rows = rows_of_cells(cells, self.keys, self._table)
        return np.asarray(hermite_rates(x, rows, self.coefficients.values, len(self.parameters)))

    def vjp(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> Floats:
        """(batch, n) Σ_k weights_k ∂F_k/∂θ; 0 outside of `domain`."""
        cells, x = self.cells(theta)
        rows = rows_of_cells(cells, self.keys, self._table)
        out = np.zeros_like(theta)
        out[:, self.columns] = hermite_vjp(x, rows, self.coefficients.values, weights) / self.side
        return out

    def pull(self, theta: Floats, weights: Floats, drive: Floats = AUTONOMOUS) -> None:
        """Add Σ weights_k × the basis functions of each cell to the gradient, and mark its vertices as touched."""
        cells, x = self.cells(theta)
        rows = rows_of_cells(cells, self.keys, self._table)
        hermite_pull(x, rows, weights, self.coefficients.gradient, self.coefficients.touched)


def _shown(names: Sequence[str], theta: Floats) -> str:
    worst = theta[np.argmax(~np.isfinite(theta).all(axis=1) | (np.abs(theta) > 1e6).any(axis=1))]
    return ", ".join(f"{name} = {value:.4g}" for name, value in zip(names, worst, strict=True))
