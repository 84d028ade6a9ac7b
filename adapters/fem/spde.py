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
from adapters.fem.options import MeshOptions, discretisation_of
from adapters.fem.restore import take_up
from adapters.fem.solver import thermal_noise
from adapters.fem.solver.field_layout import Fields, fields_of
from adapters.fem.solver.nodal_ssa import Books, react_inside, react_wall
from adapters.fem.solver.petsc_lu import Direct
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.base.units import Time
from couple.components import engine
from couple.components.component import State
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.rng.streams import generator, stream

log = logging.getLogger(__name__)

STIFF = 8.0
"""D × step × largest eigenvalue of the diffusion operator that the default step allows."""
FEW = 5.0
"""Molecules per node below which a diffusing species is no fluctuating field."""
SEEN = 0.05
"""Share of values below zero, over a window, of which the user is told."""
GRID = float(1 << 24)
"""Clamped counts are multiples of 1/GRID: what is booked against them adds up without rounding."""


class Options(MeshOptions):
    """Besides the mesh: step, of the splitting of diffusion and reactions. Default: what resolves the mesh.

    Without resolution, the smallest half axis is cut into 2 cells.
    """

    step: Time | None = Field(None, gt=0)


class Diffusion:
    """Implicit midpoint steps of one diffusion coefficient on one mesh, with its noise.

    (M + D dt/2 K) c' = (M - D dt/2 K) c + noise, M lumped: the stationary variance of every mode is that of the
    discrete operator, for any step (Donev et al., CAMCoS 5:149, 2010).
    """

    def __init__(self, d: Discretisation, cells: thermal_noise.Cells, D: float, step: float) -> None:
        self._volumes, self._cells, self._strength = d.volumes, cells, 2 * D * step
        half = csr_array(0.5 * D * step * d.stiffness)
        half.sum_duplicates()
        self._half = half
        self._direct = Direct(half.indptr.astype(np.int32), half.indices.astype(np.int32))
        self._direct.values[:] = half.data
        diagonal = half.indices == np.repeat(np.arange(len(self._volumes)), np.diff(half.indptr))
        self._direct.values[diagonal] += self._volumes
        self._direct.factorise()

    def step(self, n: Floats, load: Floats, words: npt.NDArray[np.uint64]) -> None:
        """n (N,) molecules at the nodes, in place; `load` (N,) enter."""
        c = n / self._volumes
        right = n - self._half @ c + load
        thermal_noise.kick(self._cells, n, self._volumes, self._strength, words, right)
        self._direct.solve(right)
        n[:] = right * self._volumes


