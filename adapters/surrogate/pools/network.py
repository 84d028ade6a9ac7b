"""A network as pools of molecules that one concentration drives.

Given the free concentration c of the drive (calcium), buffers, pumps and channels are independent molecules: their
expected counts p obey dp/dt = (base + c slope) p. A pool is a set of species that turn into each other. What its
reactions take from the drive and put into reservoirs follows linearly, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.catalysis import change_of
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction
from reducers.markov.markov import MarkovBlock

UM = 1e-3
"""mM in one uM: the drive is counted in uM."""
ONE = "1"
"""A state that stands for the volume: as many molecules as make 1 uM, never changing. Births come from it."""


@dataclass
class Pool:
    """Species that turn into each other.

    states: names (ONE: see above). base, slope: (n, n), /ms and /ms/uM, [to, from]. flow_base, flow_slope: reservoir →
    (n,) molecules that enter it per ms and molecule of a state. drawn_base, drawn_slope: (n,) the same for molecules of
    the drive taken up. keeps: whether its molecules stay as many as they are. law: "mean" or "multinomial".
    """

    states: tuple[str, ...]
    base: Floats
    slope: Floats
    drawn_base: Floats
    drawn_slope: Floats
    flow_base: dict[str, Floats] = field(default_factory=dict)
    flow_slope: dict[str, Floats] = field(default_factory=dict)
    keeps: bool = True
    law: str = "mean"

    @classmethod
    def empty(cls, states: Sequence[str]) -> Pool:
        """A pool of these states without reactions."""
        n = len(states)
        return cls(tuple(states), np.zeros((n, n)), np.zeros((n, n)), np.zeros(n), np.zeros(n))

    def ordered(self, order: Sequence[int]) -> Pool:
        """The same with its states in another order."""
        k = list(order)
        return Pool(
            tuple(self.states[i] for i in k),
            self.base[np.ix_(k, k)],
            self.slope[np.ix_(k, k)],
            self.drawn_base[k],
            self.drawn_slope[k],
            {name: row[k] for name, row in self.flow_base.items()},
            {name: row[k] for name, row in self.flow_slope.items()},
            self.keeps,
            self.law,
        )

    @property
    def reservoirs(self) -> tuple[str, ...]:
        """Names of the reservoirs that its molecules enter."""
        return tuple(dict.fromkeys((*self.flow_base, *self.flow_slope)))


def guess_drive(network: ReactionNetwork, injected: Sequence[str], clamped: Sequence[str]) -> str | None:
    """The species that most pairs of reactants have in common, or else what enters; None if nothing is driven."""
    pairs = [
        {s.name for s in network.order_reactants(r)} - {*change_of(r).catalysts} if r.law is None else set()
        for r in network.reactions
    ]
    often = {s.name: sum(len(p) == 2 and s.name in p for p in pairs) for s in network.species if s.on == "volume"}
    best = max(often, key=lambda name: (often[name], name in injected, name in clamped), default=None)
    if best is not None and often[best]:
        return best
    return next(iter((*injected, *clamped)), None)


def pools_of(network: ReactionNetwork, drive: str | None, left_out: frozenset[str] = frozenset()) -> list[Pool]:
    """Pools of all species but the drive and those `left_out`, which blocks stand for.

    Raises InputError that names a reaction in which two molecules meet that are not the drive.
    """
    reactions = [r for r in network.reactions if not left_out & {*r.reactants, *r.products}]
    for reaction in reactions:
        _check(network, reaction, drive)
    pools = [Pool.empty(states) for states in _groups(network, reactions, drive)]
    of = {name: pool for pool in pools for name in pool.states if name != ONE}
    lone = next((pool for pool in pools if pool.states == (ONE,)), None)
    for reaction in reactions:
        members = [n for n in (*reaction.reactants, *reaction.products) if n in of]
        pool = of[members[0]] if members else lone
        assert pool is not None
        _add(pool, network, reaction, drive)
    return pools


def _check(network: ReactionNetwork, reaction: Reaction, drive: str | None) -> None:
    """Raises InputError for a reaction that is not linear in molecules and drive."""
    reactants = [s.name for s in network.order_reactants(reaction)]
    others = [n for n in reactants if n != drive]
    made = [n for n in reaction.products if n in network.names and n != drive]
    few = len(others) <= 1 and reactants.count(drive or "") <= 1 and len(made) <= 1
    born = not reactants and any(s.name in made and s.on == "membrane" for s in network.species)
    if reaction.per == "time" and few and not born:
        return
    raise InputError(
        f'"{reaction}" is not what this engine can do: {drive or "one species"} meets one molecule, or a molecule '
        "changes by itself; give a model that stands for these species (surrogate.models), or take another engine"
    )


def _groups(network: ReactionNetwork, reactions: Sequence[Reaction], drive: str | None) -> list[list[str]]:
    """Species that reactions turn into each other, in the order of the network; ONE where a molecule is born."""
    group: dict[str, set[str]] = {}
    lone = False
    for reaction in reactions:
        members = {n for n in (*reaction.reactants, *reaction.products) if n in network.names and n != drive}
        if not members:
            lone = True
            continue
        joined = set().union(members, *(group.get(n, set()) for n in members))
        if not any(n in network.names and n != drive for n in reaction.reactants):
            joined.add(ONE)
        for name in joined - {ONE}:
            group[name] = joined
    found: list[list[str]] = []
    for name in network.names:
        if name in group and not any(name in g for g in found):
            found.append([n for n in network.names if n in group[name]] + ([ONE] if ONE in group[name] else []))
    return found + ([[ONE]] if lone else [])


def _add(pool: Pool, network: ReactionNetwork, reaction: Reaction, drive: str | None) -> None:
    """One reaction into the tables of its pool."""
    driven = drive is not None and drive in [s.name for s in network.order_reactants(reaction)]
    source = next((n for n in reaction.reactants if n in network.names and n != drive), ONE)
    target = next((n for n in reaction.products if n in network.names and n != drive), None)
    i = pool.states.index(source)
    rate = reaction.rate * (UM if driven and source != ONE else 1.0)
    # a count of ONE is molecules per uM: a birth of `rate` mM/ms makes 1000 rate × that many per ms
    if source == ONE and not driven:
        rate = reaction.rate / UM
    matrix, drawn, flows = (
        (pool.slope, pool.drawn_slope, pool.flow_slope) if driven else (pool.base, pool.drawn_base, pool.flow_base)
    )
    change = _change(network, reaction)
    if source != target:
        if source != ONE and source not in network.clamped:
            matrix[i, i] -= rate
        if target is not None and target not in network.clamped:
            matrix[pool.states.index(target), i] += rate
        pool.keeps = pool.keeps and ONE not in (source, target or ONE)
        pool.keeps = pool.keeps and not {source, target} & set(network.clamped)
    if drive is not None:
        drawn[i] -= rate * (reaction.products.count(drive) - reaction.reactants.count(drive))
    for name in network.reservoirs:
        if change[name] and not (drive is not None and name == f"{drive}_clamp"):
            flows.setdefault(name, np.zeros(len(pool.states)))[i] += rate * change[name]


def block_pool(block: MarkovBlock, network: ReactionNetwork, law: str) -> Pool:
    """The learned generator of a block as a pool."""
    about = block.about
    held = next(s for s in network.species if s.name == about.drive).contains
    substance = next(iter(held))
    content = np.array(about.contents.get(substance, (0,) * len(about.species))) / held[substance]
    return Pool(about.species, block.base, block.slope, content @ block.base, content @ block.slope, law=law)


def _change(network: ReactionNetwork, reaction: Reaction) -> Mapping[str, int]:
    row = network.change[network.reactions.index(reaction)]
    return dict(zip(network.states, row.tolist(), strict=True))
