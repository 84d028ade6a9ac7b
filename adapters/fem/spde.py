"""Engine `spde`: fluctuating reaction and diffusion on finite elements."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.sparse import csr_array

from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.options import MeshOptions, coarse_elements, discretisation_of
from adapters.fem.restore import restore_arrays
from adapters.fem.solver import thermal_noise
from adapters.fem.solver.field_layout import FieldLayout, classify_fields
from adapters.fem.solver.nodal_ssa import (
    ClampedDensities,
    EventTally,
    NodalMolecules,
    NodeSizes,
    simulate_membrane_nodes,
    simulate_volume_nodes,
)
from adapters.fem.solver.petsc_lu import PetscLU
from couple.base.arrays import Floats
from couple.base.budget import TOO_FAST, check_steps
from couple.base.errors import InputError, RunError
from couple.base.units import Time
from couple.chemistry.meeting import check_meetings, slowed_rates
from couple.components import engine
from couple.components.component import State
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.rng.streams import generator, stream

log = logging.getLogger(__name__)

LARGEST_STEP = 8.0
"""D × step × largest eigenvalue of the diffusion operator that the default step allows."""
LEAST_PER_NODE = 5.0
"""Molecules per node below which a diffusing species is no fluctuating field."""
WARNED_SHARE = 0.05
"""Share of values below zero, over a window, of which the user is told."""
CLAMP_GRID = float(1 << 24)
"""Clamped counts are multiples of 1/GRID: what is booked against them adds up without rounding."""


class SpdeOptions(MeshOptions):
    """Besides the mesh, how it is stepped.

    step: of the splitting of diffusion and reactions. Default: what resolves the mesh.

    Without resolution, the smallest half axis is cut into 2 cells.
    """

    step: Time | None = Field(None, gt=0)


class MidpointDiffusion:
    """Implicit midpoint steps of one diffusion coefficient on one mesh, with its noise.

    (M + D dt/2 K) c' = (M - D dt/2 K) c + noise, M lumped: the stationary variance of every mode is that of the
    discrete operator, for any step (Donev et al., CAMCoS 5:149, 2010).
    """

    def __init__(self, d: Discretisation, cells: thermal_noise.SimplexCells, D: float, step: float) -> None:
        self._volumes, self._cells, self._strength = d.volumes, cells, 2 * D * step
        half = csr_array(0.5 * D * step * d.stiffness)
        half.sum_duplicates()
        self._half_step = half
        self._lu = PetscLU(half.indptr.astype(np.int32), half.indices.astype(np.int32))
        self._lu.values[:] = half.data
        diagonal = half.indices == np.repeat(np.arange(len(self._volumes)), np.diff(half.indptr))
        self._lu.values[diagonal] += self._volumes
        self._lu.factorise()

    def step(self, n: Floats, load: Floats, words: npt.NDArray[np.uint64]) -> None:
        """n (N,) molecules at the nodes, in place; `load` (N,) enter."""
        c = n / self._volumes
        right = n - self._half_step @ c + load
        thermal_noise.add_noise(self._cells, n, self._volumes, self._strength, words, right)
        self._lu.solve(right)
        n[:] = right * self._volumes


class FluctuatingFields(SiteEngine):
    """Fields with the fluctuations of molecules: conservative noise in the diffusive fluxes, reactions as events.

    Linear elements with lumped mass; diffusion by implicit midpoint steps with a random flux in every cell
    (`thermal_noise`), reactions molecule by molecule at the nodes (`nodal_ssa`), split as half, whole, half. What does
    not diffuse is whole molecules at nodes, so counts of a site are whole at the end of every window; values of
    diffusing species at a node are real and may be negative where there are few: their share is `negative`, and large
    ones are logged. Propensities take what is positive, scaled down to what there is in the whole site, so that holes
    do not speed up reactions; at half a molecule per node a site still binds 15 % too much (`check` warns below 5).
    After Kim, Nonaka, Bell, Garcia & Donev, J Chem Phys 146:124110 (2017), on elements instead of volumes.

    Streams are keyed by the seed, "spde", the site and the purpose.
    """

    spatial = True
    integer = True
    Options: ClassVar[type[engine.Options]] = SpdeOptions

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._fields = f = _check_fields(setup, classify_fields(self.network, setup.injected))
        step = setup.options.step if isinstance(setup.options, SpdeOptions) else None
        self._elements = [_discretisation(setup, site) for site in setup.sites]
        speeds = [f.D[c] for c in f.mobile_volume]
        fastest = [max(speeds, default=0.0) * _largest_eigenvalue(d) for d in self._elements]
        self._steps = [max(1, math.ceil(setup.tick / (step or LARGEST_STEP / max(x, 1e-300)) - 1e-9)) for x in fastest]
        for site, steps in zip(setup.sites, self._steps, strict=True):
            check_steps(steps, f'site "{site.name}"', "take a larger spde.step or resolution, or a smaller D")
        made: dict[tuple[int, float, int], MidpointDiffusion] = {}
        cells = {id(d): thermal_noise.cells_of(d) for d in self._elements}
        self._diffusion: list[list[MidpointDiffusion | None]] = []
        for d, steps in zip(self._elements, self._steps, strict=True):
            row: list[MidpointDiffusion | None] = []
            for D in speeds:
                key = (id(d), float(D), steps)
                if D > 0 and key not in made:
                    made[key] = MidpointDiffusion(d, cells[id(d)], float(D), setup.tick / steps)
                row.append(made.get(key))
            self._diffusion.append(row)
        self._sizes = [NodeSizes(d.volumes, d.areas, d.nodes) for d in self._elements]
        self._molecules = [
            NodalMolecules(
                np.zeros((len(f.mobile_volume), len(d.volumes))),
                np.zeros((len(f.immobile_volume), len(d.volumes))),
                np.zeros((len(f.immobile_membrane), len(d.areas))),
            )
            for d in self._elements
        ]
        names = [site.name for site in setup.sites]
        self._words = {
            kind: np.array([stream(setup.seed, "spde", name, kind) for name in names])
            for kind in ("diffusion", "reactions")
        }
        self._negative_share = np.zeros((len(names), len(self.network.species)))
        self._steps_seen = np.zeros(len(names))
        self._warned: set[tuple[int, int]] = set()
        inside, clamped = (*f.mobile_volume, *f.immobile_volume), (*f.clamped_volume, *f.clamped_membrane)
        self._volume_columns = np.array([*inside, *f.clamped_volume, -1], dtype=np.int64)
        self._membrane_columns = np.array([*inside, *f.immobile_membrane, *clamped, -1], dtype=np.int64)
        for k, name in enumerate(names):
            self._place(k, generator(setup.seed, "spde", name, "placement"))

    @property
    def negative(self) -> Floats:
        """(n_sites, n_species) share of nodal values below zero since the start, of those seen after each step."""
        return np.asarray(self._negative_share / np.maximum(self._steps_seen, 1.0)[:, None])

    def advance(self, ticks: int) -> None:
        """Raises RunError if a propensity is no number, or an input is not what an integer engine can take."""
        for k in range(len(self.sites)):
            self._advance(k, ticks)

    def _advance(self, k: int, ticks: int) -> None:
        counts, f, d = self.read("counts")[k], self._fields, self._elements[k]
        load = self._prepare(k) / (ticks * self._steps[k])
        geometry, span, step = self.sites[k].geometry, ticks * self.setup.tick, self.setup.tick / self._steps[k]
        clamped = ClampedDensities(
            counts[list(f.clamped_volume)] / geometry.volume,
            counts[list(f.clamped_membrane)] / (geometry.area or 1.0),
        )
        means = counts * span
        entered = load.sum(axis=1)
        below = self._negative_share[k].copy()
        n_steps = ticks * self._steps[k]
        for i in range(n_steps + 1):
            part = step / 2 if i in (0, n_steps) else step
            start = counts.copy()
            self._react(k, clamped, part, means)
            rest = span - (0.0 if i == 0 else (i - 0.5) * step) - part  # what changed now lasts to the end
            means += (counts - start) * rest
            if i < n_steps:
                for a, diffusion in enumerate(self._diffusion[k]):
                    n = self._molecules[k].mobile_volume[a]
                    if diffusion is not None:
                        diffusion.step(n, load[a], self._words["diffusion"][k])
                    else:
                        n += load[a]
                    self._negative_share[k, f.mobile_volume[a]] += np.count_nonzero(n < 0.0) / n.size
                counts[list(f.mobile_volume)] += entered
                means[list(f.mobile_volume)] += entered * (span - (i + 0.5) * step)
                self._steps_seen[k] += 1
        whole = np.rint(counts[list(f.mobile_volume)])
        counts[list(f.mobile_volume)] = whole  # influx in equal parts adds up to whole molecules but for rounding
        mobile = self._molecules[k].mobile_volume
        mobile += (whole - mobile.sum(axis=1))[:, None] * (d.volumes / d.volumes.sum())
        self.read("means")[k] = self.network.observable_weights @ means / span
        self._warn_negative(k, (self._negative_share[k] - below) / n_steps)

    def _react(self, k: int, clamped: ClampedDensities, span: float, means: Floats) -> None:
        counts, f, n = self.read("counts")[k], self._fields, len(self.network.species)
        words, molecules, sizes = self._words["reactions"][k], self._molecules[k], self._sizes[k]
        mobile, code = molecules.mobile_volume, 0
        above = np.maximum(mobile, 0.0).sum(axis=1)
        trusted = np.divide(mobile.sum(axis=1), above, out=np.zeros(len(above)), where=above > 0.0).clip(0.0, 1.0)
        if len(f.volume_reactions.rate):
            tally = EventTally(counts, self._volume_columns, means, n)
            code = simulate_volume_nodes(f.volume_reactions, sizes, molecules, trusted, clamped, span, tally, words)
        if len(f.membrane_reactions.rate) and not code:
            tally = EventTally(counts, self._membrane_columns, means, n)
            code = simulate_membrane_nodes(f.membrane_reactions, sizes, molecules, trusted, clamped, span, tally, words)
        if code:
            raise RunError(f"{self._label(k)}: propensities {TOO_FAST}")

    def _prepare(self, k: int) -> Floats:
        """Book clamps, take out what leaves; returns (m, N) molecules of the mobile fields that enter in the window."""
        counts, network, f, d = self.read("counts")[k], self.network, self._fields, self._elements[k]
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        if not all(math.isfinite(v) and v == math.floor(v) for v in influx.values()):
            raise RunError(f"{self._label(k)}: the influx {influx} is not in whole molecules")
        if not all(math.isfinite(v) and v >= 0 for v in clamp.values()):
            raise RunError(f"{self._label(k)}: the clamp {clamp} is not a finite count of at least 0")
        if any(n not in clamp and -v > counts[network.index(n)] for n, v in influx.items()):
            raise RunError(f"{self._label(k)}: more molecules leave ({influx}) than there are")
        for name, target in clamp.items():
            on_grid = math.floor(target * CLAMP_GRID + 0.5) / CLAMP_GRID
            counts[network.index(f"{name}_clamp")] -= on_grid - counts[network.index(name)]
            counts[network.index(name)] = on_grid
        load = np.zeros_like(self._molecules[k].mobile_volume)
        for name, amount in influx.items():
            if name in clamp:
                counts[network.index(f"{name}_clamp")] += amount
                continue
            a, held = f.mobile_volume.index(network.index(name)), counts[network.index(name)]
            if amount < 0:
                self._molecules[k].mobile_volume[a] *= (held + amount) / held
                counts[network.index(name)] += amount
            elif len(d.areas):
                areas = d.areas_of(self.sites[k].entry)
                load[a, d.nodes] = amount * areas / areas.sum()
            else:
                load[a] = amount * d.volumes / d.volumes.sum()
        return np.asarray(load)

    # -- fields and state -------------------------------------------------------------------------------------

    def discretisation(self, site: int = 0) -> Discretisation:
        """Mesh, matrices and nodes of a site."""
        return self._elements[site]

    def field(self, site: int, species: str) -> Floats:
        """Molecules of a species at its nodes, a live view: (N,) or, on the membrane, (G,).

        Raises InputError if it is unknown or clamped (and so has none).
        """
        f, column = self._fields, self.network.index(species)
        kinds = (f.mobile_volume, f.immobile_volume, f.immobile_membrane)
        for columns, molecules in zip(kinds, self._molecules[site], strict=True):
            if column in columns:
                return np.asarray(molecules[columns.index(column)])
        raise InputError(f'"{species}" of "{self.name}" is clamped: it has no field')

    def _place(self, k: int, rng: np.random.Generator) -> None:
        """Put the counts of a site at random nodes, each by its volume or area."""
        counts, f, d = self.read("counts")[k].astype(np.int64), self._fields, self._elements[k]
        molecules = self._molecules[k]
        for columns, placed, sizes in (
            (f.mobile_volume, molecules.mobile_volume, d.volumes),
            (f.immobile_volume, molecules.immobile_volume, d.volumes),
            (f.immobile_membrane, molecules.immobile_membrane, d.areas),
        ):
            for a, column in enumerate(columns):
                if column < f.n_species:
                    region = self.network.species[column].region
                    weights = d.areas_of(region) if region else sizes
                    placed[a] = rng.multinomial(counts[column], weights / weights.sum())

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; molecules go to random nodes."""
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T
        for k in range(len(self.sites)):
            self._place(k, rng)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        arrays: dict[str, npt.NDArray[np.generic]] = {key: self.read(key) for key in self.outputs}
        arrays |= {"below": self._negative_share, "looked": self._steps_seen}
        arrays |= {f"words.{kind}": words for kind, words in self._words.items()}
        for k, molecules in enumerate(self._molecules):
            arrays |= {f"site{k}.{key}": array for key, array in molecules._asdict().items()}
        return arrays

    def save(self) -> State:
        """See Component: ports, molecules at the nodes, random streams."""
        return {key: array.copy() for key, array in self._arrays().items()}

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of another mesh, network or set of sites."""
        restore_arrays(self.name, self._arrays(), state, MOST_MOLECULES)

    def _warn_negative(self, k: int, share: Floats) -> None:
        """Log, once for each species of a site, that much of its field is below zero."""
        for column in np.flatnonzero(share > WARNED_SHARE).tolist():
            if (k, column) not in self._warned:
                self._warned.add((k, column))
                log.warning(
                    '%s: %.0f %% of the values of "%s" were below zero in a window: too few molecules per node for a '
                    "fluctuating field, take a larger resolution, or lattice, gridded or ssa",
                    self._label(k), 100 * share[column], self.network.states[column],
                )  # fmt: skip

    def _label(self, site: int) -> str:
        return f'site "{self.sites[site].name}" of "{self.name}"'

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: species with too few molecules per node."""
        network = setup.network.with_clamped(setup.clamped)
        f = _check_fields(setup, classify_fields(network, setup.injected))
        warnings = []
        for site in setup.sites:
            d = _discretisation(setup, site)
            nodes = len(d.volumes)
            warnings += [f'site "{site.name}": {text}' for text in coarse_elements(setup, site, d)]
            if d.places.shape[1] == 3:
                slowed = slowed_rates(setup.network, float(d.volumes.mean() ** (1 / 3)))
                warnings += [f'site "{site.name}": {text}' for text in slowed]
            few = [
                f"{network.states[c]} ({site.initial[c]:.4g})"
                for c in f.mobile_volume
                if f.D[c] > 0 and site.initial[c] < LEAST_PER_NODE * nodes
            ]
            if few:
                warnings.append(
                    f'site "{site.name}": fewer than {LEAST_PER_NODE:g} molecules per node ({nodes} nodes) of '
                    f"{', '.join(few)}: "
                    "fluctuations of so few are not Gaussian and values go below zero; take a larger spde.resolution"
                )
        return warnings


