"""What the kernels read (`LatticeTables`) and what they change (`LatticeMolecules`) for one site.

Molecules are kept in lists: one for all mobile species of the same D (they hop in one sweep and turn into each
other in place), in the volume and on the membrane, one for each species that does not move. The lattice holds the
species of each cell, the face table that of each membrane face; lists and lattice always say the same.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.compiled import Int32, Int64, Uint8, Uint64
from adapters.lattice.common.domain import OUTSIDE
from adapters.lattice.common.mask import Mask
from adapters.lattice.common.neighbours import layout_of
from adapters.lattice.physical.calibrate import Calibration
from adapters.lattice.physical.walls import exit_directions, exit_limits
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Place, Reaction, Species
from couple.chemistry.whole_counts import turn_of

MOBILE, FIXED, MEMBRANE = 0, 1, 2
VOLUME_1, VOLUME_2, MEMBRANE_1, MEMBRANE_2 = range(4)
"""Columns of `LatticeTables.products`: one table, for every array more is one more to hand from kernel to kernel."""
POPULATION, RATED, OBSERVED = range(3)
"""Entries of `LatticeMolecules.revision`: that of the populations, and those that `total_rate` and `observables` were
made from. One array, as above."""
TEST_BITS = 44
"""A random word is read twice: its upper 32 bits give the direction, its lower 44 test a reaction. The overlap
ties the two only within 2^-20 of a direction's interval."""
PACE_BITS = 32
MAX_SPECIES = OUTSIDE - 1
HELD_HOPS = 256.0
"""Hops of a molecule that is held for a part of the time, before it is taken away again: so many that it has met what
it would meet again and again (`calibrate`), and so few that nothing else goes by meanwhile (16 spacings' diffusion)."""

LARGE = 1 << 21
"""Bytes of a lattice above which its molecules are sorted by place, in blocks of 2^BLOCK_BITS cells."""
BLOCK_BITS = 9
SORT_EVERY, SORT_SPARSE = 2, 32
"""Sweeps between two sorts where there are several molecules to a block, and where there are not."""


class LatticeTables(NamedTuple):
    """Constants of one site. A code is a species index + 1, in the lattice and in the face table."""

    offsets: Int64  # (n_directions,) flat step of each direction
    hop: Uint64  # (n_directions,) the same modulo 2^64, for unsigned arithmetic
    shift: Uint64  # (n_directions,) from a PERIODIC cell to the one that it stands for, likewise
    layout: Int64  # (9,) see adapters.lattice.common.neighbours.layout_of
    slots: Int32  # (n_faces,) membrane faces; like the three below empty if nothing lives on them or enters there
    entry_slots: Int32  # faces below which ions enter
    slot_cell: Int32  # cell inside, by slot
    wall_row: Int32  # (n_all,) row of a wall cell in the face table
    edge_neighbours: Int32  # faces over the four edges of a slot, see Membrane; empty if nothing moves or parts there
    kind: Int64  # (n_species,) MOBILE, FIXED or MEMBRANE
    D: Floats  # (n_species,)
    list_of: Int64  # (n_species,)
    start: Int64  # (n_lists,) where a list begins in Molecules.lists
    surface: Uint8  # (n_lists,) whether a list holds slots (a membrane species) rather than cells
    list_rate: Floats  # (n_lists,) largest rate of first order of its species, per ms
    pace: Int64  # (n_mobile,) sweeps per step of a mobile list, × 2^32; those in the volume come first
    first_of: Int64  # (n_species + 1,) range of a species in the two below
    first_reaction: Int64
    first_rate: Floats
    zero_reaction: Int64  # (n_zero,)
    zero_rate: Floats
    limit: Int64  # (n_codes^2,) by pair of codes, n_codes × own + met: chance that an encounter reacts, × 2^44
    pair_of: Int64  # (n_codes^2,) first entry of a pair in the two below
    pair_limit: Int64  # cumulative within a pair
    pair_reaction: Int64
    first_reactant: Int64  # (n_reactions,) -1 where there is none
    products: Int64  # (n_reactions, 4) see VOLUME_1 to MEMBRANE_2; -1 where there is none
    needs_open_direction: Uint8  # (n_reactions,) see calibrate
    scattered: Uint8  # (n_reactions,) whether released molecules go elsewhere
    reservoir_change: Int64  # (n_reactions, n_reservoirs) what one event adds to the reservoirs
    injected: Int64  # (n_injected,)
    clamped: Int64  # (n_clamped,)
    clamp_turn: Uint64  # (n_clamped,) by which the phase of what is held moves on in a step
    clamp_column: Int64  # (n_species,) reservoir that stands for the hand that holds it, -1 where none
    exits: Uint64  # (n,) directions in which the box ends with an absorbing wall
    leave_limit: Int64  # (n_codes,) chance that a try to hop out through it does, × 2^32, see `walls`
    exit_limit: Int64  # (n_codes,) and that one beside it leaves as well
    absorbed: Int64  # (n_species,) reservoir that takes what leaves through an absorbing face, -1 where none
    weights: Floats  # (n_observables, n_species)
    step: Floats  # (1,) ms


