"""What the kernels of the paper's lattice read (`PaperRules`) and what they change (`PaperParticles`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adapters.lattice.common.compiled import Int32, Int64, Uint8, Uint64
from adapters.lattice.common.domain import Domain
from adapters.lattice.common.neighbours import layout_of, moment_offsets
from adapters.lattice.common.options import ReservoirBlock
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction

DONE = 64
"""Added to the code of a particle that has had its turn in this sweep."""

MAX_SPECIES = DONE - 2
AT_TARGET, AT_MOVER = 0, 1
"""Columns of `PaperRules.pair_products`: what an encounter leaves at the site of the target, and at the mover's."""
TRIES = 20
"""Molecules tried for a reaction with two products, before it is given up."""


class PaperRules(NamedTuple):
    """Constants. A code is a species index + 1, in the lattice and everywhere here; 0 is none."""

    offsets: Int64  # (n_directions,) flat step of each direction
    shift: Int64  # (n_directions,) see Domain
    layout: Int64  # (9,) see adapters.lattice.common.neighbours
    row_first: Int64  # (1,) whether choices go row by row
    event_rate: Floats  # (n_events,) per step and molecule, of reactions of order 0 and 1
    event_counted: Int64  # (n_events,) code whose number sets the propensity
    event_reactant: Int64  # (n_events,) code that is consumed, 0 in order 0
    event_products: Int64  # (n_events, 2) codes
    event_reaction: Int64  # (n_events,) number in the network
    pair_start: Int64  # (n_codes² + 1,) first entry in the three below of a pair, n_codes × mover + target
    pair_chance: Floats  # per encounter
    pair_products: Int64  # (n_pair_reactions, 2) codes, see AT_TARGET and AT_MOVER
    pair_reaction: Int64  # (n_pair_reactions,) number in the network
    reservoir_change: Int64  # (n_reactions, n_reservoirs)
    reservoir_cell: Int64  # (n_cells that exchange,) flat
    reservoir_code: Int64  # of the species that comes and goes there
    reservoir_fill: Floats  # probability per step of an empty cell to be filled
    reservoir_drain: Floats  # of a particle to leave
    moment_offsets: Int64  # see neighbours.moment_offsets
    n_near: Int64  # (1,)


class PaperParticles(NamedTuple):
    """State and scratch."""

    lattice: Uint8  # (n_all,)
    sites: Int32  # (n_cells,) occupied cells first, see `length`
    entry: Int32  # (n_all,) where a particle stands in `sites`; not kept up during a sweep
    length: Int64  # (1,) particles
    population: Int64  # (n_codes,) by code; [0] is not used
    reservoir: Int64
    words: Uint64  # (4,)
    clock: Int64  # (1,) steps done
    pending: Int64  # (1,) the next event of order 0 or 1, -1 if there is none
    due: Floats  # (1,) when
    events: Int64  # (n_reactions,) how often each has happened
    bucket: Int32  # (n_rows, width) row first: particles of each row that have yet to move
    filled: Int32  # (n_rows,)
    rows: Int32  # (n_planes, height) rows of a plane that hold some
    active: Int32  # (n_planes,)
    planes: Int32  # (n_planes,)
    table: Int64  # (n_offsets, n_codes, n_codes), see neighbours.count_pairs


def check_network(network: ReactionNetwork) -> None:
    """Raise InputError for what the paper's lattice does not know."""
    if len(network.species) > MAX_SPECIES:
        raise InputError(f"{len(network.species)} species; the paper's lattice takes {MAX_SPECIES}")
    for s in network.species:
        if s.on == "membrane":
            raise InputError(f'"{s.name}" is on the membrane: lattice.mode = "paper" knows none')
        if s.D > 0:
            raise InputError(f'"{s.name}" has a D: lattice.mode = "paper" hops once a step, leave D out')
    for reaction in network.reactions:
        _check(network, reaction)


def _check(network: ReactionNetwork, reaction: Reaction) -> None:
    order = len(network.order_reactants(reaction))
    made = [n for n in reaction.products if n in network.names]
    wanted = "encounter" if order == 2 else "step"
    if reaction.per != wanted:
        raise InputError(
            f'"{reaction}" is of order {order}: lattice.mode = "paper" takes a rate like "0.1 per {wanted}"'
        )
    if len(made) > 2 or (order == 0 and len(made) != 1):
        raise InputError(
            f'"{reaction}" makes {len(made)} molecules; lattice.mode = "paper" makes '
            + ("one from none" if order == 0 else "two at most")
        )


