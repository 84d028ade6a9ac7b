"""The engine `lattice` in its paper mode: sites whose clock counts steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.base import LatticeBase
from adapters.lattice.common.domain import Domain, build_domain
from adapters.lattice.common.options import Couplings, LatticeOptions
from adapters.lattice.common.recorders import recorder_ports
from adapters.lattice.paper import kernel
from adapters.lattice.paper.run import place_all_particles
from adapters.lattice.paper.start import draw_chain
from adapters.lattice.paper.tables import PaperParticles, build_particles, build_rules
from couple.base.arrays import Floats, Words
from couple.base.errors import InputError
from couple.components.component import State
from couple.components.engine import EngineSetup
from couple.components.state import fitting, refuse_outside
from couple.geometry.geometry import Geometry
from couple.rng.streams import generator, stream

_SAVED = ("population", "reservoir", "words", "clock", "pending", "due", "events")


class PaperLattice(LatticeBase):
    """Particles that hop once a step and react with a probability per encounter (adapters.lattice.paper).

    Links and drives cannot reach it: it has neither lengths nor times. Ports `nn`, `m2` and `snapshot` as the options
    ask for, at the end of a window.
    """

    clock = "step"
    drawn = ("words", "pending", "due")

    def __init__(self, setup: EngineSetup) -> None:
        _check_setup(setup)
        options = setup.options
        assert isinstance(options, LatticeOptions)
        self.domain = domain_of(options)
        super().__init__(setup, recorder_ports(options, setup.network, [self.domain] * len(setup.sites)))
        self.row_first = options.selection == "row_first"
        self.rules = build_rules(self.network, self.domain, row_first=self.row_first, reservoirs=options.reservoirs)
        self.particles: list[PaperParticles] = []
        for k, site in enumerate(self.sites):
            words = stream(setup.seed, "lattice", site.name, "steps")
            self.particles.append(build_particles(self.network, self.domain, words, row_first=self.row_first))
            if options.couplings is None:
                self._place(k, [int(n) for n in site.initial], stream(setup.seed, "lattice", site.name, "placement"))
            else:
                self._draw(k, options.couplings, generator(setup.seed, "lattice", site.name, "couplings"))
        self._steps_per_tick = round(setup.tick)
        self._cells = np.zeros(int(np.prod(self.domain.shape)), dtype=np.uint8)
        self._pairs = np.zeros((2, len(self.network.names) * (len(self.network.names) + 1) // 2), dtype=np.int64)
        self._show()
        if options.couplings is not None:  # what is drawn is no initial amount, of which the first means were made
            held = self.read("counts")[:, : len(self.network.names)]
            self.read("means")[:] = held @ self.network.observable_weights[:, : len(self.network.names)].T

    def count_rates(self, geometry: Geometry) -> Floats:
        """The network's rates as they are: per step, or per encounter."""
        return np.array([r.rate for r in self.network.reactions])

    def advance(self, ticks: int) -> None:
        """See Component."""
        weights, means = self.network.observable_weights[:, : len(self.network.names)], self.read("means")
        steps = ticks * self._steps_per_tick

        def advance_site(k: int) -> None:
            sums = np.zeros(len(self.network.names))
            kernel.advance_and_sum(self.rules, self.particles[k], steps, sums)
            means[k] = weights @ (sums / steps)

        self.threads.each(len(self.sites), advance_site)
        self._show()

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; particles go to random free sites, as `selection` says."""
        whole = self.checked_counts(counts)
        for k, row in enumerate(whole):
            self._check_room(k, row)
        for k, row in enumerate(whole):
            self._clear(k)
            words = np.array(rng.integers(0, 2**64, 4, dtype=np.uint64, endpoint=False))
            self._place(k, row.tolist(), words)
        self._show()

    def snapshot(self, site: int) -> npt.NDArray[np.uint8]:
        """Codes of all cells of a site, in the shape of the lattice: 0 empty, species index + 1."""
        return self.domain.inner(self.particles[site].lattice).copy()  # type: ignore[return-value]

    def attributes(self) -> dict[str, Any]:
        """See SiteEngine: the shape of the lattice and the species behind the codes of a snapshot."""
        return {"shape": self.domain.shape[3 - self.domain.dimension :], "codes": ["", *self.network.names]}

    def save(self) -> State:
        """See Component. The lattice itself is left out: it follows from the list."""
        state: State = {}
        for k, m in enumerate(self.particles):
            sites = m.sites[: m.length[0]].copy()
            state |= {f"site{k}.sites": sites, f"site{k}.codes": m.lattice[sites]}
            state |= {f"site{k}.{key}": getattr(m, key).copy() for key in _SAVED}
        return state

    def restore(self, state: State) -> None:
        """See Component."""
        for k, m in enumerate(self.particles):
            sites, codes = np.asarray(state[f"site{k}.sites"]), np.asarray(state[f"site{k}.codes"])
            for key in _SAVED:
                fitting(state, f"site{k}.{key}", getattr(m, key))
            refuse_outside(state[f"site{k}.pending"], -1, len(self.rules.event_rate) - 1, "pending")
            if np.asarray(state[f"site{k}.pending"]).item() >= 0:  # each event of the past would be done first
                refuse_outside(state[f"site{k}.due"], np.asarray(state[f"site{k}.clock"]).item(), np.inf, "due")
            refuse_outside(sites, 0, len(m.lattice) - 1, "sites")
            refuse_outside(codes, 1, len(self.network.species), "codes")
            if not len(sites) == len(codes) == len(np.unique(sites)) <= len(m.sites):
                raise InputError(f"a state holds {len(sites)} particles that do not fit", where="sites")
            self._clear(k)
            m.length[0] = len(sites)
            m.sites[: len(sites)], m.lattice[sites], m.entry[sites] = sites, codes, np.arange(len(sites))
            for key in _SAVED:
                getattr(m, key)[...] = np.asarray(state[f"site{k}.{key}"])
        self._show()

    @classmethod
    def check(cls, setup: EngineSetup) -> list[str]:
        """See SiteEngine."""
        _check_setup(setup)
        return []

    # -- one site ---------------------------------------------------------------------------------------------------

    def _check_room(self, k: int, counts: Sequence[int] | npt.NDArray[np.int64]) -> None:
        n, room = int(sum(counts)), len(self.particles[k].sites)
        if n > room:
            raise InputError(f'site "{self.sites[k].name}" has {n} particles for {room} lattice sites')

    def _place(self, k: int, counts: Sequence[int], words: Words) -> None:
        """Put particles on an empty lattice, with a random stream of its own."""
        self._check_room(k, counts)
        place_all_particles(self.network, self.domain, self.rules, self.particles[k]._replace(words=words), counts)

    def _draw(self, k: int, couplings: Couplings, rng: np.random.Generator) -> None:
        """Put molecules on an empty row of sites as the couplings have them."""
        if len(self.network.names) != 1 or any(self.sites[k].initial):
            name = self.sites[k].name
            raise InputError(f'"{name}" draws its molecules from couplings: one species, and no initial molecules')
        codes = draw_chain(couplings.h, couplings.J, couplings.K, rng.random(self.domain.shape[-1]))
        for site in np.flatnonzero(self.domain.lattice == 0)[codes == 1].tolist():
            kernel.add_particle(self.particles[k], 1, site)

    def _clear(self, k: int) -> None:
        m = self.particles[k]
        m.lattice[m.sites[: m.length[0]]] = 0
        m.length[0] = 0
        m.population[:] = 0

    def _show(self) -> None:
        """Write all outputs but `means`."""
        counts = self.read("counts")
        for k, m in enumerate(self.particles):
            counts[k] = np.concatenate([m.population[1:], m.reservoir])
            if "nn" in self.outputs:
                kernel.moments(self.rules, m, self._pairs[0], self._pairs[1])
                self.read("nn")[k], self.read("m2")[k] = self._pairs
            if "snapshot" in self.outputs:
                kernel.copy_cells(m.lattice, self.rules.layout, self._cells)
                self.read("snapshot")[k] = self._cells


def domain_of(options: LatticeOptions) -> Domain:
    """The lattice that the options describe."""
    assert options.shape is not None
    faces = options.faces(len(options.shape))
    if any("absorbing" in pair for pair in faces):
        raise InputError(
            'lattice.mode = "paper" knows no absorbing walls: take "periodic" or "reflecting"', where="lattice.boundary"
        )
    return build_domain(options.shape, faces)


def _check_setup(setup: EngineSetup) -> None:
    """Raise InputError for what has no place on a lattice without units."""
    for species in (*setup.injected, *setup.clamped):
        raise InputError(f'"{species}" cannot be filled or held from outside: lattice.mode = "paper" has no units')
    if setup.tick < 1 or abs(setup.tick - round(setup.tick)) > 1e-9:
        raise InputError(f'a tick of {setup.tick:g} is no whole number of steps: write exchange = "1 step"')
