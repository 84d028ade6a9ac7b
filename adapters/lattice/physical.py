"""The engine `lattice` in its physical mode: sites with every molecule on a cubic lattice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adapters.lattice.calibrate import Calibration, calibrate
from adapters.lattice.engine import Lattice, spacing_of
from adapters.lattice.kernel import FEW, FULL, OK, run
from adapters.lattice.mask import Mask, mask_of
from adapters.lattice.moves import put_all
from adapters.lattice.options import LatticeOptions
from adapters.lattice.tables import (
    FIXED,
    MEMBRANE,
    Integer,
    Molecules,
    Tables,
    build_molecules,
    build_tables,
    check_reactions,
)
from couple.component import Floats, State
from couple.engine import EngineSetup, Site
from couple.errors import InputError, RunError
from couple.network import ReactionNetwork
from couple.random import exponential, generator, stream

CROWDED = 0.1
"""Share of sites above which diffusion and rates are visibly those of a crowd."""


class PhysicalLattice(Lattice):
    """Molecules on a cubic lattice, one per site in the volume and one per face on the membrane.

    Mobile species hop at their own rate, at most once a visit; encounters react with the probability that gives the
    macroscopic rate (adapters.lattice.calibrate); membrane species sit on the faces of the geometry's membrane and do
    not move. Counts follow the analytic volume and area of the geometry, whatever the cells add up to.

    A site's random streams are keyed by the seed, "lattice" and its own name: neither the component nor the other
    sites of it enter, and how ticks are grouped into windows does not matter.

    A clamp puts in and takes out molecules at random places in every inner step, so a molecule that was just released
    may be the one that is taken; where few are held (below ten) rebinding to the same partner is a little too rare.
    """

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        spacing = _spacing(setup)
        self.masks: list[Mask] = []
        self.tables: list[Tables] = []
        self.molecules: list[Molecules] = []
        for site, rates in zip(self.sites, self.rates, strict=True):
            mask, calibration = _prepare(self.network, site, rates, spacing)
            tables = build_tables(
                self.network, calibration, mask, setup.tick, self.injected_columns, self.clamped_columns
            )
            words = stream(setup.seed, "lattice", site.name, "steps")
            molecules = build_molecules(self.network, tables, mask, words)
            molecules.wait[0] = exponential(words)
            self.masks.append(mask)
            self.tables.append(tables)
            self.molecules.append(molecules)
            rng = generator(setup.seed, "lattice", site.name, "placement")
            self._place(len(self.tables) - 1, np.array(site.initial, dtype=np.int64), rng)
        self._steps_per_tick = round(setup.tick / float(self.tables[0].step[0]))

    def advance(self, ticks: int) -> None:
        """See Component. Raises RunError if a site is full, or if more ions are taken from it than it holds."""
        influx, clamp = self.read("influx"), self.read("clamp")
        counts, means = self.read("counts"), self.read("means")
        steps = ticks * self._steps_per_tick
        for k, (tables, molecules) in enumerate(zip(self.tables, self.molecules, strict=True)):
            status = run(tables, molecules, k, steps, influx, clamp, counts, means)
            if status != OK:
                self._fail(k, status)

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """See SiteEngine; molecules go uniformly to sites and faces."""
        whole = self.checked_counts(counts)
        for k in range(len(self.sites)):
            self._check_room(k, whole[k])
        for k in range(len(self.sites)):
            self._clear(k)
            self._place(k, whole[k], rng)

    def positions(self, site: int, species: str) -> Floats:
        """(n, 3) positions of all molecules of a species, µm: centres of cells, or of faces on the membrane."""
        column = self.network.names.index(species) if species in self.network.names else -1
        if column < 0:
            raise InputError(f'"{self.name}" has no species "{species}"')
        t, m, mask = self.tables[site], self.molecules[site], self.masks[site]
        at = int(t.list_of[column])
        places = m.lists[t.start[at] : t.start[at] + m.length[at]]
        if t.kind[column] == MEMBRANE:
            return mask.face_positions(places)
        return mask.positions(places[m.lattice[places] == column + 1])

    def save(self) -> State:
        """See Component. The lattice itself is left out: it follows from the lists."""
        state: State = {}
        for k, (t, m) in enumerate(zip(self.tables, self.molecules, strict=True)):
            places = [m.lists[a : a + n] for a, n in zip(t.start, m.length, strict=True)]
            codes = [(m.face if s else m.lattice)[p] for s, p in zip(t.surface, places, strict=True)]
            state |= {
                f"site{k}.places": np.concatenate([*places, np.empty(0, dtype=np.int32)]),
                f"site{k}.codes": np.concatenate([*codes, np.empty(0, dtype=np.uint8)]),
                f"site{k}.length": m.length.copy(),
                f"site{k}.reservoir": m.reservoir.copy(),
                f"site{k}.words": m.words.copy(),
                f"site{k}.wait": m.wait.copy(),
                f"site{k}.countdown": m.countdown.copy(),
            }
        return state

    def restore(self, state: State) -> None:
        """See Component."""
        for k, (t, m) in enumerate(zip(self.tables, self.molecules, strict=True)):
            saved = {key: np.asarray(state[f"site{k}.{key}"]) for key in _SAVED}
            self._clear(k)
            for key in ("length", "reservoir", "words", "wait", "countdown"):
                getattr(m, key)[...] = saved[key]
            places, codes = saved["places"], saved["codes"]
            ends = np.cumsum(m.length)
            for at, (n, end) in enumerate(zip(m.length, ends, strict=True)):
                here, code = places[end - n : end], codes[end - n : end]
                m.lists[t.start[at] : t.start[at] + n] = here
                table, entry = (m.face, m.face_entry) if t.surface[at] else (m.lattice, m.entry)
                table[here] = code
                entry[here] = np.arange(n) if t.surface[at] or at >= len(t.period) else 0
            m.population[:] = np.bincount(codes.astype(np.int64), minlength=len(m.population) + 1)[1:]
            self._show(k)

    @classmethod
    def check(cls, setup: EngineSetup) -> list[str]:
        """See SiteEngine: crowded sites and encounters that nearly always react."""
        network = setup.network.with_clamped(setup.clamped) if setup.clamped else setup.network
        spacing = _spacing(setup)
        warnings = []
        for site in setup.sites:
            rates = network.count_rates(site.geometry.volume, site.geometry.area)
            mask, calibration = _prepare(network, site, rates, spacing)
            held = sum(n for n, s in zip(site.initial, network.species, strict=True) if s.on == "volume")
            if held > CROWDED * len(mask.cells):
                warnings.append(
                    f'site "{site.name}": {held} molecules fill {held / len(mask.cells):.0%} of {len(mask.cells)} '
                    f"lattice sites; diffusion slows down by that much, take less than {spacing * 1e3:g} nm"
                )
            warnings += [
                f'site "{site.name}": {p:.0%} of the encounters of "{reaction}" react at {spacing * 1e3:g} nm; '
                "kinetics at short times suffer, take a larger one"
                for reaction, p in calibration.crowded
            ]
        return warnings

    # -- one site ---------------------------------------------------------------------------------------------

    def _check_room(self, k: int, counts: npt.NDArray[np.int64]) -> None:
        """Raise InputError if the molecules do not fit on the sites and faces."""
        membrane = self.tables[k].kind == MEMBRANE
        for chosen, room, what in (
            (~membrane, len(self.masks[k].cells), "site"),
            (membrane, len(self.masks[k].slots), "face"),
        ):
            n = int(counts[chosen].sum())
            if n > room:
                where = "lattice sites" if what == "site" else "membrane faces"
                raise InputError(
                    f'site "{self.sites[k].name}" has {n} molecules for {room} {where} at a spacing of '
                    f"{self.masks[k].spacing * 1e3:g} nm; take a smaller spacing"
                )

    def _place(self, k: int, counts: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
        """Put `counts` (n_species,) molecules uniformly into an empty site."""
        self._check_room(k, counts)
        t, m, mask = self.tables[k], self.molecules[k], self.masks[k]
        membrane = t.kind == MEMBRANE
        species = np.repeat(np.flatnonzero(~membrane), counts[~membrane])
        put_all(t, m, species, rng.choice(mask.cells, len(species), replace=False))
        # An immobile molecule in front of a protein would keep everything from it for good.
        species = np.repeat(np.flatnonzero(membrane), counts[membrane])
        faces = rng.permutation(mask.slots)
        front = m.lattice[mask.slot_cell[faces]]
        blocked = np.isin(front, np.flatnonzero(t.kind == FIXED) + 1)
        put_all(t, m, species, faces[np.argsort(blocked, kind="stable")][: len(species)])
        self._show(k)

    def _clear(self, k: int) -> None:
        """Take all molecules out of a site."""
        t, m = self.tables[k], self.molecules[k]
        for at, surface in enumerate(t.surface):
            places = m.lists[t.start[at] : t.start[at] + m.length[at]]
            (m.face if surface else m.lattice)[places] = 0
        m.length[:] = 0
        m.population[:] = 0
        m.revision[:] = (0, -1, -1)

    def _show(self, k: int) -> None:
        """Write the counts of a site to its output."""
        m = self.molecules[k]
        self.read("counts")[k] = np.concatenate([m.population, m.reservoir])

    def _fail(self, k: int, status: Integer) -> None:
        site, mask = self.sites[k], self.masks[k]
        if status == FULL:
            raise RunError(
                f'site "{site.name}" is full: no free place among {len(mask.cells)} lattice sites and '
                f"{len(mask.slots)} membrane faces at a spacing of {mask.spacing * 1e3:g} nm"
            )
        influx = dict(zip(self.setup.injected, self.read("influx")[k].tolist(), strict=True))
        held = dict(zip(self.network.names, self.molecules[k].population.tolist(), strict=True))
        if status == FEW:
            short = next(s for s, n in influx.items() if -n > held[s])
            raise RunError(f'site "{site.name}": {-influx[short]:g} {short} are to leave, it holds {held[short]}')
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        raise RunError(f'site "{site.name}" got an input that is no count: influx {influx}, clamp {clamp}')


_SAVED = ("places", "codes", "length", "reservoir", "words", "wait", "countdown")


def _spacing(setup: EngineSetup) -> float:
    assert isinstance(setup.options, LatticeOptions)  # Lattice made sure
    return spacing_of(setup.options)


def _prepare(network: ReactionNetwork, site: Site, rates: Floats, spacing: float) -> tuple[Mask, Calibration]:
    """Mask and calibrated rates of a site. Raises InputError, with the site's name, if they cannot be had."""
    try:
        check_reactions(network)
        mask = mask_of(site.geometry, spacing)
        held = sum(n for n, s in zip(site.initial, network.species, strict=True) if s.on == "volume" and s.D == 0)
        return mask, calibrate(network, rates, mask.volume, spacing, mask.open_share, 1.0 - held / len(mask.cells))
    except InputError as error:
        raise InputError(f'site "{site.name}": {error.message}') from None
