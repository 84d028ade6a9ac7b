"""Blocks that are a Markov random field of one molecule: calmodulin and CaMKII, learned by `reducers.gccd`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Words
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.catalysis import change_of
from couple.chemistry.network import ReactionNetwork
from couple.components.component import State
from couple.geometry.geometry import Geometry
from reducers.gccd.fit.free_runs import substeps
from reducers.gccd.law import lanes
from reducers.gccd.law.count_sampling import draw_counts
from reducers.gccd.law.dephosphorylation import dephosphorylate
from reducers.gccd.law.kernel import DK, DP, EXACT, INDEPENDENT, N_RATES, N_STATE, PAIRS
from reducers.gccd.law.library import expanded, reduced
from reducers.gccd.law.molecule import census, dephosphorylated
from reducers.gccd.law.phosphorylation_noise import count, shake
from reducers.gccd.law.propagators import tables
from reducers.markov.block import About, Bound, Stepped
from reducers.markov.chemistry import catalysed_reactions

MARGIN = 1.25
"""How far beyond the concentrations of its training a model may be bound: free subunits enter as a concentration."""
STEP = 0.1
"""ms: longer steps split binding from the lobes too coarsely, where calcium moves."""


class MarkovFieldBlock(Stepped):
    """The law of `reducers.gccd.law.kernel` at learned rates.

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
        """Rates, graph and totals; what reports draw under names that begin with "report_"."""
        own = {"rates": self.rates, "graph": np.array(self.graph), "totals": self.totals}
        return {**own, **{f"report_{key}": value for key, value in self.more.items()}}

    @classmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> MarkovFieldBlock:
        """The block that `arrays` was made from. Raises KeyError or ValueError."""
        more = {k.removeprefix("report_"): v for k, v in arrays.items() if k.startswith("report_")}
        rates, totals = (np.asarray(arrays[key], dtype=float) for key in ("rates", "totals"))
        return cls(about, rates, int(np.asarray(arrays["graph"])), totals, more)

    def bind(self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]) -> FieldsAtSites:
        """The block at sites, see `Stepped.bind`.

        Raises InputError for observables of pairs, and for concentrations that it was not trained at.
        """
        return FieldsAtSites(self, sites, counts, observables)

    def conversions(self, network: ReactionNetwork) -> dict[str, float]:
        """Phosphatases → rate of dephosphorylation (/mM/ms), the same for every phosphorylated subunit.

        Raises InputError for other reactions, and for one that leaves some of the subunits out.
        """
        found: dict[str, dict[str, tuple[str, float]]] = {}
        for name, reaction in catalysed_reactions(network, self.about.species, self.about.drive):
            change = change_of(reaction)
            found.setdefault(name, {})[change.left[0]] = change.right[0], reaction.rate
        wanted = dephosphorylated(self.about.species)
        for name, made in found.items():
            rates = {rate for _, rate in made.values()}
            if {a: b for a, (b, _) in made.items()} != wanted or len(rates) > 1:
                raise InputError(
                    f'{name} changes some of what the model "{self.about.name}" stands for: it takes a phosphatase of '
                    "all phosphorylated subunits at one rate, as include.camkii.phosphatase makes it"
                )
        return {name: next(iter(made.values()))[1] for name, made in found.items()}


