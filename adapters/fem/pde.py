"""Engine `pde`: reaction and diffusion as fields on finite elements."""

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
from adapters.fem.mesh.neck_capacity import reaches
from adapters.fem.mesh.neck_facets import mouth_of
from adapters.fem.mesh.quality import POOR, quality_of
from adapters.fem.options import MeshOptions, discretisation_of, mouth_in_file, spine_of
from adapters.fem.restore import take_up
from adapters.fem.solver.field_layout import fields_of
from adapters.fem.solver.kernels import State as Densities
from adapters.fem.solver.rosenbrock import Collapse, Constants, Stepper, Tolerance
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError, brief
from couple.base.schema import Block
from couple.components import engine
from couple.components.capabilities import AsksForRanks, BringsGeometry, ContainsNecks, RankRequest, ResolvesCables
from couple.components.component import Port, State
from couple.components.engine import EngineSetup, SiteEngine
from couple.geometry.geometry import Geometry


def _asked(value: object) -> object:
    """Raises ValueError for what are no ranks."""
    listed = isinstance(value, (list, tuple)) and all(type(rank) is int and rank >= 0 for rank in value)
    if value is None or value == "all" or (type(value) is int and value > 0) or listed:
        return value
    raise ValueError(f'"all", how many, or a list of those that help, like [1, 2], not {brief(value)}')


class Options(MeshOptions):
    """Besides the mesh: rtol, atol (molecules), error allowed in an inner step, per species over the whole site; steps:
    that many equal inner steps per window instead.

    ranks: that solve a site along sections together: "all", how many, or a list of those that help the one that has
    the site; by default that one alone."""

    rtol: float = Field(1e-5, gt=0, lt=1, strict=True)
    atol: float = Field(1e-4, gt=0, lt=1, strict=True)
    steps: int = Field(0, ge=0, le=10**6, strict=True)
    ranks: Annotated[RankRequest, BeforeValidator(_asked)] = None


