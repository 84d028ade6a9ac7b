"""What the engines `pde` share: reaction and diffusion as deterministic fields on finite elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.mesh.domain import OFF
from adapters.fem.mesh.neck_capacity import opening_capacities
from adapters.fem.mesh.neck_facets import neck_opening_weights
from adapters.fem.mesh.quality import POOR, quality_of
from adapters.fem.options import (
    MeshOptions,
    coarse_elements,
    discretisation_of,
    head_with_neck,
    opening_diameter_in_file,
)
from adapters.fem.restore import restore_arrays
from adapters.fem.solver.field_layout import FieldLayout, classify_fields
from adapters.fem.solver.rosenbrock import ErrorTolerance, RosenbrockStepper, StepUnderflow
from adapters.fem.solver.system import Densities, WindowInputs
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError, brief
from couple.base.schema import Block
from couple.base.units import factor
from couple.chemistry.meeting import check_meetings
from couple.components import engine
from couple.components.capabilities import AsksForRanks, BringsGeometry, ContainsNecks, RankRequest
from couple.components.component import Port, State
from couple.components.engine import EngineSetup, SiteEngine
from couple.components.state import refuse_outside
from couple.geometry.geometry import Geometry
from couple.geometry.surface.read import read_surface


def _asked(value: object) -> object:
    """Raises ValueError for what are no ranks."""
    listed = isinstance(value, (list, tuple)) and all(type(rank) is int and rank >= 0 for rank in value)
    if value is None or value == "all" or (type(value) is int and value > 0) or listed:
        return value
    raise ValueError(f'"all", how many, or a list of those that help, like [1, 2], not {brief(value)}')


DENSEST = 1e24
"""Of anything that a saved state holds, /um^3 or molecules: the most molecules of a site, in 1 nm^3."""


class FieldOptions(MeshOptions):
    """Besides the mesh, how it is stepped.

    rtol, atol: error allowed in an inner step, relative and in molecules, per species over the whole site. steps: that
    many equal inner steps per window instead.
    ranks: that solve a site along sections together: "all", how many, or a list of those that help the one that has
    the site; by default that one alone.
    """

    rtol: float = Field(1e-5, gt=0, lt=1, strict=True)
    atol: float = Field(1e-4, gt=0, lt=1, strict=True)
    steps: int = Field(0, ge=0, le=10**6, strict=True)
    ranks: Annotated[RankRequest, BeforeValidator(_asked, json_schema_input_type=str | int | tuple[int, ...])] = None


class FieldEngine(SiteEngine, BringsGeometry, ContainsNecks, AsksForRanks):
    """Mass action and diffusion, ∂c/∂t = D Δc + reactions; those with membrane species are fluxes through the wall.

    Elements of degree 1 or 2 in space (orders 2 and 3 in L2), an L-stable Rosenbrock method of order 4 in time with the
    exact Jacobian and adaptive steps. Species that do not diffuse are eliminated at the nodes; the rest is solved
    directly. Influx enters evenly through the membrane (through the volume where there is none) at a constant rate;
    what leaves is taken in proportion to what is there. A clamped species has one concentration everywhere. Densities
    may fall below zero by the error of discretisation, a count that falls 100 `atol` and 0.001 molecules below stops.

    Sites are solved one by one on this process; a site's bits depend on nothing but the site.
    """

    spatial = True
    integer = False
    rate_laws = True
    Options: ClassVar[type[engine.Options]] = FieldOptions

    def __init__(
        self,
        setup: EngineSetup,
        meshes: Mapping[str, Discretisation] | None = None,
        more: Mapping[str, Port] | None = None,
        more_inputs: Mapping[str, Port] | None = None,
    ) -> None:
        """meshes: site name → elements of its own, instead of those that the options describe. more: see SiteEngine."""
        check_meetings(setup.network, setup.clamped)
        elements = self._elements = [
            (meshes or {}).get(site.name) or discretisation_of(setup, site) for site in setup.sites
        ]
        self._openings = [
            None if site.opening_diameter is None else neck_opening_weights(d, site.geometry, site.opening_diameter)
            for site, d in zip(setup.sites, elements, strict=True)
        ]
        if any(m is not None for m in self._openings):
            port = Port("count", (len(setup.sites), len(setup.injected)), "extensive", setup.injected)
            more_inputs = {**(more_inputs or {}), "influx_opening": port}
            more = {**(more or {}), "counts_opening": replace(port, kind="intensive")}
        super().__init__(setup, more, more_inputs)
        o = setup.options if isinstance(setup.options, FieldOptions) else FieldOptions()
        self._tolerance = ErrorTolerance(o.rtol, o.atol, o.steps)
        fields = self.fields_of(setup)
        made: dict[int, RosenbrockStepper] = {}
        self.steppers: list[RosenbrockStepper] = []
        for d in elements:
            self.steppers.append(made.setdefault(id(d), RosenbrockStepper(d, fields)))
        self._fields = fields
        self.densities = [s.new_state() for s in self.steppers]
        self.inner = np.zeros(len(self.sites))
        self._capacities = opening_capacities(setup, elements, self._openings)
        for k in range(len(self.sites)):
            self._distribute_evenly(k)
            self._write_opening_counts(k, 0.0)

    def fields_of(self, setup: EngineSetup) -> FieldLayout:
        """The fields that are stepped."""
        return classify_fields(self.network, setup.injected)

    def reach(self, row: int, species: str) -> float:
        """See ContainsNecks."""
        return float(self._capacities[row, self.setup.injected.index(species)])

    def _write_opening_counts(self, k: int, entered: npt.ArrayLike) -> None:
        """Write `counts_opening`; entered: (n_injected,) through the opening in the last window."""
        opening, n = self._openings[k], self.network
        if opening is None:
            return
        shown = self.read("counts_opening")[k]
        for i, name in enumerate(self.setup.injected):
            if name in self.setup.clamped:
                density = self.read("counts")[k, n.index(name)] / self.sites[k].geometry.volume
            else:
                density = opening @ self.densities[k].mobile[self._unknowns(k, n.index(name))]
            shown[i] = density * self._capacities[k, i]
        shown -= np.where(np.isin(self.setup.injected, self.setup.clamped), 0.0, entered)

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: of a head with a neck, or of the file of a mesh."""
        if not isinstance(options, MeshOptions):
            return None
        if options.mesh is not None:
            unit = factor(options.mesh_unit, "length")
            return Geometry.mesh(read_surface(folder / options.mesh, unit, options.mesh_unit))
        spine = head_with_neck(options, None)
        return None if spine is None else spine.geometry

    @classmethod
    def neck_of(cls, options: Block, folder: Path) -> tuple[float, float] | None:
        """See ContainsNecks: built in, or behind the opening that a file names."""
        if not isinstance(options, MeshOptions):
            return None
        if options.neck is not None:
            return options.neck.diameter, options.neck.length
        opening = opening_diameter_in_file(options, folder)
        return None if opening is None else (opening, 0.0)

    @classmethod
    def asked_ranks(cls, options: Block) -> RankRequest:
        """See AsksForRanks."""
        return options.ranks if isinstance(options, FieldOptions) else None

    def advance(self, ticks: int) -> None:
        """Raises RunError if a field stops being a number, or the inputs ask for what is not there; then the state is
        that before the call for the site it names."""
        for k in range(len(self.sites)):
            self._advance(k, ticks * self.setup.tick)

    def _advance(self, k: int, span: float) -> None:
        s, counts, y = self.steppers[k], self.read("counts")[k], self.densities[k]
        self._check_inputs(k)
        before = counts.copy(), Densities(*(a.copy() for a in y))
        try:
            inputs = self._prepare_window(k, span)
            integrals = np.empty(len(s.columns))
            self.inner[k] = self._window(k, inputs, span, integrals)
            self._finish_window(k, integrals / span, span)
            if self._openings[k] is not None:
                self._write_opening_counts(k, self.read("influx_opening")[k])
        except StepUnderflow as error:
            self._roll_back(k, *before)
            raise RunError(
                f'{self._label(k)}: "{self.network.states[error.column]}" cannot be integrated: the inner step fell to '
                f"{error.step:.3g} ms; check the rates and the volume of the site"
            ) from None
        except RunError:
            self._roll_back(k, *before)
            raise

    def _window(self, k: int, inputs: WindowInputs, span: float, integrals: Floats) -> float:
        """Advance the fields of a site; see Stepper.window."""
        y, h = self.densities[k], float(self.inner[k])
        return self.steppers[k].window(y, inputs, span, h, self._tolerance, integrals)

    def _prepare_window(self, k: int, span: float) -> WindowInputs:
        """Book clamps, take out what leaves, zero the reservoirs of the fields, and spread what enters."""
        f, n = self._fields, self.network
        counts, influx, y = self.read("counts")[k], self.read("influx")[k], self.densities[k]
        for name, target in zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True):
            counts[n.index(f"{name}_clamp")] -= target - counts[n.index(name)]
            counts[n.index(name)] = target
        load = np.zeros(len(y.mobile))
        for name, amount in zip(self.setup.injected, influx.tolist(), strict=True):
            if name in self.setup.clamped:
                counts[n.index(f"{name}_clamp")] += amount
            elif amount > 0.0:
                self.enter(k, name, load, amount / span)
            elif amount < 0.0:
                column = n.index(name)
                array, at = self._place_of_field(k, name)
                array[at] *= (counts[column] + amount) / counts[column]
        self._add_opening_influx(k, load, span)
        for position, column in enumerate(f.immobile_volume):
            if column >= f.n_species:
                y.immobile_volume[:, position] = 0.0
        for position, column in enumerate(f.immobile_membrane):
            if column >= f.n_species:
                y.immobile_membrane[:, position] = 0.0
        volume, area = self.sites[k].geometry.volume, self.sites[k].geometry.area
        return WindowInputs(
            load, counts[list(f.clamped_volume)] / volume, counts[list(f.clamped_membrane)] / (area or 1.0)
        )

    def _add_opening_influx(self, k: int, load: Floats, span: float) -> None:
        """Add to the load vector what crosses the opening of a neck, as an even flux through its facets."""
        opening, n = self._openings[k], self.network
        if "influx_opening" not in self.inputs or opening is None:
            return
        for name, amount in zip(self.setup.injected, self.read("influx_opening")[k].tolist(), strict=True):
            if name in self.setup.clamped:
                self.read("counts")[k, n.index(f"{name}_clamp")] += amount
            elif amount != 0.0:
                load[self.steppers[k].layout.first_unknown + self._fields.mobile_volume.index(n.index(name))] += (
                    amount / span * opening
                )

    def _finish_window(self, k: int, mean: Floats, span: float) -> None:
        s, counts, means = self.steppers[k], self.read("counts")[k], self.read("means")[k]
        n = self._fields.n_species
        totals, species = s.totals(self.densities[k]), s.columns < n
        counts[s.columns[species]] = totals[species]
        np.add.at(counts, s.columns[~species], totals[~species])
        worst = int(np.argmin(counts[:n])) if n else 0
        if n and counts[worst] < -max(1e-3, 100 * self._tolerance.atol):
            raise RunError(
                f'{self._label(k)}: "{self.network.states[worst]}" is negative ({counts[worst]:g}): ask for more with '
                "rtol, atol or steps"
            )
        over = counts.copy()
        over[s.columns[species]] = mean[species]
        means[...] = self.network.observable_weights @ over

    # -- fields -----------------------------------------------------------------------------------------------

    def discretisation(self, site: int = 0) -> Discretisation:
        """Mesh, matrices and nodes of a site."""
        return self._elements[site]

    def field(self, site: int, species: str) -> Floats:
        """Densities of a species at its nodes, copied: (N,) per µm³, or (G,) per µm² on the membrane.

        Raises InputError if it is unknown or clamped (and so has none).
        """
        array, at = self._place_of_field(site, species)
        return array[at].copy()

    def write_field(self, site: int, species: str, values: npt.ArrayLike) -> None:
        """Set the densities of a species; its count follows. Shapes and errors as for `field`."""
        array, at = self._place_of_field(site, species)
        array[at] = values
        counts, s, column = self.read("counts"), self.steppers[site], self.network.index(species)
        counts[site, column] = s.totals(self.densities[site])[np.flatnonzero(s.columns == column)[0]]
        self.read("means")[site] = self.network.observable_weights @ counts[site]
        self._write_opening_counts(site, 0.0)

    def places(self, site: int, species: str) -> Floats:
        """(n, gdim) positions of the nodes of `field`, µm."""
        d = self.discretisation(site)
        on_membrane = self.network.species[self.network.index(species)].on == "membrane"
        return d.places[d.nodes] if on_membrane else d.places

    def _place_of_field(self, site: int, species: str) -> tuple[Floats, tuple[slice, int] | npt.NDArray[np.int64]]:
        """The array with the densities of a species and where in it they are."""
        f, y, column = self._fields, self.densities[site], self.network.index(species)
        t = self.steppers[site].layout
        if column in f.mobile_volume:
            return y.mobile, t.first_unknown + f.mobile_volume.index(column)
        if column in f.mobile_membrane:
            return y.mobile, t.first_unknown[t.membrane_nodes] + t.n_mobile_volume + f.mobile_membrane.index(column)
        if column in f.immobile_volume:
            return y.immobile_volume, (slice(None), f.immobile_volume.index(column))
        if column in f.immobile_membrane:
            return y.immobile_membrane, (slice(None), f.immobile_membrane.index(column))
        raise InputError(f'"{species}" of "{self.name}" is clamped: it has no field')

    def _unknowns(self, k: int, column: int) -> npt.NDArray[np.int64]:
        """(N,) places of a mobile field of the volume among the unknowns."""
        return self.steppers[k].layout.first_unknown + self._fields.mobile_volume.index(column)

    def enter(self, site: int, species: str, load: Floats, rate: float) -> None:
        """Add `rate` molecules per ms, evenly through the membrane, to a load."""
        s, position = self.steppers[site], self._fields.mobile_volume.index(self.network.index(species))
        if len(s.areas):
            open_areas = self._area_of(site, self.sites[site].entry)
            load[s.layout.first_unknown[s.d.nodes] + position] += rate * open_areas / open_areas.sum()
        else:
            load[s.layout.first_unknown + position] += rate * s.volumes / s.volumes.sum()

    def _distribute_evenly(self, k: int) -> None:
        """Lay the counts of a site out evenly; reservoirs stay."""
        s, f = self.steppers[k], self._fields
        density = self.read("counts")[k] / s.volumes.sum()
        species = self.network.species
        wall = self.read("counts")[k] / (s.areas.sum() or 1.0)
        for columns, of in (
            (f.mobile_volume + f.immobile_volume, density),
            (f.mobile_membrane + f.immobile_membrane, wall),
        ):
            for column in columns:
                if column < f.n_species:
                    array, at = self._place_of_field(k, self.network.names[column])
                    array[at] = of[column]
                    if region := species[column].region:
                        areas = self._area_of(k, region)
                        array[at] *= areas / s.areas * (s.areas.sum() / areas.sum())

    def _area_of(self, k: int, region: str) -> Floats:
        """(G,) membrane of a region, of all of it for "", at each node of a site."""
        return self._elements[k].areas_of(region) if region else self.steppers[k].areas

    # -- state ------------------------------------------------------------------------------------------------

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; fields become even, `rng` is not used."""
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T
        for k in range(len(self.sites)):
            self._distribute_evenly(k)
            self._write_opening_counts(k, 0.0)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All of the state, live."""
        arrays: dict[str, npt.NDArray[np.generic]] = {key: self.read(key) for key in self.outputs}
        arrays["inner"] = self.inner
        for k, y in enumerate(self.densities):
            arrays |= {f"site{k}.{name}": array for name, array in y._asdict().items()}
        return arrays

    def save(self) -> State:
        """See Component: ports, densities at the nodes, inner steps."""
        return {key: array.copy() for key, array in self._arrays().items()}

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of another mesh, network or set of sites."""
        refuse_outside(state.get("inner", 0.0), 0, np.inf, "inner")
        restore_arrays(self.name, self._arrays(), state, DENSEST)

    def _roll_back(self, k: int, counts: Floats, y: Densities) -> None:
        self.read("counts")[k] = counts
        for array, old in zip(self.densities[k], y, strict=True):
            array[...] = old

    # -- checks -----------------------------------------------------------------------------------------------

    def _check_inputs(self, k: int) -> None:
        counts = self.read("counts")[k]
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        if "influx_opening" in self.inputs and not np.isfinite(self.read("influx_opening")[k]).all():
            raise RunError(f"{self._label(k)}: what comes through its opening is not finite")
        for name, amount in influx.items():
            if not np.isfinite(amount):
                raise RunError(f"{self._label(k)}: the influx {influx} is not finite")
            held = counts[self.network.index(name)]
            if name not in clamp and amount < 0 and (-amount > held + self._tolerance.atol or held <= 0.0):
                raise RunError(f"{self._label(k)}: more molecules leave ({influx}) than there are")
        if not all(np.isfinite(v) and v >= 0 for v in clamp.values()):
            raise RunError(f"{self._label(k)}: the clamp {clamp} is not a finite count of at least 0")

    def describe(self) -> Sequence[str]:
        """See SiteEngine: the mesh of each site, equal ones once."""
        sharing: dict[int, list[str]] = {}
        for site, d in zip(self.sites, self._elements, strict=True):
            sharing.setdefault(id(d), []).append(site.name)
        of = {id(d): d for d in self._elements}
        return [
            f"mesh of {', '.join(names)}: {quality_of(of[key].domain.mesh)}, volume {of[key].off:+.2%} off, "
            f"{len(of[key].places)} nodes"
            for key, names in sharing.items()
        ]

    def _label(self, site: int) -> str:
        return f'site "{self.sites[site].name}" of "{self.name}"'

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: a mesh from a file whose volume is not the site's."""
        warnings = []
        check_meetings(setup.network, setup.clamped)
        classify_fields(setup.network.with_clamped(setup.clamped), setup.injected)
        for site in setup.sites:
            coarse = coarse_elements(setup, site, discretisation_of(setup, site))
            warnings += [f'site "{site.name}": {text}' for text in coarse]
            off = discretisation_of(setup, site).off
            if abs(off) > OFF and getattr(setup.options, "mesh", None) is not None:
                warnings.append(
                    f'site "{site.name}": the volume of the mesh is {off:+.0%} off that of the site '
                    f"({site.geometry.volume:.4g} um^3); concentrations are those of the site"
                )
            worst = quality_of(discretisation_of(setup, site).domain.mesh).worst
            if worst < POOR:
                warnings.append(
                    f'site "{site.name}": the worst cell of its mesh has a shape of {worst:.2g} '
                    "(1 is regular, 0 flat): mesh it again"
                )
        return warnings