def build_rules(
    network: ReactionNetwork, domain: Domain, *, row_first: bool, reservoirs: Sequence[ReservoirBlock] = ()
) -> PaperRules:
    """Raises InputError for a network that the paper's lattice does not know, or a cell that is not there."""
    check_network(network)
    code = {name: k + 1 for k, name in enumerate(network.names)}
    uni, pairs = [], dict[tuple[int, int], list[int]]()
    for r, reaction in enumerate(network.reactions):
        reactants = [code[s.name] for s in network.order_reactants(reaction)]
        if len(reactants) < 2:
            uni.append(r)
        else:
            for pair in {(reactants[0], reactants[1]), (reactants[1], reactants[0])}:
                pairs.setdefault(pair, []).append(r)
    made = [([code[n] for n in r.products if n in code] + [0, 0])[:2] for r in network.reactions]
    lead = [network.order_reactants(r) for r in network.reactions]
    codes = len(code) + 1
    grouped = [pairs.get((a, b), []) for a in range(codes) for b in range(codes)]
    flat = [r for rs in grouped for r in rs]
    rates = np.array([r.rate for r in network.reactions], dtype=np.float64)
    beside, n_near = moment_offsets(domain)
    return PaperRules(
        offsets=domain.offsets,
        shift=domain.shift,
        layout=layout_of(domain),
        row_first=np.array([row_first], dtype=np.int64),
        event_rate=rates[uni],
        event_counted=np.array([code[lead[r][0].name] if lead[r] else made[r][0] for r in uni], dtype=np.int64),
        event_reactant=np.array([code[lead[r][0].name] if lead[r] else 0 for r in uni], dtype=np.int64),
        event_products=np.array([made[r] for r in uni], dtype=np.int64).reshape(-1, 2),
        event_reaction=np.array(uni, dtype=np.int64),
        pair_start=np.cumsum([0, *(len(rs) for rs in grouped)], dtype=np.int64),
        pair_chance=rates[flat],
        pair_products=np.array([made[r] for r in flat], dtype=np.int64).reshape(-1, 2),
        pair_reaction=np.array(flat, dtype=np.int64),
        reservoir_change=np.ascontiguousarray(network.change[:, len(network.names) :]),
        reservoir_cell=np.array([_cell(r.at, domain) for r in reservoirs], dtype=np.int64),
        reservoir_code=np.array([_exchanged(r.species, network) for r in reservoirs], dtype=np.int64),
        reservoir_fill=np.array([r.fill for r in reservoirs], dtype=np.float64),
        reservoir_drain=np.array([r.drain for r in reservoirs], dtype=np.float64),
        moment_offsets=beside,
        n_near=np.array([n_near], dtype=np.int64),
    )


def _cell(at: Sequence[int], domain: Domain) -> int:
    """Flat index of a cell."""
    shape = domain.shape[3 - domain.dimension :]
    if len(at) != len(shape) or any(i >= n for i, n in zip(at, shape, strict=True)):
        raise InputError(f"no cell {list(at)} on a lattice of {list(shape)}", where="lattice.reservoirs")
    flat = np.arange(domain.lattice.size)
    return int(domain.inner(flat)[tuple(at)])


def _exchanged(species: str, network: ReactionNetwork) -> int:
    """Code of a species that comes and goes."""
    if species not in network.names:
        raise InputError(f'no species "{species}"; {nearest(species, network.names)}', where="lattice.reservoirs")
    if network.species[network.names.index(species)].contains:
        what = f'"{species}" contains what is conserved and cannot come from nowhere: leave out contains'
        raise InputError(what, where="lattice.reservoirs")
    return network.names.index(species) + 1


def build_particles(network: ReactionNetwork, domain: Domain, words: Uint64, *, row_first: bool) -> PaperParticles:
    """An empty lattice at step 0."""
    codes, (depth, height, width) = len(network.names) + 1, domain.full
    scratch = (depth, height, width) if row_first else (0, 0, 0)
    return PaperParticles(
        lattice=domain.lattice.copy(),
        sites=np.empty(domain.n_cells, dtype=np.int32),
        entry=np.zeros(domain.lattice.size, dtype=np.int32),
        length=np.zeros(1, dtype=np.int64),
        population=np.zeros(codes, dtype=np.int64),
        reservoir=np.zeros(len(network.reservoirs), dtype=np.int64),
        words=words,
        clock=np.zeros(1, dtype=np.int64),
        pending=np.full(1, -1, dtype=np.int64),
        due=np.zeros(1),
        events=np.zeros(len(network.reactions), dtype=np.int64),
        bucket=np.zeros((scratch[0] * scratch[1], scratch[2]), dtype=np.int32),
        filled=np.zeros(scratch[0] * scratch[1], dtype=np.int32),
        rows=np.zeros(scratch[:2], dtype=np.int32),
        active=np.zeros(scratch[0], dtype=np.int32),
        planes=np.zeros(scratch[0], dtype=np.int32),
        table=np.zeros((len(moment_offsets(domain)[0]), codes, codes), dtype=np.int64),
    )