class FieldsAtSites(Bound):
    """state: (n_sites, 29) uM, see `kernel`; a view of `sites`, see there."""

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
        weights = np.array([self._reported(w) for w in observables]).reshape(len(observables), N_STATE)
        self._watched = np.concatenate([[0], np.count_nonzero(weights, axis=1).cumsum()]), np.nonzero(weights)[1]
        self._weights, self._tables = weights[weights != 0.0], dict[float, tuple[Floats, int]]()
        self._all, self._work = lanes.empty(n, len(observables))
        self._bits = self._work.view(np.int64)
        self._outside = np.zeros(self._all.shape[1], dtype=np.int64)
        mine = self._all[:, :n].T
        self.state, self.outside, self._found = mine[:, :N_STATE], self._outside[:n], mine[:, lanes.HELD :]
        self._totals, self._calcium = mine[:, lanes.CALMODULIN : lanes.SUBUNITS + 1], mine[:, lanes.CALCIUM]
        self._chord, self._values = mine[:, lanes.BASE : lanes.SLOPE + 1], mine[:, lanes.VALUES :]
        self._held, self._scales = mine[:, lanes.HELD], mine[:, lanes.SCALE]
        self._scales[:] = [1e-3 * IONS_PER_MM_UM3 * g.volume for g in geometries]
        self._span = np.full(1, 0.1)
        self._expected, self._words, self._noisy = np.zeros(n), np.zeros((n, 4), dtype=np.uint64), False
        self.write_counts(counts)

    def seed(self, words: Words | None) -> None:
        """Draw how many subunits are phosphorylated with these streams (n_sites, 4), live; None: the expected ones."""
        self._noisy = words is not None
        if words is not None:
            self._words = words

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

    def _table(self, span: float) -> tuple[Floats, int]:
        """Propagators of a step, and steps of a window."""
        if span not in self._tables:
            n = substeps(span, STEP)
            self._tables[span] = tables(self._block.rates[:16], float(f"{span / n:.12g}")), n
        return self._tables[span]

    def _run(self, table: Floats, h: float, steps: int) -> None:
        """See `lanes.advance_sites`. Raises RunError."""
        block = self._block
        failed = lanes.advance_sites(
            self._all, self._outside, block.rates, table, block.about.box, *self._watched, self._weights,
            self._work, self._bits, h, steps, block.graph,
        )  # fmt: skip
        if failed:
            site = int((~(np.abs(self._held) < np.inf)).argmax())
            raise RunError(f'the model "{block.about.name}" diverges at site {site}')

    def advance(self, drive: Floats, span: float) -> None:
        """Sites `span` ms forward in steps of 0.1 ms or less, see `Bound.advance`. Raises RunError if any diverges."""
        self._calcium[:], self._span[0] = drive, span
        table, n = self._table(span)
        if self._noisy:
            shake(self._all, self._scales, self._expected, self._words)
            count(self._all, self._expected, -1.0)
        self._run(table, span / n, n)
        if self._noisy:
            count(self._all, self._expected, 1.0)

    def convert(self, rates: Floats, span: float) -> None:
        """Dephosphorylation at (n_sites,) per ms: exact, since it takes every phosphorylated subunit alike."""
        if self._noisy:
            count(self._all, self._expected, 1.0)
        dephosphorylate(self._all, rates, span)
        if self._noisy:
            count(self._all, self._expected, -1.0)

    def uptake(self, out: Floats) -> None:
        """(n_sites, 2) into out: uptake of calcium as found at the last `advance`, see `Bound.uptake`."""
        out[...] = self._chord

    def held(self, out: Floats) -> None:
        """(n_sites,) into out: ions held now."""
        out[...] = self._held

    def watch(self, out: Floats) -> None:
        """(n_sites, n_observables) into out: expected molecules now."""
        out[...] = self._values

    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        """(n_sites, n_species) whole molecules, see `Bound.read_counts`."""
        drawn = [self.read_site(i, int(ions), rng[i]) for i, ions in enumerate(held)]
        return np.array(drawn, dtype=np.int64).reshape(len(held), len(self._block.about.species))

    def read_site(self, row: int, held: int, rng: np.random.Generator) -> Counts:
        """(n_species,) the same of one site."""
        calmodulin, subunits = np.rint(self._totals[row] * self._scales[row]).astype(np.int64).tolist()
        return draw_counts(expanded(self.state[row]), calmodulin, subunits, held, self._block.about.species, rng)

    def write_counts(self, counts: Counts) -> None:
        """Take up the moments of (n_sites, n_species) molecules; calcium is 0 until `advance`.

        Raises InputError for concentrations that the model was not trained at.
        """
        found = counts @ self._census.T / self._scales[:, None]
        self.state[...] = reduced(found)
        self._totals[:, 0], self._totals[:, 1] = found[:, :45].sum(axis=1), found[:, 9:].sum(axis=1)
        self._check()
        self._calcium[:], self._expected[:] = 0.0, 0.0
        span = float(self._span[0])
        table, n = self._table(span)
        self._run(table, span / n, 0)

    def private(self) -> State:
        """State, totals, what the last step found, its span, and what noise needs, see `Bound.private`."""
        drawn = {"drawn.words": self._words, "expected": self._expected} if self._noisy else {}
        return {
            **drawn,
            "state": self.state,
            "outside": self.outside,
            "totals": self._totals,
            "found": self._found,
            "span": self._span,
        }
