"""Engine `ecell4_meso`: whole molecules in voxels, by E-Cell 4's next-subvolume method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from ecell4_base import core, meso
from pydantic import Field

from adapters.ecell4.rules import Molecule, box_edges, model_of, molecule, moves_reservoirs, tracer
from adapters.ecell4.window import WindowedEngine
from couple.base.arrays import Counts, Ints
from couple.base.budget import check_memory
from couple.base.errors import InputError
from couple.base.units import Length
from couple.chemistry.meeting import check_meetings, coarse_cells, slowed_rates
from couple.components.engine import EngineSetup, Options
from couple.components.state import refuse_outside
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.geometry.geometry import Geometry

BYTES = 150
"""Of a voxel, at the least."""


class MesoscopicOptions(Options):
    """spacing: edge of a voxel, a length such as "100 nm"; the nearest that divides the edges of the box is taken."""

    spacing: Length = Field(gt=0, le=1e4)


class Mesoscopic(WindowedEngine):
    """E-Cell 4's solver of the reaction-diffusion master equation, in a periodic box.

    `ecell4_base.meso`; the next-subvolume method is of Elf & Ehrenberg 2004, Syst. Biol. 1:230.
    """

    spatial = True
    Options: ClassVar[type[Options]] = MesoscopicOptions
    _what = "ecell4_meso"

    def __init__(self, setup: EngineSetup) -> None:
        self._spacing = _spacing(setup)
        _check_meetings(setup, self._spacing)
        super().__init__(setup)
        self._traced = tuple(moves_reservoirs(self.network))

    def place(self, row: int, counts: Counts, rng: np.random.Generator) -> npt.NDArray[np.generic]:
        """(n_species, n_voxels) molecules."""
        n = math.prod(voxels(self.sites[row].geometry, self._spacing)[1])
        check_memory(BYTES * float(n), f"{self._where(row)}: {n:.3g} voxels", "take a larger ecell4_meso.spacing")
        return np.array([rng.multinomial(count, np.full(n, 1 / n)) for count in counts], dtype=np.int64).reshape(-1, n)

    def counted(self, row: int, places: npt.NDArray[np.generic]) -> Counts:
        """See WindowedEngine."""
        if places.shape != self.places[row].shape:
            raise InputError(
                f"{self._where(row)}: the saved state has {places.shape[1]} voxels: its spacing was another"
            )
        refuse_outside(places, 0, MOST_MOLECULES, "places")
        return np.asarray(places.sum(axis=1))

    def world(self, row: int, places: npt.NDArray[np.generic], held: dict[int, float], seed: int) -> _Voxels:
        """See WindowedEngine."""
        geometry = self.sites[row].geometry
        edges, shape = voxels(geometry, self._spacing)
        model = model_of(self.network, self.rates[row], geometry.volume, held, self._traced)
        return _Voxels(model, edges, shape, places, held, self._traced, len(self.network.reactions), seed)

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: what of a site it does not resolve, and reactions for which voxels are too small or large."""
        warnings, network, spacing = [*super().check(setup)], setup.network, _spacing(setup)
        _check_meetings(setup, spacing)
        for site in setup.sites:
            edges, shape = voxels(site.geometry, spacing)
            if math.prod(shape) > 1:
                edge = max(a / n for a, n in zip(edges, shape, strict=True))
                found = list(slowed_rates(network, edge)) if min(shape) > 1 else []
                found += coarse_cells(network, site.initial, site.geometry.volume, edge)
                warnings += [f'site "{site.name}": {text}' for text in found]
        return warnings


class _Voxels:
    """See World."""

    def __init__(
        self,
        model: core.NetworkModel,
        edges: tuple[float, ...],
        shape: tuple[int, ...],
        places: npt.NDArray[np.generic],
        held: dict[int, float],
        traced: tuple[int, ...],
        n_reactions: int,
        seed: int,
    ) -> None:
        rng = core.GSLRandomNumberGenerator()
        rng.seed(seed)
        self._rng, self._voxels = np.random.default_rng(seed), math.prod(shape)
        self._world = meso.World(core.Real3(*edges), core.Integer3(*shape), rng)
        self._world.bind_to(model)
        self._species = [None if c in held else molecule(c) for c in range(len(places))]
        self._traced, self._events = traced, np.zeros(n_reactions, dtype=np.int64)
        for species, row in zip(self._species, places, strict=True):
            filled: list[int] = [] if species is None else np.flatnonzero(row).tolist()
            for voxel in filled:
                self._world.add_molecules(species, int(row[voxel]), voxel)
        self._simulator = meso.Simulator(self._world, model)

    def run(self, until: float) -> None:
        if until > self._simulator.t():
            self._simulator.run(until - self._simulator.t(), False)

    def counts(self) -> Counts:
        return np.array([0 if s is None else self._world.num_molecules_exact(s) for s in self._species], dtype=np.int64)

    def events(self) -> Counts:
        for r in self._traced:
            self._events[r] = self._world.num_molecules_exact(tracer(r))
        return self._events

    def put(self, column: int, n: int) -> None:
        species = self._species[column]
        if n > 0:
            self._world.add_molecules(species, n, int(self._rng.integers(self._voxels)))
        else:
            taken = self._rng.multivariate_hypergeometric(self._spread(species), -n)
            for voxel in np.flatnonzero(taken).tolist():
                self._world.remove_molecules(species, int(taken[voxel]), voxel)
        self._simulator.initialize()

    def places(self) -> npt.NDArray[np.generic]:
        rows = [np.zeros(self._voxels, dtype=np.int64) if s is None else self._spread(s) for s in self._species]
        return np.array(rows, dtype=np.int64).reshape(-1, self._voxels)

    def _spread(self, species: Molecule) -> Ints:
        """(n_voxels,) molecules of a species."""
        found: Ints = np.bincount(self._world.list_coordinates_exact(species), minlength=self._voxels)
        return found


def voxels(geometry: Geometry, spacing: float) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Edges (µm) of the box of a site, and voxels along each."""
    edges = box_edges(geometry)
    return edges, tuple(max(1, round(edge / spacing)) for edge in edges)


def _spacing(setup: EngineSetup) -> float:
    if not isinstance(setup.options, MesoscopicOptions):
        raise InputError(f'"{setup.name}": ecell4_meso needs the size of its voxels: ecell4_meso.spacing = "100 nm"')
    return setup.options.spacing


def _check_meetings(setup: EngineSetup, spacing: float) -> None:
    if any(math.prod(voxels(site.geometry, spacing)[1]) > 1 for site in setup.sites):
        check_meetings(setup.network, setup.clamped)