class Fields(SiteEngine, BringsGeometry, ContainsNecks, ResolvesCables, AsksForRanks):
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
    Options: ClassVar[type[engine.Options]] = Options

    def __init__(
        self,
        setup: EngineSetup,
        meshes: Mapping[str, Discretisation] | None = None,
        more: Mapping[str, Port] | None = None,
        more_inputs: Mapping[str, Port] | None = None,
    ) -> None:
        """meshes: site name → elements of its own, instead of those that the options describe. more: see SiteEngine."""
        elements = self._elements = [
            (meshes or {}).get(site.name) or discretisation_of(setup, site) for site in setup.sites
        ]
        self._mouths = [
            None if site.mouth is None else mouth_of(d, site.geometry, site.mouth)
            for site, d in zip(setup.sites, elements, strict=True)
        ]
        if any(m is not None for m in self._mouths):
            port = Port("count", (len(setup.sites), len(setup.injected)), "extensive", setup.injected)
            more_inputs = {**(more_inputs or {}), "influx_mouth": port}
            more = {**(more or {}), "counts_mouth": replace(port, kind="intensive")}
        super().__init__(setup, more, more_inputs)
        o = setup.options if isinstance(setup.options, Options) else Options()
        self._tolerance = Tolerance(o.rtol, o.atol, o.steps)
        fields = fields_of(self.network, setup.injected)
        made: dict[int, Stepper] = {}
        self.steppers: list[Stepper] = []
        for d in elements:
            self.steppers.append(made.setdefault(id(d), Stepper(d, fields)))
        self._fields = fields
        self.densities = [s.new_state() for s in self.steppers]
        self.inner = np.zeros(len(self.sites))
        self._reach = reaches(setup, elements, self._mouths)
        for k in range(len(self.sites)):
            self._spread(k)
            self._show_mouth(k, 0.0)

    def reach(self, row: int, species: str) -> float:
        """See ContainsNecks."""
        return float(self._reach[row, self.setup.injected.index(species)])

    def _show_mouth(self, k: int, entered: npt.ArrayLike) -> None:
        """Write `counts_mouth`; entered: (n_injected,) through the mouth in the last window."""
        mouth, n = self._mouths[k], self.network
        if mouth is None:
            return
        shown = self.read("counts_mouth")[k]
        for i, name in enumerate(self.setup.injected):
            if name in self.setup.clamped:
                shown[i] = self.read("counts")[k, n.index(name)] / self.sites[k].geometry.volume * self._reach[k, i]
            else:
                field = self.densities[k].x[self.steppers[k].layout.base + self._fields.moving.index(n.index(name))]
                shown[i] = mouth @ field * self._reach[k, i]
        shown -= np.where(np.isin(self.setup.injected, self.setup.clamped), 0.0, entered)

    @classmethod
    def geometry_of(cls, options: Block, folder: Path) -> Geometry | None:
        """See BringsGeometry: of a head with a neck."""
        spine = spine_of(options, None) if isinstance(options, MeshOptions) else None
        return None if spine is None else spine.geometry

    @classmethod
    def neck_of(cls, options: Block, folder: Path) -> tuple[float, float] | None:
        """See ContainsNecks: built in, or behind the mouth that a file names."""
        if not isinstance(options, MeshOptions):
            return None
        if options.neck is not None:
            return options.neck.diameter, options.neck.length
        mouth = mouth_in_file(options, folder)
        return None if mouth is None else (mouth, 0.0)

    @classmethod
    def asked_ranks(cls, options: Block) -> RankRequest:
        """See AsksForRanks."""
        return options.ranks if isinstance(options, Options) else None

    @classmethod
    def cable_engine(cls) -> type[SiteEngine]:
        """See ResolvesCables."""
        from adapters.fem.cable_pde import Shaft

        return Shaft

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
            constants = self._prepare(k, span)
            integrals = np.empty(len(s.columns))
            self.inner[k] = self._window(k, constants, span, integrals)
            self._finish(k, integrals / span, span)
            if self._mouths[k] is not None:
                self._show_mouth(k, self.read("influx_mouth")[k])
        except Collapse as error:
            self._undo(k, *before)
            raise RunError(
                f'{self._where(k)}: "{self.network.states[error.column]}" cannot be integrated: the inner step fell to '
                f"{error.step:.3g} ms; check the rates and the volume of the site"
            ) from None
        except RunError:
            self._undo(k, *before)
            raise

    def _window(self, k: int, constants: Constants, span: float, integrals: Floats) -> float:
        """Advance the fields of a site; see Stepper.window."""
        y, h = self.densities[k], float(self.inner[k])
        return self.steppers[k].window(y, constants, span, h, self._tolerance, integrals)

    def _prepare(self, k: int, span: float) -> Constants:
        """Book clamps, take out what leaves, zero the reservoirs of the fields, and spread what enters."""
        f, n = self._fields, self.network
        counts, influx, y = self.read("counts")[k], self.read("influx")[k], self.densities[k]
        for name, target in zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True):
            counts[n.index(f"{name}_clamp")] -= target - counts[n.index(name)]
            counts[n.index(name)] = target
        load = np.zeros(len(y.x))
        for name, amount in zip(self.setup.injected, influx.tolist(), strict=True):
            if name in self.setup.clamped:
                counts[n.index(f"{name}_clamp")] += amount
            elif amount > 0.0:
                self.enter(k, name, load, amount / span)
            elif amount < 0.0:
                column = n.index(name)
                array, at = self._at(k, name)
                array[at] *= (counts[column] + amount) / counts[column]
        self._through_mouth(k, load, span)
        for position, column in enumerate(f.resting):
            if column >= f.n_species:
                y.rest[:, position] = 0.0
        for position, column in enumerate(f.fixed):
            if column >= f.n_species:
                y.fixed[:, position] = 0.0
        volume, area = self.sites[k].geometry.volume, self.sites[k].geometry.area
        return Constants(load, counts[list(f.held)] / volume, counts[list(f.wall_held)] / (area or 1.0))

    def _through_mouth(self, k: int, load: Floats, span: float) -> None:
        """What crosses the mouth of a neck, as an even flux through its facets."""
        mouth, n = self._mouths[k], self.network
        if "influx_mouth" not in self.inputs or mouth is None:
            return
        for name, amount in zip(self.setup.injected, self.read("influx_mouth")[k].tolist(), strict=True):
            if name in self.setup.clamped:
                self.read("counts")[k, n.index(f"{name}_clamp")] += amount
            elif amount != 0.0:
                load[self.steppers[k].layout.base + self._fields.moving.index(n.index(name))] += amount / span * mouth

    def _finish(self, k: int, mean: Floats, span: float) -> None:
        s, counts, means = self.steppers[k], self.read("counts")[k], self.read("means")[k]
        n = self._fields.n_species
        totals, species = s.totals(self.densities[k]), s.columns < n
        counts[s.columns[species]] = totals[species]
        np.add.at(counts, s.columns[~species], totals[~species])
        worst = int(np.argmin(counts[:n])) if n else 0
        if n and counts[worst] < -max(1e-3, 100 * self._tolerance.atol):
            raise RunError(
                f'{self._where(k)}: "{self.network.states[worst]}" is negative ({counts[worst]:g}): ask for more with '
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
        array, at = self._at(site, species)
        return array[at].copy()

    def write_field(self, site: int, species: str, values: npt.ArrayLike) -> None:
        """Set the densities of a species; its count follows. Shapes and errors as for `field`."""
        array, at = self._at(site, species)
        array[at] = values
        counts, s, column = self.read("counts"), self.steppers[site], self.network.index(species)
        counts[site, column] = s.totals(self.densities[site])[np.flatnonzero(s.columns == column)[0]]
        self.read("means")[site] = self.network.observable_weights @ counts[site]
        self._show_mouth(site, 0.0)

    def places(self, site: int, species: str) -> Floats:
        """(n, gdim) positions of the nodes of `field`, µm."""
        d = self.discretisation(site)
        on_wall = self.network.species[self.network.index(species)].on == "membrane"
        return d.places[d.nodes] if on_wall else d.places

    def _at(self, site: int, species: str) -> tuple[Floats, tuple[slice, int] | npt.NDArray[np.int64]]:
        """The array with the densities of a species and where in it they are."""
        f, y, column = self._fields, self.densities[site], self.network.index(species)
        t = self.steppers[site].layout
        if column in f.moving:
            return y.x, t.base + f.moving.index(column)
        if column in f.sliding:
            return y.x, t.base[t.nodes] + t.moving + f.sliding.index(column)
        if column in f.resting:
            return y.rest, (slice(None), f.resting.index(column))
        if column in f.fixed:
            return y.fixed, (slice(None), f.fixed.index(column))
        raise InputError(f'"{species}" of "{self.name}" is clamped: it has no field')

    def enter(self, site: int, species: str, load: Floats, rate: float) -> None:
        """Add `rate` molecules per ms, evenly through the membrane, to a load."""
        s, position = self.steppers[site], self._fields.moving.index(self.network.index(species))
        if len(s.areas):
            load[s.layout.base[s.d.nodes] + position] += rate * s.areas / s.areas.sum()
        else:
            load[s.layout.base + position] += rate * s.volumes / s.volumes.sum()

    def _spread(self, k: int) -> None:
        """Lay the counts of a site out evenly; reservoirs stay."""
        s, f = self.steppers[k], self._fields
        density = self.read("counts")[k] / s.volumes.sum()
        wall = self.read("counts")[k] / (s.areas.sum() or 1.0)
        for columns, of in ((f.moving + f.resting, density), (f.sliding + f.fixed, wall)):
            for column in columns:
                if column < f.n_species:
                    array, at = self._at(k, self.network.names[column])
                    array[at] = of[column]

    # -- state ------------------------------------------------------------------------------------------------

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; fields become even, `rng` is not used."""
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T
        for k in range(len(self.sites)):
            self._spread(k)
            self._show_mouth(k, 0.0)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """All of the state, live."""
        arrays: dict[str, npt.NDArray[np.generic]] = {key: self.read(key) for key in self.outputs}
        arrays["inner"] = self.inner
        for k, y in enumerate(self.densities):
            arrays |= {f"site{k}.{name}": array for name, array in y._asdict().items()}
        return arrays

    def save(self) -> State:
        return {key: array.copy() for key, array in self._arrays().items()}

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of another mesh, network or set of sites."""
        take_up(self.name, self._arrays(), state)

    def _undo(self, k: int, counts: Floats, y: Densities) -> None:
        self.read("counts")[k] = counts
        for array, old in zip(self.densities[k], y, strict=True):
            array[...] = old

    # -- checks -----------------------------------------------------------------------------------------------

    def _check_inputs(self, k: int) -> None:
        counts = self.read("counts")[k]
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        if "influx_mouth" in self.inputs and not np.isfinite(self.read("influx_mouth")[k]).all():
            raise RunError(f"{self._where(k)}: what comes through its mouth is not finite")
        for name, amount in influx.items():
            if not np.isfinite(amount):
                raise RunError(f"{self._where(k)}: the influx {influx} is not finite")
            held = counts[self.network.index(name)]
            if name not in clamp and amount < 0 and (-amount > held + self._tolerance.atol or held <= 0.0):
                raise RunError(f"{self._where(k)}: more molecules leave ({influx}) than there are")
        if not all(np.isfinite(v) and v >= 0 for v in clamp.values()):
            raise RunError(f"{self._where(k)}: the clamp {clamp} is not a finite count of at least 0")

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

    def _where(self, site: int) -> str:
        return f'site "{self.sites[site].name}" of "{self.name}"'

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: a mesh from a file whose volume is not the site's."""
        warnings = []
        fields_of(setup.network.with_clamped(setup.clamped), setup.injected)
        for site in setup.sites:
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