def _check_fields(setup: EngineSetup, fields: FieldLayout) -> FieldLayout:
    """The fields, or InputError for what this engine does not do."""
    check_meetings(setup.network, setup.clamped)
    o = setup.options
    if isinstance(o, SpdeOptions) and (o.degree != 1 or o.cells == "hexahedron"):
        raise InputError(
            "spde needs simplices of degree 1: leave degree out and take tetrahedra, triangles or intervals"
        )
    if isinstance(o, SpdeOptions) and o.neck is not None:
        raise InputError("neck: spde has no opening that ions could cross: take pde, or leave it out")
    if fields.mobile_membrane:
        names = ", ".join(setup.network.states[c] for c in fields.mobile_membrane)
        raise InputError(f"spde keeps membrane species in place, {names} diffuse: use pde or lattice, or give D = 0")
    return fields


def _discretisation(setup: EngineSetup, site: Site) -> Discretisation:
    o = setup.options if isinstance(setup.options, SpdeOptions) else SpdeOptions()
    if site.geometry.surface is not None and o.mesh is None:
        return discretisation_of(replace(setup, options=o), site, lumped=True)
    if o.mesh is None and o.resolution is None:
        size = site.geometry.size
        half = (min(size) if site.geometry.shape == "box" else size[0]) / 2
        cells = o.cells or "tetrahedron"
        o = o.model_copy(update={"resolution": half / 2, "cells": cells})
    elif o.mesh is None and o.cells is None:
        o = o.model_copy(update={"cells": "tetrahedron"})
    return discretisation_of(replace(setup, options=o), site, lumped=True)


def _largest_eigenvalue(d: Discretisation) -> float:
    """A bound of the largest eigenvalue of M⁻¹ K (Gershgorin), 1/µm²."""
    return float((abs(d.stiffness).sum(axis=1) / d.volumes).max())
