"""The engine `gridded`: whole molecules in voxels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapters.gridded import kernel
from adapters.gridded.grid import Grid, grid_of, grid_of_mask
from adapters.gridded.tables import GriddedMolecules, GriddedTables, build_molecules, build_tables
from adapters.wellmixed.common.law_tables import law_message
from adapters.wellmixed.ssa.grouping import group
from adapters.wellmixed.ssa.levels import refuse_unfit, restore_levels, saved_levels
from couple.base.arrays import Counts, Floats
from couple.base.budget import TOO_FAST
from couple.base.errors import InputError, RunError
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block
from couple.base.units import Length
from couple.chemistry.meeting import check_law_places, check_meetings, coarse_cells, slowed_rates
from couple.components.capabilities import BringsGeometry
from couple.components.component import State, digest_of
from couple.components.engine import EngineSetup, Options, Site, SiteEngine
from couple.components.state import refuse_outside, text
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.geometry.geometry import Geometry
from couple.geometry.mask import read_mask
from couple.rng.streams import generator, stream


class GriddedOptions(Options):
    """spacing: edge of a voxel, a length such as "50 nm".

    mask: a .npy file with an array of one to three axes, voxels where it is not 0. With a geometry beside it, these
    share its volume and membrane; without, they have their own, a membrane on every outer face across an axis.
    """

    spacing: Length = Field(gt=0, le=1e4)
    mask: Annotated[str, ReadsFile("mask")] | None = None


class Gridded(SiteEngine, BringsGeometry):
    """Exact simulation of the reaction-diffusion master equation.

    Molecules of a voxel meet as in a mixed volume and hop to its neighbours at D / h². Voxels share the analytic volume
    evenly, those with outer faces share the analytic membrane area; membrane species and their reactions live there,
    and move along the membrane if they have a D. What they bind is slowed by the way from the middle of a voxel, what
    comes off the wall may be caught again at once (`capture`): of order two in the spacing, as walls and influx are.
    Rate laws on the membrane meet what is at the wall, of order two likewise (`wall_laws`); where mass action and a law
    bind the same species, each knows what it takes away itself.
    Influx enters there, uniformly by area, at the times (i + 1/2) / n of the window. A clamped species is spread
    evenly, in parts of a molecule.

    grids:  one per site in place of those of `spacing`, for masks of your own (`grid_of_mask`).
    events: (n_sites, 2) reactions and hops so far.
    """

    spatial = True
    integer = True
    rate_laws = True
    voltage_order = 1
    Options: ClassVar[type[Options]] = GriddedOptions

    def __init__(self, setup: EngineSetup, grids: Sequence[Grid] | None = None) -> None:
        super().__init__(setup)
        self.grids = list(grids) if grids is not None else [_grid(site, setup) for site in self.sites]
        self.tables: list[GriddedTables] = []
        self.molecules: list[GriddedMolecules] = []
        check_law_places(setup.network)
        if any(len(grid.areas) > 1 for grid in self.grids):
            check_meetings(self.network, setup.clamped)
        for k, (site, grid) in enumerate(zip(self.sites, self.grids, strict=True)):
            try:
                tables = build_tables(
                    self.network, grid, float(grid.areas.sum()), setup.clamped, setup.injected, site.entry
                )
                words = stream(setup.seed, "gridded", site.name, "events")
                molecules = build_molecules(self.network, tables, len(setup.injected), words)
                self.tables.append(tables)
                self.molecules.append(molecules)
                self._place(k, np.array(site.initial), generator(setup.seed, "gridded", site.name, "placement"))
            except InputError as error:
                raise InputError(f'site "{site.name}": {error.message}') from None
        if self.voltage_rates is not None:
            order = group(self.network, setup.clamped, self.network.names).order
            self._columns, self._factor_of = self.voltage_rates.columns(order)
            self._at_no_voltage = [t.rates.copy() for t in self.tables]

    @property
    def events(self) -> Counts:
        """(n_sites, 2) reactions and hops so far."""
        return np.array([m.events[:2] for m in self.molecules])

    def advance(self, ticks: int) -> None:
        """See Component. Raises RunError if more leaves than there is, or a propensity is no finite number."""
        ports, span = self._views, ticks * self.setup.tick
        influx, clamp, counts, means = ports["influx"], ports["clamp"], ports["counts"], ports["means"]
        self._set_voltage()

        def advance_site(k: int) -> None:
            code = kernel.run(self.tables[k], self.molecules[k], influx[k], clamp[k], counts[k], means[k], span)
            if code != kernel.OK:
                raise RunError(self._message(code, k))

        self.threads.each(len(self.sites), advance_site)

    def _set_voltage(self) -> None:
        """Rates at the V of the coming window, and all propensities anew, so that a resumed run has the same."""
        if self.voltage_rates is None:
            return
        factors = self.voltage_rates.factors(self.read("v"))
        for k, (t, base) in enumerate(zip(self.tables, self._at_no_voltage, strict=True)):
            t.rates[:, self._columns] = base[:, self._columns] * factors[k, self._factor_of]
            kernel.refresh(t, self.molecules[k])

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; volume species go to all voxels alike, membrane species by area."""
        whole = self.checked_counts(counts)
        for k, row in enumerate(whole):
            self._place(k, row, rng)
        self.read("counts")[:, : len(self.network.species)] = whole
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T

    def voxel_counts(self, site: int = 0) -> Floats:
        """(n_voxels, n_species) molecules in each voxel; `grids[site].centres` says where they are."""
        return self.molecules[site].counts[:, : len(self.network.species)].copy()

    def write_voxel_counts(self, site: int, counts: npt.ArrayLike) -> None:
        """Put (n_voxels, n_species) molecules into voxels. Raises InputError for what cannot be, or has no membrane."""
        m, n = self.molecules[site], len(self.network.species)
        array = np.asarray(counts, dtype=float)
        if array.shape != (len(m.counts), n) or (array < 0).any() or (array != np.rint(array)).any():
            raise InputError(f'"{self.name}" takes whole, non-negative counts of shape {(len(m.counts), n)}')
        surface = np.array([s.on == "membrane" for s in self.network.species])
        if array[np.ix_(self.grids[site].areas == 0, surface)].any():
            raise InputError("a membrane species is in a voxel without membrane")
        m.counts[:, :n] = array
        totals = array.sum(axis=0)
        for c in self.clamped_columns:
            m.counts[:, c] = totals[c] / len(m.counts)
        kernel.refresh(self.tables[site], m)
        self.read("counts")[site, :n] = totals
        self.read("means")[site] = self.network.observable_weights @ self.read("counts")[site]

    def save(self) -> State:
        """See Component: molecules in the voxels, propensities as they were added up, random streams."""
        state: State = {}
        n = len(self.network.species)
        for k, m in enumerate(self.molecules):
            levels = {f"site{k}.{key}": array for key, array in saved_levels(m.levels).items()}
            state |= {**levels, f"site{k}.counts": m.counts[:, :n].copy(), f"site{k}.weight": m.weight.copy()}
            state |= {f"site{k}.words": m.words.copy(), f"site{k}.events": m.events.copy()}
            state[f"site{k}.speeds"] = self._speeds(k)
        return {**state, "counts": self.read("counts").copy(), "means": self.read("means").copy()}

    def restore(self, state: State) -> None:
        """See Component. Raises InputError if the state is of other sites, another network or another spacing."""
        n = len(self.network.species)
        for k, m in enumerate(self.molecules):
            saved = {key: np.asarray(state.get(f"site{k}.{key}")) for key in _SAVED}
            if saved["counts"].shape != m.counts[:, :n].shape:
                raise InputError(
                    f'the saved state does not fit site "{self.sites[k].name}" of "{self.name}": '
                    f"{saved['counts'].shape} voxels and species, not {m.counts[:, :n].shape}"
                )
            refuse_outside(saved["counts"], 0, MOST_MOLECULES, "counts")
            refuse_unfit(m.levels, saved)
            m.counts[:, :n] = saved["counts"]
            m.words[:], m.events[:] = saved["words"], saved["events"]
            m.weight[...] = saved["weight"]
            restore_levels(m.levels, saved)
            kernel.derive(self.tables[k], m)
            if text(state, f"site{k}.speeds", self._speeds(k)) != self._speeds(k):
                kernel.refresh(self.tables[k], m)  # propensities were added up with other rates
        for key in ("counts", "means"):
            self.read(key)[...] = np.asarray(state[key])

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: the voxels of `mask`."""
        if not isinstance(options, GriddedOptions) or options.mask is None:
            return None
        grid = _masked(options, folder)
        return Geometry.cells(grid.shape, grid.volume * len(grid.areas), float(grid.areas.sum()))

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: reactions for which voxels of this size are too small, or too large."""
        warnings = []
        for site in setup.sites:
            grid, network = _grid(site, setup), setup.network
            check_law_places(network)
            if len(grid.areas) == 1:
                continue
            check_meetings(network, setup.clamped)
            found = list(slowed_rates(network, max(grid.edges))) if min(grid.shape) > 1 else []
            found += coarse_cells(network, site.initial, site.geometry.volume, max(grid.edges))
            warnings += [f'site "{site.name}": {text}' for text in found]
        return warnings

    def _speeds(self, k: int) -> str:
        """SHA-256 of what propensities depend on besides molecules."""
        t = self.tables[k]
        return digest_of({"rates": t.rates, "law": t.law, "code": t.law_code, "numbers": t.law_constants})

    # -- one site ---------------------------------------------------------------------------------------------

    def _place(self, k: int, counts: Counts, rng: np.random.Generator) -> None:
        """Put `counts` (n_species,) molecules at random in place of what is there."""
        grid, n = self.grids[k], len(counts)
        rows = np.empty((len(grid.areas), n))
        for c, species in enumerate(self.network.species):
            area = float(grid.areas.sum())
            if species.on == "membrane" and area <= 0 and counts[c]:
                raise InputError(f'"{species.name}" lives on a membrane that the site does not have')
            share = (
                grid.part(species.region)
                if species.on == "membrane" and area > 0
                else np.full(len(grid.areas), 1 / len(grid.areas))
            )
            rows[:, c] = counts[c] / len(grid.areas) if c in self.clamped_columns else rng.multinomial(counts[c], share)
        self.molecules[k].counts[:, :n] = rows
        kernel.refresh(self.tables[k], self.molecules[k])

    def _message(self, code: int, k: int) -> str:
        where = f'site "{self.sites[k].name}" of "{self.name}"'
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        if code == kernel.BAD_PROPENSITY:
            grid, counts = self.grids[k], self.molecules[k].counts.tolist()
            laws = (law_message(self.network, grid.volume, a, n) for a, n in zip(grid.areas, counts, strict=True))
            if found := next(filter(None, laws), ""):
                return f"{where}: {found}"
            return f"{where}: propensities {TOO_FAST}"
        if code == kernel.BAD_CLAMP:
            clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
            return f"{where}: the clamp {clamp} is not a finite count of at least 0"
        if code == kernel.TOO_FEW:
            return f"{where}: more molecules leave ({influx}) than there are"
        return f"{where}: the influx {influx} is not in whole molecules"


_SAVED = ("order", "length", "value", "sums", "head", "counts", "weight", "words", "events")


def _options(setup: EngineSetup) -> GriddedOptions:
    if not isinstance(setup.options, GriddedOptions):
        raise InputError(f'"{setup.name}": the gridded engine needs the size of its voxels: gridded.spacing = "50 nm"')
    return setup.options


def _grid(site: Site, setup: EngineSetup) -> Grid:
    options, geometry = _options(setup), site.geometry
    try:
        if options.mask is None:
            return grid_of(geometry, options.spacing)
        analytic = () if geometry.shape == "cells" else (geometry.volume, geometry.area)
        return _masked(options, setup.folder, *analytic)
    except InputError as error:
        raise InputError(f'site "{site.name}": {error.message}') from None


def _masked(options: GriddedOptions, folder: Path, volume: float | None = None, area: float | None = None) -> Grid:
    inside = read_mask(folder / (options.mask or ""))
    x, y, z = (axis < inside.ndim for axis in range(3))
    h = options.spacing
    return grid_of_mask(inside, (h, h, h), volume, area, (x, y, z))
