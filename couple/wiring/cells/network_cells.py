"""The cells of a network: which there are, on which rank each is, and the sections of one."""

from __future__ import annotations

import fnmatch
import hashlib
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from couple.base.budget import check_memory
from couple.base.errors import InputError, nearest
from couple.base.regular_file import real_path
from couple.components.electrics import Section
from couple.components.model_spec import CellSpec
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.wiring.cells.sections import Branches, is_glob, stem

BYTES = 500
"""Of memory for each cell of a network on every rank, at the least: its name and where it is."""


@dataclass(frozen=True)
class Cell:
    """A cell by name and number (gid), with the index of its population, and the rank that has it."""

    name: str
    gid: int
    population: int
    rank: int


def owners(counts: Sequence[int], size: int) -> list[int]:
    """Rank of every cell, in the order of the gids.

    Every rank has the same number of every population, as far as that goes, in one piece each, so that any costs of
    the populations balance; what does not divide goes round.
    """
    ranks: list[int] = []
    turn = 0
    for n in counts:
        shares = [n // size] * size
        for extra in range(n % size):
            shares[(turn + extra) % size] += 1
        turn += n % size
        ranks += [rank for rank, share in enumerate(shares) for _ in range(share)]
    return ranks


def balanced(costs: Sequence[float], size: int) -> list[int]:
    """Rank of every cell: the dearest first, each to the rank that has least so far.

    The slowest rank has at most 4/3 - 1/(3 size) times what it has at best (Graham 1969, SIAM J. Appl. Math. 17:416).
    """
    ranks = [0] * len(costs)
    least = [(0.0, 0, rank) for rank in range(size)]
    for gid in sorted(range(len(costs)), key=lambda gid: (-costs[gid], gid)):
        spent, n, rank = heapq.heappop(least)
        ranks[gid] = rank
        heapq.heappush(least, (spent + costs[gid], n + 1, rank))
    return ranks


class Cells:
    """All cells of an experiment's network; none without one. costs: of each by name, which are to be balanced.

    Raises InputError for costs of other cells, and for more ranks than cells.
    """

    def __init__(self, experiment: Experiment, costs: Mapping[str, float] | None = None) -> None:
        network = experiment.circuit
        populations = network.population if network is not None else ()
        counts, names = [p.count for p in populations], [p.name for p in populations]
        size = world().size
        if network is not None and sum(counts) < size:
            raise InputError(f"{sum(counts)} cells for {size} ranks: start at most {sum(counts)}", where="network")
        check_memory(BYTES * float(sum(counts)), f"{sum(counts):.3g} cells", "give fewer", "network.population")
        pairs = [(f"{names[p]}_{i}", p) for p, n in enumerate(counts) for i in range(n)]
        whose = owners(counts, size) if costs is None else balanced(_of_cells(costs, [name for name, _ in pairs]), size)
        self.all = tuple(Cell(name, gid, p, whose[gid]) for gid, (name, p) in enumerate(pairs))
        self.local = tuple(cell for cell in self.all if cell.rank == world().rank)
        self._names = {name: i for i, name in enumerate(names)}
        self.of_name = {cell.name: cell for cell in self.all}

    def local_of(self, patterns: Iterable[str], key: str) -> list[Cell]:
        """Those of this rank that are meant: by population, name or pattern. Raises InputError if there is none."""
        chosen: set[int] = set()
        for pattern in patterns:
            fit = self._fitting(pattern)
            if not fit:
                known = [*self._names, *self.of_name]
                raise InputError(f'no population or cell "{pattern}"; {nearest(pattern, known)}', where=key)
            chosen |= fit
        return [self.all[gid] for gid in sorted(chosen) if self.all[gid].rank == world().rank]

    def _fitting(self, pattern: str) -> set[int]:
        """Numbers of the cells that are meant by a population, a name or a pattern."""
        if pattern in self._names:
            return {c.gid for c in self.all if c.population == self._names[pattern]}
        if pattern in self.of_name:
            return {self.of_name[pattern].gid}
        return {c.gid for c in self.all if fnmatch.fnmatchcase(c.name, pattern)} if is_glob(pattern) else set()

    def segments(self, pattern: str, branches: Branches, key: str) -> list[tuple[Cell, str]]:
        """Segments of cells on this rank that "E_3.soma(0.5)" or "E_*.soma(0.5)" means.

        Raises InputError if there is no such cell in the network, or no such segment in one.
        """
        cell, dot, name = pattern.partition(".")
        if not dot:
            raise InputError(f'"{pattern}": say of which cell, as in "{self.all[0].name}.soma(0.5)"', where=key)
        found = []
        for one in self.local_of([cell], key):
            found += [(one, segment) for segment in CellBranches(branches, one).find([name], key)]
        return found

    def specs(self, experiment: Experiment) -> tuple[CellSpec, ...]:
        """Those of this rank, as the electrical model takes them."""
        made = []
        for cell in self.local:
            assert experiment.circuit is not None
            population = experiment.circuit.population[cell.population]
            file, colon, function = population.model.rpartition(":")
            made.append(
                CellSpec(
                    cell.name,
                    cell.gid,
                    f"network.population[{cell.population}]",
                    real_path(experiment.folder / (file if colon else function)),
                    function if colon else "",
                    population.arguments,
                    population.spikes,
                    population.threshold,
                )
            )
        return tuple(made)


def _of_cells(costs: Mapping[str, float], cells: Sequence[str]) -> list[float]:
    """Raises InputError unless they are of these cells."""
    if not cells:
        raise InputError("there is no [network], whose cells could be spread by cost: leave it out", where="--balance")
    missing = next((cell for cell in cells if cell not in costs), None)
    if missing is not None:
        raise InputError(f"says nothing of cell {missing}: give a run of this [network]", where="--balance")
    return [costs[cell] for cell in cells]


class CellBranches(Branches):
    """The sections of one cell, by the names that its model gives them."""

    def __init__(self, whole: Branches, cell: Cell) -> None:
        self.model, self._whole = whole.model, whole
        self.sections = whole.of_cell(cell.name)

    @cached_property
    def table(self) -> dict[str, Section]:
        """That of the whole model, which is asked for once."""
        return self._whole.table

    def _fitting(self, pattern: str) -> dict[str, str]:
        name, bracket, position = pattern.partition("(")
        found = {section: stem(name.strip(), section) for section in self.sections}
        matches = {section: star for section, star in found.items() if star is not None}
        if not matches:
            raise InputError(self._unknown(name))
        if bracket:
            return {self.model.resolve(f"{section}({position}"): star for section, star in matches.items()}
        return {segment: star for section, star in matches.items() for segment in self.sections[section]}


def number(text: str) -> int:
    """32 bits that stand for a name in the keys of NEURON's random streams."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")