class FluctuatingFields(SiteEngine):
    """Fields with the fluctuations of molecules: conservative noise in the diffusive fluxes, reactions as events.

    Linear elements with lumped mass; diffusion by implicit midpoint steps with a random flux in every cell (`noise`),
    reactions molecule by molecule at the nodes (`reacting`), split as half, whole, half. What does not diffuse is whole
    molecules at nodes, so counts of a site are whole at the end of every window; values of diffusing species at a node
    are real and may be negative where there are few: their share is `negative`, and large ones are logged. Propensities
    take what is positive, scaled down to what there is in the whole site, so that holes do not speed up reactions; at
    half a molecule per node a site still binds 15 % too much (`check` warns below 5).
    After Kim, Nonaka, Bell, Garcia & Donev, J Chem Phys 146:124110 (2017), on elements instead of volumes.

    Streams are keyed by the seed, "spde", the site and the purpose.
    """

    spatial = True
    integer = True
    Options: ClassVar[type[engine.Options]] = Options

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._fields = f = _checked(setup, fields_of(self.network, setup.injected))
        step = setup.options.step if isinstance(setup.options, Options) else None
        self._d = [_discretisation(setup, site) for site in setup.sites]
        speeds = [f.D[c] for c in f.moving]
        fastest = [max(speeds, default=0.0) * _stiffest(d) for d in self._d]
        self._steps = [max(1, math.ceil(setup.tick / (step or STIFF / max(x, 1e-300)) - 1e-9)) for x in fastest]
        made: dict[tuple[int, float, int], Diffusion] = {}
        cells = {id(d): thermal_noise.cells_of(d) for d in self._d}
        self._diffusion: list[list[Diffusion | None]] = []
        for d, steps in zip(self._d, self._steps, strict=True):
            row: list[Diffusion | None] = []
            for D in speeds:
                key = (id(d), float(D), steps)
                if D > 0 and key not in made:
                    made[key] = Diffusion(d, cells[id(d)], float(D), setup.tick / steps)
                row.append(made.get(key))
            self._diffusion.append(row)
        self._moving = [np.zeros((len(f.moving), len(d.volumes))) for d in self._d]
        self._resting = [np.zeros((len(f.resting), len(d.volumes))) for d in self._d]
        self._fixed = [np.zeros((len(f.fixed), len(d.areas))) for d in self._d]
        names = [site.name for site in setup.sites]
        self._words = {
            kind: np.array([stream(setup.seed, "spde", name, kind) for name in names])
            for kind in ("diffusion", "reactions")
        }
        self._below = np.zeros((len(names), len(self.network.species)))
        self._looked = np.zeros(len(names))
        self._told: set[tuple[int, int]] = set()
        self._inside = np.array([*f.moving, *f.resting, *f.held, -1], dtype=np.int64)
        self._wall = np.array([*f.moving, *f.resting, *f.fixed, *f.held, *f.wall_held, -1], dtype=np.int64)
        for k, name in enumerate(names):
            self._place(k, generator(setup.seed, "spde", name, "placement"))

    @property
    def negative(self) -> Floats:
        """(n_sites, n_species) share of nodal values below zero since the start, of those seen after each step."""
        return np.asarray(self._below / np.maximum(self._looked, 1.0)[:, None])

    def advance(self, ticks: int) -> None:
        """Raises RunError if a propensity is no number, or an input is not what an integer engine can take."""
        for k in range(len(self.sites)):
            self._advance(k, ticks)

    def _advance(self, k: int, ticks: int) -> None:
        counts, f, d = self.read("counts")[k], self._fields, self._d[k]
        load = self._prepare(k) / (ticks * self._steps[k])
        geometry, span, step = self.sites[k].geometry, ticks * self.setup.tick, self.setup.tick / self._steps[k]
        held = counts[list(f.held)] / geometry.volume
        wall_held = counts[list(f.wall_held)] / (geometry.area or 1.0)
        means = counts * span
        entered = load.sum(axis=1)
        below = self._below[k].copy()
        n_steps = ticks * self._steps[k]
        for i in range(n_steps + 1):
            part = step / 2 if i in (0, n_steps) else step
            start = counts.copy()
            self._react(k, held, wall_held, part, means)
            rest = span - (0.0 if i == 0 else (i - 0.5) * step) - part  # what changed now lasts to the end
            means += (counts - start) * rest
            if i < n_steps:
                for a, diffusion in enumerate(self._diffusion[k]):
                    n = self._moving[k][a]
                    if diffusion is not None:
                        diffusion.step(n, load[a], self._words["diffusion"][k])
                    else:
                        n += load[a]
                    self._below[k, f.moving[a]] += np.count_nonzero(n < 0.0) / n.size
                counts[list(f.moving)] += entered
                means[list(f.moving)] += entered * (span - (i + 0.5) * step)
                self._looked[k] += 1
        whole = np.rint(counts[list(f.moving)])
        counts[list(f.moving)] = whole  # influx in equal parts adds up to whole molecules but for rounding
        self._moving[k] += (whole - self._moving[k].sum(axis=1))[:, None] * (d.volumes / d.volumes.sum())
        self.read("means")[k] = self.network.observable_weights @ means / span
        self._tell(k, (self._below[k] - below) / n_steps)

    def _react(self, k: int, held: Floats, wall_held: Floats, span: float, means: Floats) -> None:
        counts, f, d, n = self.read("counts")[k], self._fields, self._d[k], len(self.network.species)
        words, moving, resting = self._words["reactions"][k], self._moving[k], self._resting[k]
        code = 0
        above = np.maximum(moving, 0.0).sum(axis=1)
        trust = np.divide(moving.sum(axis=1), above, out=np.zeros(len(above)), where=above > 0.0).clip(0.0, 1.0)
        if len(f.inside.rate):
            books = Books(counts, self._inside, means)
            code = react_inside(f.inside, d.volumes, trust, moving, resting, held, span, books, n, words)
        if len(f.wall.rate) and not code:
            books = Books(counts, self._wall, means)
            code = react_wall(
                f.wall, d.nodes, d.volumes, d.areas, trust, moving, resting, self._fixed[k], held, wall_held, span,
                books, n, words,
            )  # fmt: skip
        if code:
            raise RunError(f"{self._where(k)}: a propensity is not a finite number; check the rates and the amounts")

    def _prepare(self, k: int) -> Floats:
        """Book clamps, take out what leaves; returns (moving, N) molecules that enter in the window."""
        counts, network, f, d = self.read("counts")[k], self.network, self._fields, self._d[k]
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        if not all(math.isfinite(v) and v == math.floor(v) for v in influx.values()):
            raise RunError(f"{self._where(k)}: the influx {influx} is not in whole molecules")
        if not all(math.isfinite(v) and v >= 0 for v in clamp.values()):
            raise RunError(f"{self._where(k)}: the clamp {clamp} is not a finite count of at least 0")
        if any(n not in clamp and -v > counts[network.index(n)] for n, v in influx.items()):
            raise RunError(f"{self._where(k)}: more molecules leave ({influx}) than there are")
        for name, target in clamp.items():
            on_grid = math.floor(target * GRID + 0.5) / GRID
            counts[network.index(f"{name}_clamp")] -= on_grid - counts[network.index(name)]
            counts[network.index(name)] = on_grid
        load = np.zeros_like(self._moving[k])
        for name, amount in influx.items():
            if name in clamp:
                counts[network.index(f"{name}_clamp")] += amount
                continue
            a, held = f.moving.index(network.index(name)), counts[network.index(name)]
            if amount < 0:
                self._moving[k][a] *= (held + amount) / held
                counts[network.index(name)] += amount
            elif len(d.areas):
                load[a, d.nodes] = amount * d.areas / d.areas.sum()
            else:
                load[a] = amount * d.volumes / d.volumes.sum()
        return np.asarray(load)

    # -- fields and state -------------------------------------------------------------------------------------

    def discretisation(self, site: int = 0) -> Discretisation:
        """Mesh, matrices and nodes of a site."""
        return self._d[site]

    def field(self, site: int, species: str) -> Floats:
        """Molecules of a species at its nodes, a live view: (N,) or, on the membrane, (G,).

        Raises InputError if it is unknown or clamped (and so has none).
        """
        f, column = self._fields, self.network.index(species)
        for columns, arrays in ((f.moving, self._moving), (f.resting, self._resting), (f.fixed, self._fixed)):
            if column in columns:
                return np.asarray(arrays[site][columns.index(column)])
        raise InputError(f'"{species}" of "{self.name}" is clamped: it has no field')

    def _place(self, k: int, rng: np.random.Generator) -> None:
        """Put the counts of a site at random nodes, each by its volume or area."""
        counts, f, d = self.read("counts")[k].astype(np.int64), self._fields, self._d[k]
        for columns, arrays, sizes in (
            (f.moving, self._moving, d.volumes),
            (f.resting, self._resting, d.volumes),
            (f.fixed, self._fixed, d.areas),
        ):
            for a, column in enumerate(columns):
                if column < f.n_species:
                    arrays[k][a] = rng.multinomial(counts[column], sizes / sizes.sum())

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; molecules go to random nodes."""
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T
        for k in range(len(self.sites)):
            self._place(k, rng)

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        arrays: dict[str, npt.NDArray[np.generic]] = {key: self.read(key) for key in self.outputs}
        arrays |= {"below": self._below, "looked": self._looked}
        arrays |= {f"words.{kind}": words for kind, words in self._words.items()}
        for k in range(len(self.sites)):
            parts = {"moving": self._moving[k], "resting": self._resting[k], "fixed": self._fixed[k]}
            arrays |= {f"site{k}.{key}": array for key, array in parts.items()}
        return arrays

    def save(self) -> State:
        return {key: array.copy() for key, array in self._arrays().items()}

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of another mesh, network or set of sites."""
        take_up(self.name, self._arrays(), state)

    def _tell(self, k: int, share: Floats) -> None:
        """Log, once for each species of a site, that much of its field is below zero."""
        for column in np.flatnonzero(share > SEEN).tolist():
            if (k, column) not in self._told:
                self._told.add((k, column))
                log.warning(
                    '%s: %.0f %% of the values of "%s" were below zero in a window: too few molecules per node for a '
                    "fluctuating field, take a larger resolution, or lattice, gridded or ssa",
                    self._where(k), 100 * share[column], self.network.states[column],
                )  # fmt: skip

    def _where(self, site: int) -> str:
        return f'site "{self.sites[site].name}" of "{self.name}"'

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: species with too few molecules per node."""
        network = setup.network.with_clamped(setup.clamped)
        f = _checked(setup, fields_of(network, setup.injected))
        warnings = []
        for site in setup.sites:
            nodes = len(_discretisation(setup, site).volumes)
            few = [
                f"{network.states[c]} ({site.initial[c]})"
                for c in f.moving
                if f.D[c] > 0 and site.initial[c] < FEW * nodes
            ]
            if few:
                warnings.append(
                    f'site "{site.name}": fewer than {FEW:g} molecules per node ({nodes} nodes) of {", ".join(few)}: '
                    "fluctuations of so few are not Gaussian and values go below zero; take a larger spde.resolution"
                )
        return warnings


def _checked(setup: EngineSetup, fields: Fields) -> Fields:
    """The fields, or InputError for what this engine does not do."""
    o = setup.options
    if isinstance(o, Options) and (o.degree != 1 or o.cells == "hexahedron"):
        raise InputError(
            "spde needs simplices of degree 1: leave degree out and take tetrahedra, triangles or intervals"
        )
    if isinstance(o, Options) and o.neck is not None:
        raise InputError("neck: spde has no mouth that ions could cross: take pde, or leave it out")
    if fields.sliding:
        names = ", ".join(setup.network.states[c] for c in fields.sliding)
        raise InputError(f"spde keeps membrane species in place, {names} diffuse: use pde or lattice, or give D = 0")
    return fields


def _discretisation(setup: EngineSetup, site: Site) -> Discretisation:
    o = setup.options if isinstance(setup.options, Options) else Options()
    if o.mesh is None and o.resolution is None:
        size = site.geometry.size
        half = (min(size) if site.geometry.shape == "box" else size[0]) / 2
        cells = o.cells or "tetrahedron"
        o = o.model_copy(update={"resolution": half / 2, "cells": cells})
    elif o.mesh is None and o.cells is None:
        o = o.model_copy(update={"cells": "tetrahedron"})
    return discretisation_of(replace(setup, options=o), site, lumped=True)


def _stiffest(d: Discretisation) -> float:
    """A bound of the largest eigenvalue of M⁻¹ K (Gershgorin), 1/µm²."""
    return float((abs(d.stiffness).sum(axis=1) / d.volumes).max())
