"""What the kernels read (`Tables`) and what they change (`Molecules`) for one site.

Molecules are kept in lists: one for all mobile species of the same D (they hop in one sweep and turn into each
other in place), one for each immobile species, one for each membrane species. The lattice holds the species of
each cell, the face table that of each membrane face; lists and lattice always say the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from adapters.lattice.calibrate import Calibration
from adapters.lattice.mask import Mask
from couple.component import Floats
from couple.errors import InputError
from couple.network import Reaction, ReactionNetwork

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Uint8 = npt.NDArray[np.uint8]
Uint64 = npt.NDArray[np.uint64]
Integer = int | np.int64
"""A number in a kernel: an int when compiled, one of NumPy's when run as Python."""

MOBILE, FIXED, MEMBRANE = 0, 1, 2
TEST_BITS = 44
"""A random word is read twice: its upper 32 bits give the direction, its lower 44 test a reaction. The overlap
ties the two only within 2^-20 of a direction's interval."""
JUMP_BITS = 24
MAX_SPECIES = 254


def compiled[F: Callable[..., object]](function: F) -> F:
    """Compile a kernel, cached.

    Kernels here make no array, so numba need not count references to those that are passed around; with dozens of
    them in a tuple the counting would cost more than the work (0.3 µs per call).
    """
    return cast(F, njit(cache=True, _nrt=False)(function))


class Tables(NamedTuple):
    """Constants of one site. A code is a species index + 1, in the lattice and in the face table."""

    offsets: Int64  # (6,) flat step of each direction
    hop: Uint64  # (6,) the same modulo 2^64, for unsigned arithmetic
    cells: Int32  # (n_sites,) cells inside
    slots: Int32  # (n_faces,) membrane faces
    slot_cell: Int32  # cell inside, by slot
    wall_row: Int32  # (n_all,) row of a wall cell in the face table
    kind: Int64  # (n_species,) MOBILE, FIXED or MEMBRANE
    D: Floats  # (n_species,)
    list_of: Int64  # (n_species,)
    start: Int64  # (n_lists,) where a list begins in Molecules.lists
    surface: Uint8  # (n_lists,) whether a list holds slots (a membrane species) rather than cells
    list_rate: Floats  # (n_lists,) largest rate of first order of its species, per ms
    period: Int64  # (n_mobile,) steps between two sweeps of a mobile list
    jump: Uint64  # (n_mobile,) 6 / (chance that a visit hops), × 2^24
    leaving: Floats  # (n_species,) summed rate of first order, per ms
    first_of: Int64  # (n_species + 1,) range of a species in the two below
    first_reaction: Int64
    first_rate: Floats
    zero_reaction: Int64  # (n_zero,)
    zero_rate: Floats
    limit: Int64  # (n_codes^2,) by pair of codes, n_codes × own + met: chance that an encounter reacts, × 2^44
    pair_of: Int64  # (n_codes^2,) first entry of a pair in the two below
    pair_limit: Int64  # cumulative within a pair
    pair_reaction: Int64
    lead: Int64  # (n_reactions,) first reactant, -1 where there is none
    made: Int64  # (n_reactions, 3) volume product, another one, membrane product; -1 where there is none
    paired: Uint8  # (n_reactions,) whether it needs an open direction (see calibrate)
    apart: Uint8  # (n_reactions,) whether released molecules go elsewhere
    booked: Int64  # (n_reactions, n_reservoirs) what one event adds to the reservoirs
    injected: Int64  # (n_injected,)
    clamped: Int64  # (n_clamped,)
    clamp_column: Int64  # (n_species,) reservoir that stands for the hand that holds it, -1 where none
    weights: Floats  # (n_observables, n_species)
    step: Floats  # (1,) ms