class LatticeMolecules(NamedTuple):
    """State of one site and the kernels' scratch."""

    lattice: Uint8  # (n_all,) species code, EMPTY or WALL
    entry: Int32  # (n_all,) number of an immobile molecule in its list, by cell; empty if all move
    face: Uint8  # species code on a membrane face, by slot
    face_entry: Int32  # its number in its list, by slot
    lists: Int32  # cells, or slots of membrane species
    length: Int64  # (n_lists,)
    population: Int64  # (n_species,)
    reservoir: Int64  # (n_reservoirs,)
    words: Uint64  # (4,) random stream
    wait: Floats  # (1,) what is left of the exponential variate before the next event of order 0 or 1
    phase: Int64  # (n_mobile,) how near the next sweep is, × 2^32
    unsorted: Int64  # (n_mobile,) sweeps since the list was sorted
    sort_buffer: Int32  # room to sort a list, empty for a small lattice
    block_start: Int64  # (n_blocks,) where each block of cells begins
    total_rate: Floats  # (1,) summed rate of such events, per ms
    revision: Int64  # (3,) see POPULATION, RATED, OBSERVED
    observables: Floats  # (n_observables,) now
    held: Int64  # (n_clamped,) molecules that the hand holds now
    clamp_phase: Uint64  # (n_clamped,) see couple.chemistry.whole_counts.held_count
    admitted: Int64  # (n_injected,) ions of the influx that entered during this window
    next_entry: Int64  # (n_injected,) step in which the next one enters


def mobile_speeds(network: ReactionNetwork, place: Place) -> list[float]:
    """Distinct D above 0 in the volume or on the membrane, the fastest first: one list of molecules each."""
    return sorted({s.D for s in network.species if s.D > 0 and s.on == place}, reverse=True)


def check_reactions(network: ReactionNetwork) -> None:
    """Raise InputError for a species or a reaction that a lattice cannot do."""
    if len(network.species) > MAX_SPECIES:
        raise InputError(f"{len(network.species)} species; a lattice takes {MAX_SPECIES}")
    for reaction in network.reactions:
        products_of(network, reaction)


def step_of(network: ReactionNetwork, dimension: int, spacing: float, tick: float) -> float:
    """The inner step, ms: the tick divided by the smallest integer for which the fastest species hops once at most.

    A part of the tick rather than of the window: how ticks are grouped into windows then leaves no trace.
    """
    fastest = max([s.D * hop_directions(s, dimension) for s in network.species], default=0.0)
    return tick / max(1, math.ceil(fastest * tick / spacing**2 - 1e-9))


def hop_directions(species: Species, dimension: int) -> int:
    """Directions in which a molecule can hop: 2 along each axis, or over the four edges of a face."""
    return 4 if species.on == "membrane" else 2 * dimension


def products_of(network: ReactionNetwork, reaction: Reaction) -> tuple[int, int, int, int]:
    """Columns of a reaction's two volume products and two membrane products, -1 where there is none.

    Raises InputError for what a lattice cannot do, in words.
    """
    reactants = network.order_reactants(reaction)
    made = [network.species[network.index(n)] for n in reaction.products if n in network.names]
    volume = [network.index(s.name) for s in made if s.on == "volume"]
    membrane = [network.index(s.name) for s in made if s.on == "membrane"]
    surface = [s for s in reactants if s.on == "membrane"]
    if len(volume) > 2 or len(membrane) > 2 or (len(membrane) > 1 and not surface):
        raise InputError(
            f'"{reaction}": a lattice event makes at most two volume molecules and two membrane molecules, one where '
            "none was before; write it in steps"
        )
    if reactants and not surface and membrane:
        raise InputError(f'"{reaction}" makes a membrane protein away from the membrane; name a membrane reactant')
    return (*(volume + [-1, -1])[:2], *(membrane + [-1, -1])[:2])  # type: ignore[return-value]


