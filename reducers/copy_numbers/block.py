"""Blocks that are a dynamic Boltzmann distribution of copy numbers, at the sites of a surrogate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Words
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.component import State
from couple.geometry.geometry import Geometry
from reducers.copy_numbers.chemistry import Kinetics, kinetics
from reducers.copy_numbers.kernels.motion import advance
from reducers.copy_numbers.kernels.reactions import uptake
from reducers.copy_numbers.kernels.tables import Places, fields_of, work_of
from reducers.copy_numbers.kernels.tangent import look
from reducers.copy_numbers.powers import Powers
from reducers.markov.block import About, Bound, Stepped

MARGIN = 1.25
"""How far beyond the totals of its training a model may be bound."""
BEYOND, FEW = 5.0, 50.0
"""A number without a bound is summed over up to so many times its largest mean in training, and so many more."""
SLACK = 0.05
"""Share of the range of a number that it may leave its box by before that counts."""


class CopyNumberBlock(Stepped):
    """p(n; ν(t)) of the numbers that move, with a law of reactions at learned rates.

    reactions: (reactants, products, rate) each, in the units of `ReactionNetwork`. order: K. totals: (2, D) least and
    most uM of what is conserved. about.box: (2, S) least and most mean uM of each moving number. more: for reports.
    """

    kind: ClassVar[str] = "copy_numbers"

    def __init__(
        self,
        about: About,
        reactions: Sequence[Reaction],
        places: Sequence[str],
        order: int,
        totals: Floats,
        more: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.about, self.reactions, self.order, self.totals = about, tuple(reactions), order, totals
        self.on, self.more = tuple(places), dict(more or {})
        names = {n for r in self.reactions for n in (*r.reactants, *r.products)}
        network = ReactionNetwork(
            [Species(s, on=p) for s, p in zip((*about.species, about.drive), self.on, strict=True)],  # type: ignore[arg-type]
            self.reactions,
            sorted(names - {*about.species, about.drive}),
        )
        self.kinetics: Kinetics = kinetics(network, about.species, about.drive)
        wrong = totals.shape != (2, len(self.kinetics.following)) or not 2 <= order <= 4
        if wrong or about.box.shape != (2, len(self.kinetics.moving)):
            raise ValueError("order, totals or box are not those of a distribution of copy numbers")

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Order, totals, reactions; what reports draw under names that begin with "report_"."""
        lines = [f"{' '.join(r.reactants)} > {' '.join(r.products)}" for r in self.reactions]
        own = {
            "order": np.array(self.order),
            "totals": self.totals,
            "rates": np.array([r.rate for r in self.reactions]),
            "equations": np.array(lines, dtype="S"),
            "on": np.array(self.on, dtype="S"),
        }
        return {**own, **{f"report_{key}": value for key, value in self.more.items()}}

    @classmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> CopyNumberBlock:
        """The block that `arrays` was made from. Raises KeyError or ValueError."""
        reactions = []
        for line, rate in zip(arrays["equations"].tolist(), np.asarray(arrays["rates"]).tolist(), strict=True):
            left, _, right = line.decode().partition(">")
            reactions.append(Reaction(tuple(left.split()), tuple(right.split()), float(rate)))
        more = {k.removeprefix("report_"): v for k, v in arrays.items() if k.startswith("report_")}
        on = [p.decode() for p in arrays["on"].tolist()]
        totals = np.asarray(arrays["totals"], dtype=float)
        return cls(about, reactions, on, int(np.asarray(arrays["order"])), totals, more)

    def bind(
        self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]
    ) -> CopyNumbersAtSites:
        """The block at sites, see `Stepped.bind`. Raises InputError for totals that it was not trained at."""
        return CopyNumbersAtSites(self, sites, counts, observables)