class Molecules(NamedTuple):
    """State of one site and the kernels' scratch."""

    lattice: Uint8  # (n_all,) species code, EMPTY or WALL
    entry: Int32  # (n_all,) number of an immobile molecule in its list, by cell
    face: Uint8  # (6 n_rows,) species code on a membrane face, by slot
    face_entry: Int32  # (6 n_rows,) its number in its list
    lists: Int32  # cells, or slots of membrane species
    length: Int64  # (n_lists,)
    population: Int64  # (n_species,)
    reservoir: Int64  # (n_reservoirs,)
    words: Uint64  # (4,) random stream
    wait: Floats  # (1,) what is left of the exponential variate before the next event of order 0 or 1
    countdown: Int64  # (n_mobile,) steps to the next sweep
    total: Floats  # (1,) summed rate of such events, per ms
    revision: Int64  # (3,) of the populations; those that `total` and `value` were made from
    value: Floats  # (n_observables,) now
    done: Int64  # (n_injected,) ions let in during this window
    due: Int64  # (n_injected,) step of the next one


def mobile_speeds(network: ReactionNetwork) -> list[float]:
    """Distinct D above 0, the fastest first: one list of molecules each. Raises InputError for a mobile protein."""
    for s in network.species:
        if s.on == "membrane" and s.D > 0:
            raise InputError(
                f'"{s.name}" is on the membrane with D = {s.D:g} um^2/ms: membrane species do not move here, set D = 0'
            )
    return sorted({s.D for s in network.species if s.D > 0}, reverse=True)


def check_reactions(network: ReactionNetwork) -> None:
    """Raise InputError for a species or a reaction that a lattice cannot do."""
    mobile_speeds(network)
    for reaction in network.reactions:
        products_of(network, reaction)


def step_of(network: ReactionNetwork, spacing: float, tick: float) -> float:
    """The inner step, ms: the tick divided by the smallest integer for which the fastest species hops once at most.

    A part of the tick rather than of the window: how ticks are grouped into windows then leaves no trace.
    """
    fastest = max([s.D for s in network.species if s.on == "volume"], default=0.0)
    return tick / max(1, math.ceil(6.0 * fastest * tick / spacing**2 - 1e-9))


def products_of(network: ReactionNetwork, reaction: Reaction) -> tuple[int, int, int]:
    """Columns of a reaction's volume product, other volume product and membrane product, -1 where there is none.

    Raises InputError for what a lattice cannot do, in words.
    """
    reactants = network.order_reactants(reaction)
    made = [network.species[network.index(n)] for n in reaction.products if n in network.names]
    volume = [network.index(s.name) for s in made if s.on == "volume"]
    membrane = [network.index(s.name) for s in made if s.on == "membrane"]
    surface = [s for s in reactants if s.on == "membrane"]
    if len(surface) == 2:
        raise InputError(f'"{reaction}": membrane proteins do not meet on a lattice; use another engine')
    if len(volume) > 2 or len(membrane) > 1:
        raise InputError(
            f'"{reaction}": a lattice event makes at most two volume molecules and one membrane molecule; '
            "write it in steps"
        )
    if reactants and not surface and membrane:
        raise InputError(f'"{reaction}" makes a membrane protein away from the membrane; name a membrane reactant')
    return (*(volume + [-1, -1])[:2], *(membrane + [-1])[:1])  # type: ignore[return-value]


