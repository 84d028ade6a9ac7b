"""The contract of a reduced block: what stands in a site for some of its species, driven by one concentration.

A `DrivenBlock` is what a model file holds. Markov blocks are generators, which the engine advances itself. Any other is
a `Stepped` block: `bind` makes a `Bound`, the block at many sites, and the engine calls, step by step,

    bound.uptake(out)               # ions of the drive that it takes up per ms: out[:, 0] + out[:, 1] * c
    ...                             # the engine finds c(t) with it and books the ions
    bound.advance(mean_c, span)     # over the same span, with the mean of c at each site
    bound.held(out)                 # ions it holds now; the engine pays what it booked too little or too much

The ledger needs no more: the engine counts what it took from the free pool, and hands the difference to what the block
says it holds over with the next step. Sites do not see each other: kernels loop over sites (numba, no BLAS).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Words
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.component import State
from couple.geometry.geometry import Geometry
from reducers.markov.chemistry import catalysed_reactions, signature


@dataclass(frozen=True)
class About:
    """What a block stands for and how far it can be trusted.

    name:      of the model, a word ("SK", "CaMKII"); names of recorded quantities begin with it.
    species:   the species it stands for, in the order of count arrays. drive: the species that drives it.
    signature: of their chemistry, see `chemistry.signature`.
    contents:  substance → (n_species,) how much of it one molecule of each holds; the drive's substance included.
    observables: name → (n_species,) weights: what it can report besides what it holds.
    box:       (2, n) least and largest state seen in training. drive_box: least and largest drive (uM).
    data_hash: SHA-256 of the training data. held_out: name → error on stimuli that were not learned from.
    training:  the text of the training file. verdict: `reducers.training.verdict.Verdict` as JSON, "" of no judgement.
    """

    name: str
    species: tuple[str, ...]
    drive: str
    signature: str
    contents: Mapping[str, tuple[int, ...]]
    observables: Mapping[str, tuple[float, ...]]
    drive_box: tuple[float, float]
    box: Floats
    data_hash: str = ""
    held_out: Mapping[str, float] = field(default_factory=dict)
    training: str = ""
    verdict: str = ""

    @classmethod
    def of(cls, network: ReactionNetwork, name: str, species: Sequence[str], drive: str, **more: Any) -> About:
        """What follows from the network; `more`: drive_box, box and the rest."""
        named = {s.name: s for s in network.species}
        substances = sorted({k for s in species for k in named[s].contains})
        contents = {k: tuple(named[s].contains.get(k, 0) for s in species) for k in substances}
        seen = {
            key: tuple(float(members.get(s, 0.0)) for s in species)
            for key, members in network.observables.items()
            if set(members) & set(species)
        }
        sign = signature(network, species, drive)
        return cls(name, tuple(species), drive, sign, contents, seen, **more)

    def check(self, network: ReactionNetwork) -> None:
        """Raises InputError, in one line, if the network's chemistry of these species is another one."""
        if signature(network, self.species, self.drive) != self.signature:
            raise InputError(
                f'the model "{self.name}" was learned from another chemistry of {_short(self.species)}: other rates, '
                "temperature or contents; train it again with this chemistry"
            )

    def weights(self, key: str, members: Mapping[str, float]) -> tuple[float, ...]:
        """(n_species,) the part of an observable of the network that lies in this block."""
        return tuple(float(members.get(s, 0.0)) for s in self.species)


class DrivenBlock(ABC):
    """A reduced model of some species of a network. Immutable."""

    kind: ClassVar[str]
    about: About

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Everything else that the file holds (without the box)."""

    @classmethod
    @abstractmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> DrivenBlock:
        """What `arrays` was made from. Raises KeyError or ValueError for what is missing or of a wrong shape."""

    def conversions(self, network: ReactionNetwork) -> dict[str, float]:
        """Catalyst → rate (/mM/ms) of what it does to the block, handed to `Bound.convert` in every step.

        Raises InputError for a reaction by which a species beside the drive changes those of the block, unless it is
        one that this kind of block takes as an input.
        """
        for name, reaction in catalysed_reactions(network, self.about.species, self.about.drive):
            raise InputError(
                f'"{reaction}": {name} changes what the model "{self.about.name}" stands for, and it was learned '
                f"without; leave the reaction out, or take another engine"
            )
        return {}


class Stepped(DrivenBlock):
    """A block that advances itself."""

    @abstractmethod
    def bind(self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]) -> Bound:
        """The block at sites that start from counts (n_sites, n_species), by matching moments.

        observables: (n_species,) weights each of what `watch` is to report. Raises InputError for weights that the
        model cannot report (it can always report those of `about.observables`, and what it holds), and for sites
        outside of what it was trained for.
        """


class Bound(ABC):
    """A block at many sites.

    state: (n_sites, n) live. outside: (n_sites,) steps that a site spent outside of the box, counted by `advance`.
    longest: ms, the longest step that `advance` may be given; the engine calls it less often where windows are short.
    """

    state: Floats
    outside: npt.NDArray[np.int64]
    longest: float

    def seed(self, words: Words | None) -> None:
        """Random streams (n_sites, 4), live, of a block that draws numbers of molecules; None: expected numbers alone.

        Blocks that know expected numbers only need none.
        """
        return

    @abstractmethod
    def uptake(self, out: Floats) -> None:
        """out (n_sites, 2): ions of the drive taken up per ms are out[:, 0] + out[:, 1] × c, c in uM; out[:, 1] ≥ 0."""

    @abstractmethod
    def advance(self, drive: Floats, span: float) -> None:
        """All sites `span` ms forward with the mean of the drive (n_sites,) in uM over that time."""

    def convert(self, rates: Floats, span: float) -> None:
        """What `conversions` are, at (n_sites,) per ms, over `span` ms; called before `advance`. None by default."""
        return

    @abstractmethod
    def held(self, out: Floats) -> None:
        """out (n_sites,): ions of the drive's substance held now, expected, real numbers."""

    @abstractmethod
    def watch(self, out: Floats) -> None:
        """out (n_sites, n_observables): expected values now of what `bind` was asked for."""

    @abstractmethod
    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        """(n_sites, n_species) whole molecules, drawn given the totals of every conserved substance but the drive's.

        held: (n_sites,) whole ions that they must hold together. rng: one for each site.
        """

    def read_site(self, row: int, held: int, rng: np.random.Generator) -> Counts:
        """(n_species,) the same of one site."""
        n = len(self.outside)
        drawn = self.read_counts(np.full(n, held), [deepcopy(rng) for _ in range(n)])
        return np.asarray(drawn[row])

    @abstractmethod
    def write_counts(self, counts: Counts) -> None:
        """Take up the moments of (n_sites, n_species) molecules."""

    def private(self) -> State:
        """Arrays, live, that it needs to go on to the bit; `state` and `outside` by default. Those with a row for each
        site are all that makes one site differ from another: sites that rest are put back by them."""
        return {"state": self.state, "outside": self.outside}


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