def largest_rates(first_of: Int64, first_rate: Floats, list_of: Int64, n_lists: int) -> Floats:
    """(n_lists,) largest rate of first order of the species of each list, per ms."""
    leaving = np.array([first_rate[a:b].sum() for a, b in itertools.pairwise(first_of.tolist())])
    found = np.zeros(n_lists)
    np.maximum.at(found, list_of, leaving)
    return found


def build_tables(
    network: ReactionNetwork,
    calibration: Calibration,
    mask: Mask,
    tick: float,
    injected: npt.ArrayLike,
    clamped: npt.ArrayLike,
    permeability: float = math.inf,
    entry: str = "",
) -> LatticeTables:
    """All constants of a site. permeability: of its absorbing walls, µm/ms. entry: region of the membrane where ions
    enter, all of it for "".
    """
    n = len(network.species)
    step = step_of(network, mask.domain.dimension, mask.spacing, tick)
    kind = np.array([MEMBRANE if s.on == "membrane" else MOBILE if s.D > 0 else FIXED for s in network.species])
    lists = _lists(network, mask, step)
    orders = [len(network.order_reactants(r)) for r in network.reactions]
    reactants = network.reactant_columns
    active = calibration.first > 0.0
    by_species = [[r for r, o in enumerate(orders) if o == 1 and active[r] and reactants[r, 0] == k] for k in range(n)]
    zero = [r for r, o in enumerate(orders) if o == 0 and active[r]]
    products = np.array([products_of(network, r) for r in network.reactions], dtype=np.int64).reshape(-1, 4)
    held = np.asarray(clamped, dtype=np.int64)
    first_of = np.cumsum([0, *(len(rs) for rs in by_species)], dtype=np.int64)
    flat = np.array([r for rs in by_species for r in rs], dtype=np.int64)
    bare = not any(s.on == "membrane" for s in network.species) and not np.size(injected)
    none = np.empty(0, dtype=np.int32)
    none.flags.writeable = False  # as the others are: kernels are compiled for one type
    walks = any(s.on == "membrane" and s.D > 0 for s in network.species) or (products[:, MEMBRANE_2] >= 0).any()
    leave_limit, exit_limit = exit_limits([s.D for s in network.species], permeability, mask)
    return LatticeTables(
        offsets=mask.offsets,
        hop=mask.offsets.astype(np.uint64),
        shift=mask.domain.shift.astype(np.uint64),
        layout=layout_of(mask.domain),
        slots=none if bare else mask.slots,
        entry_slots=none if bare else mask.slots_of(entry),
        slot_cell=none if bare else mask.slot_cell,
        wall_row=none if bare else mask.membrane.wall_row,
        edge_neighbours=mask.membrane.edge_neighbours if walks else none,
        kind=kind.astype(np.int64),
        D=np.array([s.D for s in network.species]),
        **lists,
        list_rate=largest_rates(first_of, calibration.first[flat], lists["list_of"], len(lists["start"])),
        first_of=first_of,
        first_reaction=flat,
        first_rate=calibration.first[flat],
        zero_reaction=np.array(zero, dtype=np.int64),
        zero_rate=calibration.first[zero].astype(np.float64),
        **_pairs(network, calibration),
        first_reactant=reactants[:, 0].copy(),
        products=products,
        needs_open_direction=np.array(calibration.needs_open_direction, dtype=np.uint8),
        scattered=np.array(calibration.scattered, dtype=np.uint8),
        reservoir_change=np.ascontiguousarray(network.change[:, n:]),
        injected=np.array(injected, dtype=np.int64),
        clamped=held.copy(),
        clamp_turn=np.array([_clamp_turn(lists, int(c)) for c in held], dtype=np.uint64),
        clamp_column=_reservoir_of(network, "clamp"),
        exits=exit_directions(mask),
        leave_limit=leave_limit,
        exit_limit=exit_limit,
        absorbed=_reservoir_of(network, "absorbed"),
        weights=np.ascontiguousarray(network.observable_weights[:, :n]),
        step=np.array([step]),
    )


def _clamp_turn(lists: dict[str, Any], species: int) -> np.uint64:
    """A held count goes up and down with a period of HELD_HOPS hops of its species (steps, of one that is immobile)."""
    at = int(lists["list_of"][species])
    pace = int(lists["pace"][at]) if at < len(lists["pace"]) else 0
    return turn_of(HELD_HOPS * (2**PACE_BITS / pace if pace else 1.0))


def _reservoir_of(network: ReactionNetwork, what: str) -> Int64:
    """(n_species,) number of the reservoir NAME_what, -1 where there is none."""
    names = [f"{s.name}_{what}" for s in network.species]
    found = [network.reservoirs.index(name) if name in network.reservoirs else -1 for name in names]
    return np.array(found, dtype=np.int64)


