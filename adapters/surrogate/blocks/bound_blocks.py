"""Blocks that advance themselves, beside the pools of a site: what they take up is booked to the ion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from adapters.surrogate.blocks.replaced import Replaced
from adapters.surrogate.kernels import layout
from couple.base.arrays import Counts, Floats, Ints
from couple.base.errors import RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.cache.kernels import njit
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import Site
from reducers.markov.block import Bound


@njit(cache=True, error_model="numpy")
def _add_uptake(counts: Floats, booked: int, held: Floats, span: float, rates: Floats, sink: Floats) -> None:
    """Add what a block takes in a step, what was booked too little or too much included."""
    for i in range(len(counts)):
        rates[i, 0] += (held[i] - counts[i, booked]) / span
        sink[i, 0] += rates[i, 0]
        sink[i, 1] += rates[i, 1]


@njit(cache=True, error_model="numpy")
def _book(counts: Floats, booked: int, rates: Floats, mean: Floats, short: Floats, first: bool, span: float) -> None:
    """Book what a block took; what was not there the first one gets less."""
    for i in range(len(counts)):
        counts[i, booked] += (rates[i, 0] + rates[i, 1] * mean[i]) * span
        if first:
            counts[i, booked] -= short[i]


@njit(cache=True, error_model="numpy")
def _set_observables(counts: Floats, means: Floats, columns: Ints, observables: Ints, values: Floats) -> None:
    """Set the columns of observables; the kernel took them to stay as they were."""
    for i in range(len(counts)):
        for k in range(len(columns)):
            means[i, observables[k]] += 0.5 * (values[i, k] - counts[i, columns[k]])
            counts[i, columns[k]] = values[i, k]


class BoundBlocks:
    """Bound blocks of all sites. Falsy if there are none.

    In a step a block takes up (a + b c) per ms. Afterwards it says what it holds; the difference to what was booked in
    its column `NAME_Ca` is taken up with the next step, so that no ion is lost or made. A block that holds nothing of
    what drives it has no such column, and takes nothing up.

    rows: of the sites that take part now, see `only`; arrays that are handed in have a row for each of them.
    catalysts: (n_catalysts,) columns of the counts, of what acts on blocks.
    """

    def __init__(self, replaced: Replaced, network: ReactionNetwork, sites: Sequence[Site]) -> None:
        self.replaced, n = replaced, len(sites)
        counts = np.array([s.initial for s in sites], dtype=float).reshape(n, -1)
        self.bound: dict[str, Bound] = {}
        self._start: dict[str, Counts] = {}
        self._booked: dict[str, int] = {}
        self._columns: dict[str, Ints] = {}
        self._observables: dict[str, Ints] = {}
        self._rates: dict[str, Floats] = {}
        self._values: dict[str, Floats] = {}
        self._held, self._mean, self._n = np.zeros(n), np.zeros(n), n
        self._per_mm = np.array([IONS_PER_MM_UM3 * s.geometry.volume for s in sites])
        converted = {name: b.conversions(replaced.full) for name, b in replaced.blocks.items()}
        names = list(dict.fromkeys(c for found in converted.values() for c in found))
        self.catalysts = np.array([network.index(c) for c in names], dtype=np.int64)
        self._conversions = {
            name: [(names.index(c), rate) for c, rate in found.items()] for name, found in converted.items() if found
        }
        self.rows: slice | npt.NDArray[np.int64] = slice(None)
        for name, block in replaced.blocks.items():
            weights = list(replaced.observables[name].values())
            geometries = [s.geometry for s in sites]
            self._start[name] = replaced.of_block(name, counts).astype(np.int64)
            self.bound[name] = block.bind(geometries, self._start[name], weights)
            substance = self._substance(name)
            if substance in block.about.contents:
                self._booked[name] = network.index(f"{name}_{substance}")
            names, seen = list(network.observables), replaced.observables[name]
            self._columns[name] = np.array([network.index(f"{name}_{k}") for k in seen], dtype=np.int64)
            self._observables[name] = np.array([names.index(k) for k in seen], dtype=np.int64)
            self._rates[name], self._values[name] = np.zeros((n, 2)), np.zeros((n, len(weights)))
        self._asked = dict(self._rates)

    def __bool__(self) -> bool:
        return bool(self.bound)

    @contextmanager
    def only(self, rows: npt.NDArray[np.int64]) -> Iterator[None]:
        """Only these sites take part; all others stay as they are, to the bit."""
        self.rows = rows if len(rows) < self._n else slice(None)
        try:
            yield
        finally:
            self.rows = slice(None)

    @contextmanager
    def _others_stay(self, bound: Bound) -> Iterator[None]:
        """A block moves all of its sites, which costs little beside what the others have instead; they are put back."""
        rest = np.ones(self._n, dtype=bool)
        rest[self.rows] = False
        live = {key: np.asarray(array) for key, array in bound.private().items()} if rest.any() else {}
        kept = {key: array[rest] for key, array in live.items() if array.shape[:1] == rest.shape}
        yield
        for key, array in kept.items():
            live[key][rest] = array

    def _substance(self, name: str) -> str:
        """By which the drive is counted; "" if it contains nothing."""
        drive = self.replaced.blocks[name].about.drive
        return next(iter(next(s for s in self.replaced.full.species if s.name == drive).contains), "")

    def request_uptake(self, counts: Floats, sink: Floats, span: float) -> None:
        """Set `sink` (n_sites, 2) for a step: what blocks take per ms, and per ms and uM."""
        sink[...] = 0.0
        for name, bound in self.bound.items():
            if span > bound.longest * (1 + 1e-9):
                raise RunError(
                    f'the model "{name}" takes steps of {bound.longest:g} ms at most; this one is {span:g} ms: '
                    "give a shorter experiment.exchange"
                )
            if name not in self._booked:
                continue
            bound.uptake(self._rates[name])
            bound.held(self._held)
            rates = self._asked[name] = self._rates[name][self.rows]
            _add_uptake(counts, self._booked[name], self._held[self.rows], span, rates, sink)

    def advance(self, counts: Floats, means: Floats, numbers: Floats, catalysts: Floats, span: float) -> None:
        """Book what was taken up, advance the blocks with the mean concentration, and report.

        catalysts: (n_sites, n_catalysts) molecules that act on them.
        """
        self._mean[self.rows], short = numbers[:, layout.MEAN], numbers[:, layout.SHORT].copy()  # contiguous
        first = next(iter(self._booked), "")
        for name, bound in self.bound.items():
            values, mean = self._values[name], self._mean[self.rows]
            if name in self._booked:
                _book(counts, self._booked[name], self._asked[name], mean, short, name == first, span)
            with self._others_stay(bound):
                if name in self._conversions:
                    bound.convert(self._conversion_rates(name, catalysts), span)
                bound.advance(self._mean, span)
                bound.watch(values)
            _set_observables(counts, means, self._columns[name], self._observables[name], values[self.rows])

    def _conversion_rates(self, name: str, catalysts: Floats) -> Floats:
        """(n_sites,) per ms, 0 in those that do not take part."""
        rates = np.zeros(self._n)
        for k, rate in self._conversions[name]:
            rates[self.rows] += rate * np.maximum(catalysts[:, k], 0.0) / self._per_mm[self.rows]
        return rates

    def write(self, counts: Floats) -> None:
        """Set the columns of observables."""
        for name, bound in self.bound.items():
            bound.watch(self._values[name])
            counts[:, self._columns[name]] = self._values[name][self.rows]

    def read_site(self, row: int, reduced: Counts, rng: np.random.Generator) -> Counts:
        """(n_species of the whole chemistry,) of one site, from rounded counts (n,) of the reduced network."""
        full, names = self.replaced.full, list(self.replaced.network().names)
        out = np.zeros(len(full.species), dtype=np.int64)
        for k, name in enumerate(full.names):
            if name in names:
                out[k] = reduced[names.index(name)]
        for name, bound in self.bound.items():
            held = int(reduced[self._booked[name]]) if name in self._booked else 0
            drawn = bound.read_site(row, held, rng)
            out[[full.index(s) for s in self.replaced.blocks[name].about.species]] = drawn
        return out

    def write_counts(self, whole: Counts, counts: Floats) -> None:
        """Take up molecules of the whole chemistry; what blocks hold is in `counts` already."""
        for name, bound in self.bound.items():
            mine = self.replaced.of_block(name, whole)
            taken = self._start[name].copy()  # others must get something that they can be, too
            taken[self.rows] = mine
            with self._others_stay(bound):
                bound.write_counts(taken)
        self.write(counts)

    def private(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays of all blocks, live."""
        return {f"{n}/{key}": np.asarray(a) for n, b in self.bound.items() for key, a in b.private().items()}