def build_tables(
    network: ReactionNetwork,
    calibration: Calibration,
    mask: Mask,
    tick: float,
    injected: npt.ArrayLike,
    clamped: npt.ArrayLike,
) -> Tables:
    """All constants of a site."""
    n = len(network.species)
    if n > MAX_SPECIES:
        raise InputError(f"{n} species; a lattice takes {MAX_SPECIES}")
    step = step_of(network, mask.spacing, tick)
    speeds = mobile_speeds(network)
    kind = np.array([MEMBRANE if s.on == "membrane" else MOBILE if s.D > 0 else FIXED for s in network.species])
    list_of = np.zeros(n, dtype=np.int64)
    capacity = [len(mask.cells)] * len(speeds)
    for k in (*np.flatnonzero(kind == FIXED), *np.flatnonzero(kind == MEMBRANE)):
        list_of[k] = len(capacity)
        capacity.append(len(mask.cells) if kind[k] == FIXED else len(mask.slots))
    for k in np.flatnonzero(kind == MOBILE):
        list_of[k] = speeds.index(network.species[k].D)
    hops = [6.0 * D * step / mask.spacing**2 for D in speeds]  # per step
    period = [max(1, math.floor(1.0 / h + 1e-9)) for h in hops]
    jump = [round(6.0 / min(1.0, h * p) * 2**JUMP_BITS) for h, p in zip(hops, period, strict=True)]

    orders = [len(network.order_reactants(r)) for r in network.reactions]
    reactants = network.reactant_columns
    active = calibration.first > 0.0
    by_species = [[r for r, o in enumerate(orders) if o == 1 and active[r] and reactants[r, 0] == k] for k in range(n)]
    leaving = np.array([calibration.first[rs].sum() for rs in by_species])
    surface = np.zeros(len(capacity), dtype=np.uint8)
    surface[list_of[kind == MEMBRANE]] = 1
    list_rate = np.zeros(len(capacity))
    np.maximum.at(list_rate, list_of, leaving)
    zero = [r for r, o in enumerate(orders) if o == 0 and active[r]]
    made = np.array([products_of(network, r) for r in network.reactions], dtype=np.int64).reshape(-1, 3)
    clamp_column = np.full(n, -1, dtype=np.int64)
    held = np.asarray(clamped, dtype=np.int64)
    clamp_column[held] = len(network.reservoirs) - len(held) + np.arange(len(held))
    first_of = np.cumsum([0, *(len(rs) for rs in by_species)], dtype=np.int64)
    flat = np.array([r for rs in by_species for r in rs], dtype=np.int64)
    return Tables(
        offsets=mask.offsets,
        hop=mask.offsets.astype(np.uint64),
        cells=mask.cells,
        slots=mask.slots,
        slot_cell=mask.slot_cell,
        wall_row=mask.wall_row,
        kind=kind.astype(np.int64),
        D=np.array([s.D for s in network.species]),
        list_of=list_of,
        start=np.array([0, *np.cumsum(capacity)[:-1]], dtype=np.int64)[: len(capacity)],
        surface=surface,
        list_rate=list_rate,
        period=np.array(period, dtype=np.int64),
        jump=np.array(jump, dtype=np.uint64),
        leaving=leaving,
        first_of=first_of,
        first_reaction=flat,
        first_rate=calibration.first[flat],
        zero_reaction=np.array(zero, dtype=np.int64),
        zero_rate=calibration.first[zero].astype(np.float64),
        **_pairs(network, calibration),
        lead=reactants[:, 0].copy(),
        made=made,
        paired=np.array(calibration.paired, dtype=np.uint8),
        apart=np.array(calibration.apart, dtype=np.uint8),
        booked=np.ascontiguousarray(network.change[:, n:]),
        injected=np.array(injected, dtype=np.int64),
        clamped=held.copy(),
        clamp_column=clamp_column,
        weights=np.ascontiguousarray(network.observable_weights[:, :n]),
        step=np.array([step]),
    )


def _pairs(network: ReactionNetwork, calibration: Calibration) -> dict[str, Int64]:
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


def build_molecules(network: ReactionNetwork, tables: Tables, mask: Mask, words: Uint64) -> Molecules:
    """An empty site. Memory of the lists is touched only as far as they fill."""
    capacity = int(np.where(tables.surface == 1, len(mask.slots), len(mask.cells)).sum())
    return Molecules(
        lattice=mask.lattice.copy(),
        entry=np.zeros(mask.lattice.size, dtype=np.int32),
        face=np.zeros(len(mask.slot_cell), dtype=np.uint8),
        face_entry=np.zeros(len(mask.slot_cell), dtype=np.int32),
        lists=np.empty(capacity, dtype=np.int32),
        length=np.zeros(len(tables.start), dtype=np.int64),
        population=np.zeros(len(network.species), dtype=np.int64),
        reservoir=np.zeros(len(network.reservoirs), dtype=np.int64),
        words=words,
        wait=np.zeros(1),
        countdown=tables.period.copy(),
        total=np.zeros(1),
        revision=np.array([0, -1, -1], dtype=np.int64),
        value=np.zeros(len(network.observables)),
        done=np.zeros(len(tables.injected), dtype=np.int64),
        due=np.zeros(len(tables.injected), dtype=np.int64),
    )
