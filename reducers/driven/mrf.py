"""Blocks that are a Markov random field of one molecule: calmodulin and CaMKII, learned by `reducers.gccd`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.component import Floats, State
from couple.errors import InputError, RunError
from couple.geometry import Geometry
from couple.units import IONS_PER_MM_UM3
from reducers.driven.block import About, Bound, Counts, Stepped
from reducers.gccd import sites
from reducers.gccd.courses import substeps
from reducers.gccd.drawing import draw
from reducers.gccd.kernel import DK, DP, EXACT, INDEPENDENT, N_RATES, N_STATE, PAIRS, calcium_grid
from reducers.gccd.library import expanded, reduced
from reducers.gccd.molecule import census
from reducers.gccd.propagators import tables

MARGIN = 1.25
"""How far beyond the concentrations of its training a model may be bound: free subunits enter as a concentration."""
STEP = 0.1
"""ms: longer steps split binding from the lobes too coarsely, where calcium moves."""


class MarkovFieldBlock(Stepped):
    """The law of `reducers.gccd.kernel` at learned rates.

    rates: (48,) per ms and uM. graph: EXACT (that of triples), PAIRS or INDEPENDENT. totals: (2, 2) least and most
    uM of calmodulin and of CaMKII in training. more: arrays that reports draw.
    """

    kind: ClassVar[str] = "mrf"

    def __init__(
        self,
        about: About,
        rates: Floats,
        graph: int,
        totals: Floats,
        more: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        if rates.shape != (N_RATES,) or not np.isfinite(rates).all() or (rates < 0).any():
            raise ValueError(f"rates are not {N_RATES} numbers of 0 or more")
        if totals.shape != (2, 2) or graph not in (EXACT, PAIRS, INDEPENDENT) or about.box.shape != (2, 4):
            raise ValueError("totals, graph or box are not those of a Markov field")
        self.about, self.rates, self.graph, self.totals = about, rates, graph, totals
        self.more = dict(more or {})

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        own = {"rates": self.rates, "graph": np.array(self.graph), "totals": self.totals}
        return {**own, **{f"report_{key}": value for key, value in self.more.items()}}

    @classmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> MarkovFieldBlock:
        more = {k.removeprefix("report_"): v for k, v in arrays.items() if k.startswith("report_")}
        rates, totals = (np.asarray(arrays[key], dtype=float) for key in ("rates", "totals"))
        return cls(about, rates, int(np.asarray(arrays["graph"])), totals, more)

    def bind(self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]) -> FieldsAtSites:
        return FieldsAtSites(self, sites, counts, observables)


class FieldsAtSites(Bound):
    """state: (n_sites, 29) uM, see `kernel`. A site at rest takes `sites.STRIDE` steps as one."""

    longest = 1.0

    def __init__(
        self,
        block: MarkovFieldBlock,
        geometries: Sequence[Geometry],
        counts: Counts,
        observables: Sequence[Sequence[float]],
    ) -> None:
        self._block, n = block, len(geometries)
        self._census = census(block.about.species)
        self._scales = np.array([1e-3 * IONS_PER_MM_UM3 * g.volume for g in geometries])
        self._weights = np.array([self._reported(w) for w in observables]).reshape(len(observables), N_STATE)
        self._grid, self._tables = calcium_grid(), dict[float, tuple[Floats, Floats, int, int]]()
        self.state, self._seen = np.zeros((n, N_STATE)), np.zeros((n, sites.WIDTH))
        self._totals, self._pace = np.zeros((n, 2)), np.zeros((n, 5))
        self._span = np.full(1, 0.1)
        self.outside, self._fresh = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
        self._values = np.zeros((n, len(observables)))
        self.write_counts(counts)
        self._check()

    def _reported(self, weights: Sequence[float]) -> Floats:
        """(29,) weights of the state that report what weights of species say, or InputError."""
        w = np.asarray(weights, dtype=float)
        by_state, *_ = np.linalg.lstsq(self._census.T, w, rcond=None)
        if np.abs(self._census.T @ by_state - w).max() > 1e-9 or abs(by_state[-1]) > 1e-9:
            raise InputError(
                f'the model "{self._block.about.name}" knows single molecules: it can report what is a sum over the '
                "states of calmodulin, not which two are in one pair"
            )
        out = np.zeros(N_STATE)
        out[:9] = by_state[:9]
        for at, kind, paired in ((9, 1, DK), (18, 3, DP)):
            alone, pair = by_state[9 * kind : 9 * kind + 9], by_state[9 * kind + 9 : 9 * kind + 18]
            if np.ptp(pair - alone) > 1e-9:
                raise InputError(
                    f'the model "{self._block.about.name}" cannot report what depends on the lobes of paired subunits '
                    "alone"
                )
            out[at : at + 9], out[paired] = alone, pair[0] - alone[0]
        return out

    def _check(self) -> None:
        """Raises InputError for concentrations that the model was not trained at."""
        for k, what in enumerate(("calmodulin", "CaMKII")):
            low, high = self._block.totals[k]
            wrong = (self._totals[:, k] > high * MARGIN) | (self._totals[:, k] < low / MARGIN)
            if wrong.any():
                raise InputError(
                    f'the model "{self._block.about.name}" was trained at {low:.4g} .. {high:.4g} uM {what}; a site '
                    f"has {self._totals[wrong.argmax(), k]:.4g} uM: change initial amounts, or train with these"
                )

    def _table(self, span: float) -> tuple[Floats, Floats, int, int]:
        """Propagators of a step and of a long one at rest; steps of a window; windows of a long step."""
        key = float(f"{span:.12g}")
        if key not in self._tables:
            n = substeps(key, STEP)
            stride, rates = max(1, sites.STRIDE // n), self._block.rates[:16]
            self._tables[key] = tables(rates, key / n), tables(rates, key * stride), n, stride
        return self._tables[key]

    def uptake(self, out: Floats) -> None:
        span = float(self._span[0])
        table, _, n, _ = self._table(span)
        sites.uptake(self._seen, self._pace, table, self._grid, self._scales, span / n, out)

    def advance(self, drive: Floats, span: float) -> None:
        self._span[0] = span
        short, long, n, stride = self._table(span)
        block = self._block
        failed = sites.advance(
            self.state, self._seen, self._pace, block.rates, self._totals[:, 1], short, long, self._grid, drive,
            span / n, n, stride, block.graph, block.about.box, self._totals[:, 0], self.outside, self._fresh,
        )  # fmt: skip
        if failed:
            raise RunError(f'the model "{block.about.name}" diverges at site {failed - 1}')

    def held(self, out: Floats) -> None:
        sites.ions(self._seen, self._pace, self._scales, float(self._span[0]), out)

    def watch(self, out: Floats) -> None:
        sites.watched(self.state, self._weights, self._scales, self._fresh, self._values)
        out[...] = self._values

    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        drawn = [self.read_site(i, int(ions), rng[i]) for i, ions in enumerate(held)]
        return np.array(drawn, dtype=np.int64).reshape(len(held), len(self._block.about.species))

    def read_site(self, row: int, held: int, rng: np.random.Generator) -> Counts:
        calmodulin, subunits = np.rint(self._totals[row] * self._scales[row]).astype(np.int64).tolist()
        return draw(expanded(self.state[row]), calmodulin, subunits, held, self._block.about.species, rng)

    def write_counts(self, counts: Counts) -> None:
        found = counts @ self._census.T / self._scales[:, None]
        self.state[...] = reduced(found)
        self._totals[:, 0], self._totals[:, 1] = found[:, :45].sum(axis=1), found[:, 9:].sum(axis=1)
        sites.look_all(self.state, self._seen)
        self._pace[...], self._fresh[...] = 0.0, 1

    def private(self) -> State:
        return {
            "state": self.state,
            "outside": self.outside,
            "seen": self._seen,
            "pace": self._pace,
            "totals": self._totals,
            "span": self._span,
            "fresh": self._fresh,
            "values": self._values,
        }
