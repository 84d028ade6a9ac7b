"""Engine `pde` along whole sections: one field on a branching line under many segments of NEURON."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from adapters.fem.field_engine import FieldEngine, FieldOptions
from adapters.fem.mesh.dendrite import Dendrite, mesh_dendrite
from adapters.fem.solver.distributed import DistributedStepper, HelperRank
from adapters.fem.solver.field_layout import classify_fields
from adapters.fem.solver.segment_sums import SegmentSums
from adapters.fem.solver.system import WindowInputs
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.chemistry.meeting import check_meetings
from couple.components.capabilities import AlongCable, SharedByRanks
from couple.components.component import Component, Port, State
from couple.components.engine import EngineSetup
from couple.geometry.cable import Cable
from couple.parallel.communicator import Team

LONGEST_CELL = 0.5
"""µm, of cells where no resolution is given; a calcium ion diffuses as far in a millisecond."""
JUMP = 3.0
"""Ratio of neighbouring radii above which a line is a poor picture of a dendrite."""


class CableReactionDiffusion(FieldEngine, AlongCable, SharedByRanks):
    """Reaction and diffusion along a dendrite: ∂(A c)/∂t = ∂(A D ∂c/∂s)/∂s + A × reactions + girth × fluxes.

    Cells of constant section in each segment, with the volume and the membrane that NEURON computes with; what crosses
    a section is everywhere the same. What enters a segment is spread over its membrane, what is read of it is its mean;
    necks open into vertices. Ends that do not continue in the site are closed. Ions that leave a segment are taken at
    the start of a window in proportion to what is there, those that leave through a neck over the window at its foot.
    """

    def __init__(self, setup: EngineSetup) -> None:
        self._shared: DistributedStepper | None = None
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
        volume, membrane = self._volume_integrals, self._membrane_integrals = self.dendrite.segment_integrals
        self._segments = SegmentSums(volume, membrane, self._fields, self.network.observable_weights)
        self._volumes, self._areas = np.array(self.cable.volumes), np.array(self.cable.areas)
        self._membrane_shares = csr_array(self._membrane_integrals / self._areas[:, None])
        self._feet = np.array([self.dendrite.node(f.branch, f.x) for f in self.cable.feet], dtype=np.int64)
        self._foot_volumes = self._volumes[[self.cable.segment_of(f) for f in self.cable.feet]]
        stepper = self.steppers[0]
        if observed:
            stepper.watch = self._segments.observed
            stepper.watched = np.zeros(n * len(observed))
        self._write_all_outputs()

    @property
    def _n_segments(self) -> int:
        return len(self.cable.segments)

    # -- ranks ------------------------------------------------------------------------------------------------

    def share(self, team: Team) -> None:
        """See SharedByRanks: every rank steps a piece of the dendrite."""
        watch = self._segments if self.network.observables else None
        self._shared = DistributedStepper(self.steppers[0], watch, team)

    @classmethod
    def helper(cls, name: str, team: Team) -> Component:
        """See SharedByRanks."""
        return HelperRank(name, team)

    def advance(self, ticks: int) -> None:
        """See FieldEngine."""
        with nullcontext() if self._shared is None else self._shared.calling():
            super().advance(ticks)

    def _window(self, k: int, inputs: WindowInputs, span: float, integrals: Floats) -> float:
        if self._shared is None:
            return super()._window(k, inputs, span, integrals)
        y, h, watched = self.densities[k], float(self.inner[k]), self.steppers[k].watched
        return self._shared.window(y, inputs, span, h, self._tolerance, integrals, watched)

    # -- a window ---------------------------------------------------------------------------------------------

    def _prepare_window(self, k: int, span: float) -> WindowInputs:
        inputs = super()._prepare_window(k, span)
        y, f, n, counts = self.densities[k], self._fields, self.network, self.read("counts")[k]
        along, feet = self.read("influx_along"), self.read("influx_feet")
        base = self.steppers[k].layout.first_unknown
        for i, name in enumerate(self.setup.injected):
            if name in self.setup.clamped:
                counts[n.index(f"{name}_clamp")] += along[:, i].sum() + feet[:, i].sum()
                continue
            unknown = base + f.mobile_volume.index(n.index(name))
            inputs.load[unknown] += np.maximum(along[:, i], 0.0) @ self._membrane_shares / span
            np.add.at(inputs.load, unknown[self._feet], feet[:, i] / span)
            leaving = np.minimum(along[:, i], 0.0)
            if leaving.any():
                self._remove_molecules(y.mobile, unknown, leaving)
        return inputs

    def _remove_molecules(self, x: Floats, unknown: npt.NDArray[np.int64], leaving: Floats) -> None:
        """Take molecules (n_segments,) out of each segment, in proportion to what is there."""
        held = self._volume_integrals @ x[unknown]
        share = np.divide(leaving, held, out=np.zeros_like(held), where=held > 0.0)
        x[unknown] *= 1.0 + (share @ self._volume_integrals) / self.steppers[0].volumes

    def _finish_window(self, k: int, mean: Floats, span: float) -> None:
        super()._finish_window(k, mean, span)
        if self.network.observables:
            watched = self.steppers[k].watched.reshape(self._n_segments, -1)
            self.read("means_along")[...] = watched / span + self._clamped_means()
        self._write_outputs()

    # -- what is seen -----------------------------------------------------------------------------------------

    def _clamped_counts(self) -> Floats:
        """(n_segments, n_states) of clamped species: the same concentration everywhere."""
        f, counts = self._fields, self.read("counts")[0]
        out = np.zeros((self._n_segments, len(self.network.states)))
        for columns, size in ((f.clamped_volume, self._volumes), (f.clamped_membrane, self._areas)):
            out[:, list(columns)] = np.outer(size / size.sum(), counts[list(columns)])
        return out

    def _clamped_means(self) -> Floats:
        return np.asarray(self._clamped_counts() @ self.network.observable_weights.T)

    def _write_outputs(self) -> None:
        """Write what segments hold, and what is at the feet of necks, to the outputs."""
        y, f = self.densities[0], self._fields
        self.read("counts_along")[...] = (self._segments.counts(y) + self._clamped_counts())[:, : f.n_species]
        base, counts = self.steppers[0].layout.first_unknown, self.read("counts")[0]
        for i, name in enumerate(self.setup.injected):
            column = self.network.index(name)
            if name in self.setup.clamped:
                self.read("counts_feet")[:, i] = counts[column] / self._volumes.sum() * self._foot_volumes
            else:
                at = base[self._feet] + f.mobile_volume.index(column)
                self.read("counts_feet")[:, i] = y.mobile[at] * self._foot_volumes

    def distances(self) -> Floats:
        """(N,) of the nodes from the 0 end of the root along the tree, µm."""
        return self.dendrite.distances()

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See FieldEngine: fields become even along the whole site."""
        super().write_counts(counts, rng)
        self._write_all_outputs()

    def write_field(self, site: int, species: str, values: npt.ArrayLike) -> None:
        """See FieldEngine."""
        super().write_field(site, species, values)
        self._write_all_outputs()

    def _write_all_outputs(self) -> None:
        self._write_outputs()
        counts = self._segments.counts(self.densities[0]) + self._clamped_counts()
        self.read("means_along")[...] = counts @ self.network.observable_weights.T

    def save(self) -> State:
        """See Component; the numbers of segments and necks tell one mesh from another."""
        return {**super().save(), "mesh": np.array([len(self.dendrite.segments), len(self._feet)], dtype=np.int64)}

    # -- checks -----------------------------------------------------------------------------------------------

    def _check_inputs(self, k: int) -> None:
        super()._check_inputs(k)
        for port in ("influx_along", "influx_feet"):
            for i, name in enumerate(self.setup.injected):
                if not np.isfinite(self.read(port)[:, i]).all():
                    raise RunError(f"{self._label(k)}: the influx of {name} is not finite")
        held = self.read("counts_along")[:, [self.network.index(s) for s in self.setup.injected]]
        short = -self.read("influx_along") - np.maximum(held, 0.0) > self._tolerance.atol
        for i, name in enumerate(self.setup.injected):
            if name not in self.setup.clamped and short[:, i].any():
                where = self.cable.segments[int(np.argmax(short[:, i]))]
                raise RunError(f"{self._label(k)}: more {name} leaves {where} than there is")

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
        check_meetings(setup.network, setup.clamped)
        classify_fields(setup.network.with_clamped(setup.clamped), setup.injected)
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
    o = setup.options if isinstance(setup.options, FieldOptions) else FieldOptions()
    if o.mesh is not None or o.cells not in (None, "interval"):
        given = "mesh" if o.mesh is not None else "cells"
        raise InputError(f'{given}: a site along sections is a line: leave it out, or cells = "interval"')
    return mesh_dendrite(cable.branches, 2, o.degree, resolution=o.resolution or LONGEST_CELL, feet=cable.feet)
