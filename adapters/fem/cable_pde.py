"""Engine `pde` along whole sections: one field on a branching line under many segments of NEURON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from adapters.fem.mesh.dendrite import Dendrite, mesh_dendrite
from adapters.fem.pde import Fields, Options
from adapters.fem.solver.distributed import Helper, Shared
from adapters.fem.solver.field_layout import fields_of
from adapters.fem.solver.rosenbrock import Constants
from adapters.fem.solver.segment_sums import Segments
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.components.capabilities import AlongCable, SharedByRanks
from couple.components.component import Component, Port, State
from couple.components.engine import EngineSetup
from couple.geometry.cable import Cable
from couple.parallel.communicator import Team

LONGEST_CELL = 0.5
"""µm, of cells where no resolution is given; a calcium ion diffuses as far in a millisecond."""
JUMP = 3.0
"""Ratio of neighbouring radii above which a line is a poor picture of a dendrite."""


class Shaft(Fields, AlongCable, SharedByRanks):
    """Reaction and diffusion along a dendrite: ∂(A c)/∂t = ∂(A D ∂c/∂s)/∂s + A × reactions + girth × fluxes.

    Cells of constant section in each segment, with the volume and the membrane that NEURON computes with; what crosses
    a section is everywhere the same. What enters a segment is spread over its membrane, what is read of it is its mean;
    necks open into vertices. Ends that do not continue in the site are closed. Ions that leave a segment are taken at
    the start of a window in proportion to what is there, those that leave through a neck over the window at its foot.
    """

    def __init__(self, setup: EngineSetup) -> None:
        self._shared: Shared | None = None
        (site,) = setup.sites
        self.cable = _cable_of(setup)
        try:
            self.dendrite: Dendrite = _mesh(setup, self.cable)
        except InputError as error:
            raise InputError(f'site "{site.name}": {error}') from None
        n, feet, injected = len(self.cable.segments), len(self.cable.feet), setup.injected
        network = self.network_of(setup)
        observed = tuple(network.observables)
        super().__init__(
            setup,
            {site.name: self.dendrite.discretisation},
            {
                "counts_along": Port("count", (n, len(network.species)), "extensive", network.names, "species"),
                "means_along": Port("count", (n, len(observed)), "intensive", observed, "observable"),
                "counts_feet": Port("count", (feet, len(injected)), "intensive", injected, "species"),
            },
            {
                "influx_along": Port("count", (n, len(injected)), "extensive", injected, "species"),
                "influx_feet": Port("count", (feet, len(injected)), "extensive", injected, "species"),
            },
        )
        inside, wall = self._inside, self._wall = self.dendrite.parts
        self._segments = Segments(inside, wall, self._fields, self.network.observable_weights)
        self._volumes, self._areas = np.array(self.cable.volumes), np.array(self.cable.areas)
        self._spread_over = csr_array(self._wall / self._areas[:, None])
        self._feet = np.array([self.dendrite.node(f.branch, f.x) for f in self.cable.feet], dtype=np.int64)
        self._foot_volumes = self._volumes[[self.cable.segment_of(f) for f in self.cable.feet]]
        stepper = self.steppers[0]
        if observed:
            stepper.watch = self._segments.observed
            stepper.watched = np.zeros(n * len(observed))
        self._show_all()

    @property
    def _places(self) -> int:
        return len(self.cable.segments)

    # -- ranks ------------------------------------------------------------------------------------------------

    def share(self, team: Team) -> None:
        """See SharedByRanks: every rank steps a piece of the dendrite."""
        watch = self._segments if self.network.observables else None
        self._shared = Shared(self.steppers[0], watch, team)

    @classmethod
    def helper(cls, name: str, team: Team) -> Component:
        """See SharedByRanks."""
        return Helper(name, team)

    def advance(self, ticks: int) -> None:
        """See Fields."""
        with nullcontext() if self._shared is None else self._shared.calling():
            super().advance(ticks)

    def _window(self, k: int, constants: Constants, span: float, integrals: Floats) -> float:
        if self._shared is None:
            return super()._window(k, constants, span, integrals)
        y, h, watched = self.densities[k], float(self.inner[k]), self.steppers[k].watched
        return self._shared.window(y, constants, span, h, self._tolerance, integrals, watched)

    # -- a window ---------------------------------------------------------------------------------------------

    def _prepare(self, k: int, span: float) -> Constants:
        constants = super()._prepare(k, span)
        y, f, n, counts = self.densities[k], self._fields, self.network, self.read("counts")[k]
        along, feet = self.read("influx_along"), self.read("influx_feet")
        base = self.steppers[k].layout.base
        for i, name in enumerate(self.setup.injected):
            if name in self.setup.clamped:
                counts[n.index(f"{name}_clamp")] += along[:, i].sum() + feet[:, i].sum()
                continue
            unknown = base + f.moving.index(n.index(name))
            constants.load[unknown] += np.maximum(along[:, i], 0.0) @ self._spread_over / span
            np.add.at(constants.load, unknown[self._feet], feet[:, i] / span)
            leaving = np.minimum(along[:, i], 0.0)
            if leaving.any():
                self._take(y.x, unknown, leaving)
        return constants

    def _take(self, x: Floats, unknown: npt.NDArray[np.int64], leaving: Floats) -> None:
        """Take molecules (n_segments,) out of each segment, in proportion to what is there."""
        held = self._inside @ x[unknown]
        share = np.divide(leaving, held, out=np.zeros_like(held), where=held > 0.0)
        x[unknown] *= 1.0 + (share @ self._inside) / self.steppers[0].volumes

    def _finish(self, k: int, mean: Floats, span: float) -> None:
        super()._finish(k, mean, span)
        if self.network.observables:
            watched = self.steppers[k].watched.reshape(self._places, -1)
            self.read("means_along")[...] = watched / span + self._held_observed()
        self._show()

    # -- what is seen -----------------------------------------------------------------------------------------

    def _held(self) -> Floats:
        """(n_segments, n_states) of clamped species: the same concentration everywhere."""
        f, counts = self._fields, self.read("counts")[0]
        out = np.zeros((self._places, len(self.network.states)))
        for columns, size in ((f.held, self._volumes), (f.wall_held, self._areas)):
            out[:, list(columns)] = np.outer(size / size.sum(), counts[list(columns)])
        return out

    def _held_observed(self) -> Floats:
        return np.asarray(self._held() @ self.network.observable_weights.T)

    def _show(self) -> None:
        """Write what segments hold, and what is at the feet of necks, to the outputs."""
        y, f = self.densities[0], self._fields
        self.read("counts_along")[...] = (self._segments.counts(y) + self._held())[:, : f.n_species]
        base, counts = self.steppers[0].layout.base, self.read("counts")[0]
        for i, name in enumerate(self.setup.injected):
            column = self.network.index(name)
            if name in self.setup.clamped:
                self.read("counts_feet")[:, i] = counts[column] / self._volumes.sum() * self._foot_volumes
            else:
                at = base[self._feet] + f.moving.index(column)
                self.read("counts_feet")[:, i] = y.x[at] * self._foot_volumes

    def distances(self) -> Floats:
        """(N,) of the nodes from the 0 end of the root along the tree, µm."""
        return self.dendrite.distances()

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See Fields: fields become even along the whole site."""
        super().write_counts(counts, rng)
        self._show_all()

    def write_field(self, site: int, species: str, values: npt.ArrayLike) -> None:
        """See Fields."""
        super().write_field(site, species, values)
        self._show_all()

    def _show_all(self) -> None:
        self._show()
        counts = self._segments.counts(self.densities[0]) + self._held()
        self.read("means_along")[...] = counts @ self.network.observable_weights.T

    def save(self) -> State:
        return {**super().save(), "mesh": np.array([len(self.dendrite.segments), len(self._feet)], dtype=np.int64)}

    # -- checks -----------------------------------------------------------------------------------------------

    def _check_inputs(self, k: int) -> None:
        super()._check_inputs(k)
        for port in ("influx_along", "influx_feet"):
            for i, name in enumerate(self.setup.injected):
                if not np.isfinite(self.read(port)[:, i]).all():
                    raise RunError(f"{self._where(k)}: the influx of {name} is not finite")
        held = self.read("counts_along")[:, [self.network.index(s) for s in self.setup.injected]]
        short = -self.read("influx_along") - np.maximum(held, 0.0) > self._tolerance.atol
        for i, name in enumerate(self.setup.injected):
            if name not in self.setup.clamped and short[:, i].any():
                where = self.cable.segments[int(np.argmax(short[:, i]))]
                raise RunError(f"{self._where(k)}: more {name} leaves {where} than there is")

    def attributes(self) -> dict[str, Any]:
        """See SiteEngine: volumes and distances of the segments, and the branch of each."""
        branch = [b.name for b in self.cable.branches for _ in b.radii]
        return {
            "segment_volume_um3": list(self.cable.volumes),
            "segment_distance_um": list(self.cable.distances),
            "segment_branch": branch,
        }

    def describe(self) -> Sequence[str]:
        """See SiteEngine: the mesh."""
        q, shared = self.dendrite.quality(), self._shared
        parts = () if shared is None else (f"{self.sites[0].name}: {shared.describe()}",)
        return (
            f"mesh of {self.sites[0].name}: {q['cells']:g} cells of {q['shortest']:.4g} to {q['longest']:.4g} um along "
            f"{len(self.cable.branches)} sections, neighbouring radii differ by up to {q['largest_jump']:.3g} times, "
            f"{len(self._feet)} necks",
            *parts,
        )

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: radii that jump."""
        fields_of(setup.network.with_clamped(setup.clamped), setup.injected)
        jumps = ((b.name, max(p / q, q / p)) for b in _cable_of(setup).branches for p, q in pairwise(b.radii))
        return [
            f'site "{setup.sites[0].name}": neighbouring radii of {name} differ {jump:.3g} times: a line does not see '
            "how a field spreads there"
            for name, jump in jumps
            if jump > JUMP
        ]


def _cable_of(setup: EngineSetup) -> Cable:
    (site,) = setup.sites
    assert site.cable is not None
    return site.cable


def _mesh(setup: EngineSetup, cable: Cable) -> Dendrite:
    o = setup.options if isinstance(setup.options, Options) else Options()
    if o.mesh is not None or o.cells not in (None, "interval"):
        given = "mesh" if o.mesh is not None else "cells"
        raise InputError(f'{given}: a site along sections is a line: leave it out, or cells = "interval"')
    return mesh_dendrite(cable.branches, 2, o.degree, resolution=o.resolution or LONGEST_CELL, feet=cable.feet)
