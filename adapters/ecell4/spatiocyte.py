"""Engine `spatiocyte`: molecules on the hexagonal lattice of E-Cell 4's Spatiocyte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ecell4_base import core, spatiocyte
from pydantic import Field

from adapters.ecell4.rules import REACTION, box_edges, model_of, molecule
from adapters.ecell4.window import WindowedEngine
from couple.base.arrays import Counts, Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.base.units import Length
from couple.chemistry.meeting import check_meetings, coarse_cells
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Options
from couple.components.state import refuse_outside

BYTES = 15
"""Of a voxel, at the least."""
OF_A_KIND = 2.0
"""Spatiocyte's k of A + A is that of k n (n - 1) / 2 events (measured, tests/engines/test_ecell4.py)."""
CROWDED = 0.3
"""Share of voxels that may be taken at the start."""
FEWEST_STEPS = 20
"""Of a species in a window: what is left of its last step is lost."""


class SpatiocyteOptions(Options):
    """spacing: diameter of a voxel, which holds one molecule, a length such as "10 nm"."""

    spacing: Length = Field(gt=0, le=1e4)


class Spatiocyte(WindowedEngine):
    """Molecules that hop between the voxels of a hexagonal close-packed lattice and react where they collide
    (`ecell4_base.spatiocyte`; Arjunan & Tomita 2010, Syst. Synth. Biol. 4:35), in a periodic box.

    Every species steps in a time of its own; steps begin anew with each window.
    """

    spatial = True
    Options: ClassVar[type[Options]] = SpatiocyteOptions
    _what = "spatiocyte"

    def __init__(self, setup: EngineSetup) -> None:
        self._radius = _spacing(setup) / 2
        check_meetings(setup.network, setup.clamped)
        for reaction in setup.network.reactions:
            if len(made := [p for p in reaction.products if p in setup.network.names]) > 2:
                raise InputError(f'"{setup.name}": "{reaction}" makes {len(made)} molecules: Spatiocyte takes up to 2')
        super().__init__(setup)

    def place(self, row: int, counts: Counts, rng: np.random.Generator) -> npt.NDArray[np.generic]:
        """(n_molecules, 4): column of the species, and a place in µm."""
        edges, total = box_edges(self.sites[row].geometry), int(counts.sum())
        fit = self.sites[row].geometry.volume / (np.sqrt(32) * self._radius**3)
        check_memory(BYTES * fit, f"{self._where(row)}: {fit:.3g} voxels", "take a larger spatiocyte.spacing")
        if total > CROWDED * fit:
            raise InputError(
                f"{self._where(row)}: {total} molecules are more than {CROWDED:.0%} of its {fit:.0f} voxels; "
                "give a smaller spacing"
            )
        species = np.repeat(np.arange(len(counts)), counts)
        return np.column_stack([species, rng.random((total, 3)) * edges])

    def counted(self, row: int, places: npt.NDArray[np.generic]) -> Counts:
        """See WindowedEngine."""
        array, n = np.asarray(places, dtype=float), len(self.network.species)
        refuse_outside(array[:, 0], 0, n - 1, "places")
        refuse_outside(array[:, 1:], 0, 2 * max(box_edges(self.sites[row].geometry)), "places")
        return np.bincount(array[:, 0].astype(np.int64), minlength=n)

    def world(self, row: int, places: npt.NDArray[np.generic], held: dict[int, float], seed: int) -> _Lattice:
        """See WindowedEngine."""
        rng = core.GSLRandomNumberGenerator()
        rng.seed(seed)
        world = spatiocyte.World(core.Real3(*box_edges(self.sites[row].geometry)), self._radius, rng)
        model = model_of(self.network, self.rates[row], world.volume(), held, (), self._radius, OF_A_KIND)
        world.bind_to(model)
        columns = [c for c in range(len(self.network.species)) if c not in held]
        return _Lattice(world, model, np.asarray(places, dtype=float), columns, self.network, seed)

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: what of a site it does not resolve, and species that hardly move in a window."""
        warnings, spacing = [*super().check(setup)], _spacing(setup)
        check_meetings(setup.network, setup.clamped)
        for site in setup.sites:
            found = coarse_cells(setup.network, site.initial, site.geometry.volume, spacing)
            warnings += [f'site "{site.name}": {text}' for text in found]
        for species in setup.network.species:
            if species.D > 0 and setup.window > 0:
                steps = setup.window / step_of(spacing, species.D)
                if steps < FEWEST_STEPS:
                    warnings.append(
                        f"{species.name} makes {int(steps)} steps in a window of {setup.window:g} ms, a part of one is "
                        "lost: give a smaller spatiocyte.spacing or a longer experiment.exchange"
                    )
        return warnings


class _Lattice:
    """See World."""

    def __init__(
        self,
        world: spatiocyte.World,
        model: core.NetworkModel,
        places: Floats,
        columns: list[int],
        network: ReactionNetwork,
        seed: int,
    ) -> None:
        self._world, self._columns, self._n_species = world, columns, len(network.species)
        self._rng, self._edges = np.random.default_rng(seed), np.array([*world.edge_lengths()])
        self._events = np.zeros(len(network.reactions), dtype=np.int64)
        for column in columns:  # what is not there when it begins would never move
            world.remove_particle(world.new_particle(molecule(column), core.Real3(0, 0, 0)))
        self._simulator = spatiocyte.Simulator(world, model)
        for column, *place in places.tolist():
            if int(column) in columns:
                self._put_at(int(column), place)

    def run(self, until: float) -> None:
        simulator = self._simulator
        while simulator.t() < until and simulator.step(until):
            if simulator.check_reaction():
                for rule, _ in simulator.last_reactions():
                    self._events[rule.get_attribute(REACTION).magnitude] += 1

    def counts(self) -> Counts:
        found = np.zeros(self._n_species, dtype=np.int64)
        for column in self._columns:
            found[column] = self._world.num_molecules_exact(molecule(column))
        return found

    def events(self) -> Counts:
        return self._events

    def put(self, column: int, n: int) -> None:
        for _ in range(n):
            self._put_at(column, self._anywhere())
        if n < 0:
            there = self._world.list_particles_exact(molecule(column))
            for k in self._rng.choice(len(there), -n, replace=False).tolist():
                self._world.remove_particle(there[k][0])

    def places(self) -> npt.NDArray[np.generic]:
        rows = [
            (column, *particle.position())
            for column in self._columns
            for _, particle in self._world.list_particles_exact(molecule(column))
        ]
        return np.array(rows, dtype=float).reshape(-1, 4)

    def _anywhere(self) -> list[float]:
        return list((self._rng.random(3) * self._edges).tolist())

    def _put_at(self, column: int, place: Sequence[float]) -> None:
        """At the nearest voxel, or at any other one if that is taken."""
        while self._world.new_particle(molecule(column), core.Real3(*place)) is None:
            place = self._anywhere()


def step_of(spacing: float, D: float) -> float:
    """ms between two hops of a molecule: 6 D t is the square of the distance between neighbours."""
    return spacing**2 / (6 * D)


def _spacing(setup: EngineSetup) -> float:
    if not isinstance(setup.options, SpatiocyteOptions):
        raise InputError(f'"{setup.name}": spatiocyte needs the size of its voxels: spatiocyte.spacing = "10 nm"')
    return setup.options.spacing