class CopyNumbersAtSites(Bound):
    """state: (n_sites, S) copy numbers drawn now; see `kernels.tables.Fields` for the rest."""

    longest = 1.0

    def __init__(
        self,
        block: CopyNumberBlock,
        geometries: Sequence[Geometry],
        counts: Counts,
        observables: Sequence[Sequence[float]],
    ) -> None:
        self._block, self._kinetics, self._geometries = block, block.kinetics, list(geometries)
        n, s = len(geometries), len(self._kinetics.moving)
        self._model = self._kinetics.model(block.order)
        powers = Powers(s, block.order)
        kept = powers.kept
        self._scales = np.array([1e-3 * IONS_PER_MM_UM3 * g.volume for g in geometries])
        self.state, self.outside = np.zeros((n, s)), np.zeros(n, dtype=np.int64)
        self._room = np.zeros((n, len(self._kinetics.following)))
        self._fields = fields_of(n, kept, s)
        self._work = work_of(kept, powers.low, len(powers.exponents))
        self._words: Words = np.zeros((n, 4), dtype=np.uint64)
        self._noisy = False
        about = block.about
        self._held = self._kinetics.combined(self._contents())
        self._seen = [self._kinetics.combined(np.asarray(w, dtype=float)) for w in observables]
        self._taken = self._per_event()
        spread = SLACK * (about.box[1] - about.box[0])
        self._box = about.box[0] - spread, about.box[1] + spread
        n_reactions = len(self._taken)
        self._places = Places(
            np.zeros((n, n_reactions)), np.zeros((n, n_reactions, 2)), np.zeros_like(self._room), np.zeros((n, s))
        )
        self.write_counts(counts)

    def seed(self, words: Words | None) -> None:
        """Draw from the distribution with these streams (n_sites, 4), live; None: follow its mean alone."""
        self._noisy = words is not None
        if words is not None:
            self._words = words

    def _contents(self) -> Floats:
        """(n_species,) of the drive's substance; the first of them, as the pools count."""
        about = self._block.about
        return np.asarray(next(iter(about.contents.values()), np.zeros(len(about.species))), dtype=float)

    def _per_event(self) -> Floats:
        """(R,) ions of the drive that an event takes up."""
        return np.asarray(self._kinetics._changes() @ self._contents())

    def _check(self) -> None:
        """Raises InputError for totals that the model was not trained at."""
        names = [self._kinetics.species[k] for k in self._kinetics.following]
        for d, name in enumerate(names):
            low, high = self._block.totals[:, d]
            found = self._room[:, d] / self._scales
            wrong = (found > high * MARGIN + 1e-9) | (found < low / MARGIN - 1e-9)
            if wrong.any():
                raise InputError(
                    f'the model "{self._block.about.name}" was trained at {low:.4g} .. {high:.4g} uM of {name} in all; '
                    f"a site has {found[wrong.argmax()]:.4g} uM: change initial amounts, or train with these"
                )

    def write_counts(self, counts: Counts) -> None:
        """Begin at (n_sites, n_species) molecules, all of them known. Raises InputError for totals of no training."""
        f, moving = self._fields, counts[:, list(self._kinetics.moving)].astype(float)
        self._room[...] = self._kinetics.room(counts.astype(float))
        self._check()
        found = self._kinetics.places(self._geometries, self._room, BEYOND * self._block.about.box[1])
        for mine, new in zip(self._places, found, strict=True):
            mine[...] = new
        self._places.most[...] = np.maximum(self._places.most, BEYOND * moving + FEW)
        self.state[...] = moving
        f.centre[...], f.scale[...], f.moments[...], f.latent[...] = self.state, 1.0, 0.0, 0.0
        for i in range(len(counts)):
            look(self._model, self._places, f, i, self._work)

    def advance(self, drive: Floats, span: float) -> None:
        """All sites `span` ms forward, see `Bound.advance`. Raises RunError if any diverges."""
        failed = advance(
            self._model, self._places, self._fields, self._work, drive, span, self._words, self._noisy, self.state
        )
        if failed:
            raise RunError(f'the model "{self._block.about.name}" diverges at site {failed - 1}')
        means = self.means() / self._scales[:, None]
        self.outside += ((means < self._box[0]) | (means > self._box[1])).any(axis=1)

    def means(self) -> Floats:
        """(n_sites, S) expected numbers."""
        at = [Powers(self.state.shape[1], self._block.order).first(s) - 1 for s in range(self.state.shape[1])]
        return np.asarray(self._fields.centre + self._fields.scale * self._fields.moments[:, at])

    def covariances(self) -> Floats:
        """(n_sites, S, S) of the distributions."""
        f, s = self._fields, self.state.shape[1]
        powers = Powers(s, self._block.order)
        m = [f.moments[:, powers.first(k) - 1] for k in range(s)]
        out = np.empty((len(f.moments), s, s))
        for k in range(s):
            for j in range(s):
                joint = f.moments[:, powers.second(k, j) - 1]
                out[:, k, j] = (joint - m[k] * m[j]) * f.scale[:, k] * f.scale[:, j]
        return out

    def uptake(self, out: Floats) -> None:
        """(n_sites, 2) into out: ions taken up per ms, and per ms and uM, by the numbers that are there now."""
        uptake(self._model, self._places, self.state, self._taken, out)

    def held(self, out: Floats) -> None:
        """(n_sites,) into out: ions held now."""
        out[...] = _sum(self._held, self.state, self._room)

    def watch(self, out: Floats) -> None:
        """(n_sites, n_observables) into out: molecules now."""
        for k, weights in enumerate(self._seen):
            out[:, k] = _sum(weights, self.state, self._room)

    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        """(n_sites, n_species) whole molecules, see `Bound.read_counts`."""
        drawn = [self.read_site(i, int(ions), rng[i]) for i, ions in enumerate(held)]
        return np.array(drawn, dtype=np.int64).reshape(len(held), len(self._block.about.species))

    def read_site(self, row: int, held: int, rng: np.random.Generator) -> Counts:
        """(n_species,) whole molecules near the numbers now (drawn, where they follow means alone) that hold `held`."""
        numbers = self.state[row].copy()
        if not self._noisy:
            numbers = rng.multivariate_normal(numbers, self.covariances()[row])
        slopes, tail = self._held
        wanted = held - float(self._room[row] @ tail)
        return self._whole(numbers, self._room[row], slopes, wanted, self.state[row])

    def _whole(self, numbers: Floats, room: Floats, slopes: Floats, wanted: float, near: Floats) -> Counts:
        """The whole numbers next to `numbers` that can be and hold what is wanted, by a search of growing radius."""
        best, most = None, np.inf
        centre = np.rint(_projected(numbers, slopes, wanted))
        for radius in (1, 3, 8, 30):
            for shift in np.ndindex(*(2 * radius + 1,) * len(centre)):
                n = centre + np.array(shift) - radius
                whole = self._kinetics.whole(n, room)
                if (whole < -1e-6).any() or abs(slopes @ n - wanted) > 1e-6:
                    continue
                far = float(((n - numbers) ** 2).sum())
                if far < most:
                    best, most = whole, far
            if best is not None:
                return np.rint(best).astype(np.int64)
        raise RunError(f'no whole molecules of "{self._block.about.name}" hold {wanted:g} ions near {near.tolist()}')

    def private(self) -> State:
        """All that going on to the bit needs, see `Bound.private`."""
        own = {key: np.asarray(value) for key, value in self._fields._asdict().items()}
        places = {"consts": self._places.consts, "room": self._places.room, "most": self._places.most}
        more = {"drawn.words": self._words} if self._noisy else {}
        return {"state": self.state, "outside": self.outside, "rooms": self._room, **own, **places, **more}


def _sum(weights: tuple[Floats, Floats], numbers: Floats, room: Floats) -> Floats:
    """(n_sites,) Σ by weights of moving numbers and of room, in a fixed order."""
    out = np.zeros(len(numbers))
    for s, w in enumerate(weights[0].tolist()):
        out += w * numbers[:, s]
    for d, w in enumerate(weights[1].tolist()):
        out += w * room[:, d]
    return out


def _projected(numbers: Floats, slopes: Floats, wanted: float) -> Floats:
    """The nearest numbers on the plane slopes · n = wanted."""
    length = float(slopes @ slopes)
    return numbers if length == 0 else numbers + slopes * (wanted - slopes @ numbers) / length