def _lists(network: ReactionNetwork, mask: Mask, step: float) -> dict[str, Any]:
    """Which list each species is in, where lists begin, and how often those of mobile species are swept."""
    keys: list[tuple[object, ...]] = [("volume", D) for D in mobile_speeds(network, "volume")]
    keys += [("membrane", D) for D in mobile_speeds(network, "membrane")]
    mobile = len(keys)
    keys += [(s.on, s.name) for place in ("volume", "membrane") for s in network.species if s.on == place and s.D == 0]
    of = [keys.index((s.on, s.D if s.D > 0 else s.name)) for s in network.species]
    capacity = [len(mask.slots) if key[0] == "membrane" else mask.n_cells for key in keys]
    scale = 2**PACE_BITS * step / mask.spacing**2
    pace = [
        max(
            round(s.D * hop_directions(s, mask.domain.dimension) * scale)
            for s, at in zip(network.species, of, strict=True)
            if at == k
        )
        for k in range(mobile)
    ]
    return {
        "list_of": np.array(of, dtype=np.int64),
        "start": np.array([0, *np.cumsum(capacity)[:-1]], dtype=np.int64)[: len(capacity)],
        "surface": np.array([key[0] == "membrane" for key in keys], dtype=np.uint8),
        "pace": np.minimum(np.array(pace, dtype=np.int64), 2**PACE_BITS),
    }


def _pairs(network: ReactionNetwork, calibration: Calibration) -> dict[str, Any]:
    """The tables of encounters, by codes in both orders."""
    codes = len(network.species) + 1
    limit = np.zeros((codes, codes), dtype=np.int64)
    pair_of = np.zeros((codes, codes), dtype=np.int64)
    grouped: dict[tuple[int, int], list[int]] = {}
    for r, (a, b) in enumerate(network.reactant_columns):
        if b >= 0 and calibration.probability[r] > 0.0:
            grouped.setdefault((min(a, b), max(a, b)), []).append(r)
    limits: list[int] = []
    reactions: list[int] = []
    for (a, b), members in grouped.items():
        chances = itertools.accumulate(calibration.probability[r] for r in members)
        cumulative = [round(min(1.0, float(c)) * 2**TEST_BITS) for c in chances]
        for i, j in ((a + 1, b + 1), (b + 1, a + 1)):
            pair_of[i, j], limit[i, j] = len(limits), cumulative[-1]
        limits += cumulative
        reactions += members
    return {
        "limit": limit.ravel(),
        "pair_of": pair_of.ravel(),
        "pair_limit": np.array(limits, dtype=np.int64),
        "pair_reaction": np.array(reactions, dtype=np.int64),
    }


def build_molecules(
    network: ReactionNetwork, tables: LatticeTables, mask: Mask, words: Uint64, phases: Uint64
) -> LatticeMolecules:
    """An empty site. Memory of the lists is touched only as far as they fill. phases: (n_clamped,) of what is held."""
    capacity = np.where(tables.surface == 1, len(tables.slots), mask.n_cells)
    large = mask.lattice.size > LARGE
    blocks = (mask.lattice.size >> BLOCK_BITS) + 1 if large else 0
    mobile = len(tables.pace)
    return LatticeMolecules(
        lattice=mask.lattice.copy(),
        entry=np.zeros(mask.lattice.size if (tables.kind == FIXED).any() else 0, dtype=np.int32),
        face=np.zeros(len(tables.slot_cell), dtype=np.uint8),
        face_entry=np.zeros(len(tables.slot_cell), dtype=np.int32),
        lists=np.empty(int(capacity.sum()), dtype=np.int32),
        length=np.zeros(len(tables.start), dtype=np.int64),
        population=np.zeros(len(network.species), dtype=np.int64),
        reservoir=np.zeros(len(network.reservoirs), dtype=np.int64),
        words=words,
        wait=np.zeros(1),
        phase=np.zeros(mobile, dtype=np.int64),
        unsorted=np.zeros(mobile, dtype=np.int64),
        sort_buffer=np.empty(mask.n_cells if large else 0, dtype=np.int32),
        block_start=np.zeros(blocks, dtype=np.int64),
        total_rate=np.zeros(1),
        revision=np.array([0, -1, -1], dtype=np.int64),
        observables=np.zeros(len(network.observables)),
        held=np.zeros(len(tables.clamped), dtype=np.int64),
        clamp_phase=phases,
        admitted=np.zeros(len(tables.injected), dtype=np.int64),
        next_entry=np.zeros(len(tables.injected), dtype=np.int64),
    )
