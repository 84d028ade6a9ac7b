"""The engine `lattice` in its physical mode: sites with every molecule on a cubic lattice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.lattice.common.base import LatticeBase
from adapters.lattice.common.compiled import Integer
from adapters.lattice.common.domain import WALL
from adapters.lattice.common.mask import Mask
from adapters.lattice.common.options import LatticeOptions, spacing_of
from adapters.lattice.common.recorders import Recorders, recorder_ports
from adapters.lattice.common.site_mask import mask_for
from adapters.lattice.physical.calibrate import (
    Calibration,
    CalibrationGeometry,
    calibrate,
    refuse_far_too_fast,
)
from adapters.lattice.physical.encounters import FULL, NOT_WHOLE, OK, TOO_FEW, TOO_MANY
from adapters.lattice.physical.kernel import run
from adapters.lattice.physical.molecules import add_molecules
from adapters.lattice.physical.neck_opening import NeckOpening, cross_opening, neck_opening_of
from adapters.lattice.physical.tables import (
    FIXED,
    MEMBRANE,
    RATED,
    LatticeMolecules,
    LatticeTables,
    build_molecules,
    build_tables,
    check_reactions,
    largest_rates,
)
from couple.base.arrays import Floats
from couple.base.budget import TOO_FAST, check_steps
from couple.base.errors import InputError, RunError, nearest
from couple.chemistry.meeting import check_meetings, coarse_cells
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import HasNeckOpenings
from couple.components.component import Port, State
from couple.components.engine import EngineSetup, Site
from couple.components.state import fitting, refuse_outside
from couple.rng.streams import exponential, generator, next_word, stream

CROWDED = 0.1
"""Share of sites above which diffusion and rates are visibly those of a crowd."""


class PhysicalLattice(LatticeBase, HasNeckOpenings):
    """Molecules on a cubic lattice, one per site in the volume and one per face on the membrane.

    Mobile species hop at their own rate, at most once a step; encounters react with the probability that gives the
    macroscopic rate (`calibrate`); membrane species sit on the faces of the geometry's membrane, or walk
    over them. Counts follow the analytic volume and area of the geometry, whatever the cells add up to.

    A site's random streams are keyed by the seed, "lattice" and its own name: neither the component nor the other
    sites of it enter, and how ticks are grouped into windows does not matter (but for what
    crosses the opening of a neck: it does so at the start of a window, the nearest molecules going out).

    A clamp puts in and takes out molecules at random places in every inner step, so a molecule that was just released
    may be the one that is taken; where few are held (below ten) rebinding to the same partner is a little too rare. A
    count that is no whole number is held as the next lower and the next higher one in turn, right on average.
    """

    drawn = ("words", "wait")
    voltage_order = 1

    def __init__(self, setup: EngineSetup) -> None:
        options = _options(setup)
        check_meetings(setup.network)
        masks = [_checked_mask(setup, setup.network, site) for site in setup.sites]
        ports = recorder_ports(options, setup.network, [mask.domain for mask in masks])
        own = options.shape is None and options.mask is None and not options.shapes  # the cylinder of the site
        self._openings = [
            _opening_of(site, mask) if own else None for site, mask in zip(setup.sites, masks, strict=True)
        ]
        super().__init__(setup, ports, _opening_ports(setup) if any(self._openings) else None)
        self._recorders = [Recorders(mask.domain, self.network) for mask in masks]
        self.masks: list[Mask] = []
        self.tables: list[LatticeTables] = []
        self.molecules: list[LatticeMolecules] = []
        for site, rates, mask in zip(self.sites, self.rates, masks, strict=True):
            calibration = _calibrated(self.network, site, rates, mask)
            tables = build_tables(
                self.network,
                calibration,
                mask,
                setup.tick,
                self.injected_columns,
                self.clamped_columns,
                options.permeability,
                site.entry,
            )
            words = stream(setup.seed, "lattice", site.name, "steps")
            phases = np.array(
                [next_word(stream(setup.seed, "lattice", site.name, f"clamp {s}")) for s in setup.clamped],
                dtype=np.uint64,
            )
            molecules = build_molecules(self.network, tables, mask, words, phases)
            molecules.wait[0] = exponential(words)
            self.masks.append(mask)
            self.tables.append(tables)
            self.molecules.append(molecules)
            rng = generator(setup.seed, "lattice", site.name, "placement")
            self._place(len(self.tables) - 1, np.array(site.initial, dtype=np.int64), rng)
        if self.voltage_rates is not None:
            self._columns = [self.voltage_rates.columns(t.first_reaction) for t in self.tables]
            self._at_no_voltage = [t.first_rate.copy() for t in self.tables]
        pairs = zip(setup.sites, self.tables, strict=True)
        self._steps_per_tick = [self._steps_in_tick(site, float(t.step[0])) for site, t in pairs]

    def _steps_in_tick(self, site: Site, step: float) -> int:
        n = self.setup.tick / step
        check_steps(n, f'site "{site.name}"', "take a larger lattice.spacing, a smaller D, or a shorter exchange")
        return round(n)

    def advance(self, ticks: int) -> None:
        """See Component. Raises RunError if a site is full, or if more ions are taken from it than it holds."""
        influx, clamp = self.read("influx"), self.read("clamp")
        counts, means = self.read("counts"), self.read("means")

        def advance_site(k: int) -> None:
            self._cross_opening(k)
            self._set_voltage(k)
            steps = ticks * self._steps_per_tick[k]
            status = run(self.tables[k], self.molecules[k], k, steps, influx, clamp, counts, means)
            if status != OK:
                self._raise_status(k, status)
            self._write_recorders(k)

        self.threads.each(len(self.sites), advance_site)

    def _set_voltage(self, k: int) -> None:
        """Rates of first order at the V of the coming window, and the largest of each list."""
        if self.voltage_rates is None:
            return
        t, (columns, factor_of) = self.tables[k], self._columns[k]
        factors = self.voltage_rates.factors(self.read("v")[k : k + 1])[0]
        t.first_rate[columns] = self._at_no_voltage[k][columns] * factors[factor_of]
        t.list_rate[:] = largest_rates(t.first_of, t.first_rate, t.list_of, len(t.list_rate))
        self.molecules[k].revision[RATED] = -1

    def _cross_opening(self, k: int) -> None:
        """Let molecules through the opening of a neck, at the start of a window."""
        opening = self._openings[k]
        if opening is None:
            return
        t, m = self.tables[k], self.molecules[k]
        for species, n in zip(self.injected_columns, self.read("influx_opening")[k], strict=True):
            if not np.isfinite(n):
                raise RunError(f'site "{self.sites[k].name}" got an input that is no count: {n} through its opening')
            if n != np.floor(n):
                self._raise_status(k, NOT_WHOLE, "influx_opening")
            if n != 0.0 and (status := cross_opening(t, m, opening.cells, opening.distance2, species, int(n))) != OK:
                self._raise_status(k, status, "influx_opening")

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
            raise InputError(f'"{self.name}" has no species "{species}"; {nearest(species, self.network.names)}')
        t, m, mask = self.tables[site], self.molecules[site], self.masks[site]
        at = int(t.list_of[column])
        places = m.lists[t.start[at] : t.start[at] + m.length[at]]
        if t.kind[column] == MEMBRANE:
            return mask.face_positions(places[m.face[places] == column + 1])
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
                f"site{k}.phase": m.phase.copy(),
                f"site{k}.unsorted": m.unsorted.copy(),
                f"site{k}.clamp_phase": m.clamp_phase.copy(),
            }
        return state

    def restore(self, state: State) -> None:
        """See Component."""
        for k, (t, m) in enumerate(zip(self.tables, self.molecules, strict=True)):
            saved = {key: np.asarray(state[f"site{k}.{key}"]) for key in _SAVED}
            _refuse_unfit(t, m, saved, len(self.network.species))
            self._clear(k)
            for key in _FIXED:
                getattr(m, key)[...] = saved[key]
            places, codes = saved["places"], saved["codes"]
            ends = np.cumsum(m.length)
            for at, (n, end) in enumerate(zip(m.length, ends, strict=True)):
                here, code = places[end - n : end], codes[end - n : end]
                m.lists[t.start[at] : t.start[at] + n] = here
                table, entry = (m.face, m.face_entry) if t.surface[at] else (m.lattice, m.entry)
                table[here] = code
                if t.surface[at] or at >= len(t.pace):
                    entry[here] = np.arange(n)
            m.population[:] = np.bincount(codes.astype(np.int64), minlength=len(m.population) + 1)[1:]
            self._write_outputs(k)

    def attributes(self) -> dict[str, Any]:
        """See SiteEngine: the lattice of each site, and the species behind the codes of a snapshot.

        spacing, first_cell: (n_sites,) edge of a cell and (n_sites, 3) centre of the first one, µm.
        """
        return {
            "shape": [m.domain.shape for m in self.masks],
            "codes": ["", *self.network.names],
            "spacing": [m.spacing for m in self.masks],
            "first_cell": [(m.origin + m.spacing * np.array(m.domain.halo)).tolist() for m in self.masks],
        }

    @classmethod
    def network_of(cls, setup: EngineSetup) -> ReactionNetwork:
        """See SiteEngine: absorbing walls add a reservoir for each species that can reach them."""
        network = super().network_of(setup)
        if any("absorbing" in pair for pair in _options(setup).boundary):
            network = network.with_absorbed(s.name for s in network.species if s.on == "volume" and s.D > 0)
        return network

    @classmethod
    def check(cls, setup: EngineSetup) -> list[str]:
        """See SiteEngine: crowded sites and encounters that nearly always react."""
        network = cls.network_of(setup)
        check_meetings(network)
        warnings = []
        for site in setup.sites:
            rates = network.count_rates(site.geometry.volume, site.geometry.area)
            mask = _checked_mask(setup, network, site)
            calibration, spacing = _calibrated(network, site, rates, mask), mask.spacing
            held = sum(n for n, s in zip(site.initial, network.species, strict=True) if s.on == "volume")
            if held > CROWDED * mask.n_cells:
                warnings.append(
                    f'site "{site.name}": {held:.6g} molecules fill {held / mask.n_cells:.0%} of {mask.n_cells} '
                    f"lattice sites; diffusion slows down by that much, take less than {spacing * 1e3:g} nm"
                )
            coarse = coarse_cells(network, site.initial, site.geometry.volume, spacing)
            warnings += [f'site "{site.name}": {text}' for text in coarse]
            if calibration.crowded:
                reaction, p = max(calibration.crowded, key=lambda found: found[1])
                others = f" (and {n} more reactions)" if (n := len(calibration.crowded) - 1) else ""
                warnings.append(
                    f'site "{site.name}": {p:.0%} of the encounters of "{reaction}"{others} react at '
                    f"{spacing * 1e3:g} nm; kinetics at short times suffer, take a larger one"
                )
        return warnings

    # -- one site ---------------------------------------------------------------------------------------------

    def _check_room(self, k: int, counts: npt.NDArray[np.int64]) -> None:
        """Raise InputError if the molecules do not fit on the sites and faces."""
        membrane = self.tables[k].kind == MEMBRANE
        for chosen, room, what in (
            (~membrane, self.masks[k].n_cells, "site"),
            (membrane, len(self.tables[k].slots), "face"),
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
        add_molecules(t, m, species, mask.draw(len(species), rng))
        if not membrane.any():
            self._write_outputs(k)
            return
        # An immobile molecule in front of a protein would keep everything from it for good.
        regions = np.array([s.region for s in self.network.species])
        for region in sorted({*regions[membrane].tolist()}, reverse=True):  # those with a region first
            chosen = membrane & (regions == region)
            species = np.repeat(np.flatnonzero(chosen), counts[chosen])
            faces = rng.permutation(self._free_faces(k, region, len(species)))
            front = m.lattice[mask.slot_cell[faces]]
            blocked = np.isin(front, np.flatnonzero(t.kind == FIXED) + 1)
            add_molecules(t, m, species, faces[np.argsort(blocked, kind="stable")][: len(species)])
        self._write_outputs(k)

    def _free_faces(self, k: int, region: str, wanted: int) -> npt.NDArray[np.int32]:
        """Membrane faces of a region that nothing is on. Raises InputError if there are fewer than are wanted."""
        faces = self.masks[k].slots_of(region)
        free: npt.NDArray[np.int32] = faces[self.molecules[k].face[faces] == 0]
        if wanted > len(free):
            raise InputError(
                f'site "{self.sites[k].name}" has {wanted} molecules for {len(free)} membrane faces of "{region}" at a '
                f"spacing of {self.masks[k].spacing * 1e3:g} nm; take a smaller spacing"
            )
        return free

    def _clear(self, k: int) -> None:
        """Take all molecules out of a site."""
        t, m = self.tables[k], self.molecules[k]
        for at, surface in enumerate(t.surface):
            places = m.lists[t.start[at] : t.start[at] + m.length[at]]
            (m.face if surface else m.lattice)[places] = 0
        m.length[:] = 0
        m.population[:] = 0
        m.revision[:] = (0, -1, -1)

    def _write_outputs(self, k: int) -> None:
        """Write the counts of a site to its output."""
        m = self.molecules[k]
        self.read("counts")[k] = np.concatenate([m.population, m.reservoir])
        self._write_recorders(k)

    def _write_recorders(self, k: int) -> None:
        """Write what the recorders of a site see, if there are any."""
        t, m = self.tables[k], self.molecules[k]
        if "nn" in self.outputs:
            volume = [m.lists[a : a + n] for a, n, s in zip(t.start, m.length, t.surface, strict=True) if not s]
            sites = np.concatenate([*volume, np.empty(0, dtype=np.int32)])
            self.read("nn")[k], self.read("m2")[k] = self._recorders[k].moments(m.lattice, sites)
        if "snapshot" in self.outputs:
            cells = self._recorders[k].cells(m.lattice)
            self.read("snapshot")[k] = WALL
            self.read("snapshot")[k, : cells.size] = cells

    def _raise_status(self, k: int, status: Integer, port: str = "influx") -> None:
        site, mask = self.sites[k], self.masks[k]
        if status == FULL:
            raise RunError(
                f'site "{site.name}" is full: no free place among {mask.n_cells} lattice sites and '
                f"{len(self.tables[k].slots)} membrane faces at a spacing of {mask.spacing * 1e3:g} nm"
            )
        if status == TOO_MANY:
            raise RunError(f'site "{site.name}": propensities of order 0 and 1 {TOO_FAST}')
        influx = dict(zip(self.setup.injected, self.read(port)[k].tolist(), strict=True))
        held = dict(zip(self.network.names, self.molecules[k].population.tolist(), strict=True))
        if status == TOO_FEW:
            short = next(s for s, n in influx.items() if -n > held[s])
            raise RunError(f'site "{site.name}": {-influx[short]:g} {short} are to leave, it holds {held[short]}')
        if status == NOT_WHOLE:
            raise RunError(f'site "{site.name}": the {port} {influx} is not in whole molecules')
        clamp = dict(zip(self.setup.clamped, self.read("clamp")[k].tolist(), strict=True))
        raise RunError(f'site "{site.name}" got an input that is no count: influx {influx}, clamp {clamp}')


_FIXED = ("length", "reservoir", "words", "wait", "phase", "unsorted", "clamp_phase")
_SAVED = ("places", "codes", *_FIXED)


def _refuse_unfit(
    t: LatticeTables, m: LatticeMolecules, saved: dict[str, npt.NDArray[np.generic]], n_species: int
) -> None:
    """Raise InputError for a saved state that is not of such a lattice: kernels do not look at their indices."""
    for key in _FIXED:
        fitting(saved, key, getattr(m, key))
    for key in ("wait", "phase", "unsorted"):
        refuse_outside(saved[key], 0, _LONG, key)
    places, codes, length = (np.asarray(saved[key]) for key in ("places", "codes", "length"))
    refuse_outside(length, 0, np.diff([*t.start, len(m.lists)]), "length")
    refuse_outside(codes, 1, n_species, "codes")
    if not len(places) == len(codes) == length.sum():
        raise InputError(f"a state holds {len(places)} places for {length.sum()} molecules", where="places")
    sizes = np.where(t.surface, len(m.face), len(m.lattice))
    refuse_outside(places, 0, np.repeat(sizes, length) - 1, "places")
    surface = np.repeat(t.surface.astype(bool), length)
    for table, here in ((m.lattice, places[~surface]), (m.face, places[surface])):
        if (table[here] > n_species).any() or len(np.unique(here)) < len(here):
            raise InputError("a state holds molecules beyond the walls, or several in one cell", where="places")


_LONG = 2.0**53
"""Above every time in steps and every number of molecules, and a whole number in double precision."""


def _options(setup: EngineSetup) -> LatticeOptions:
    assert isinstance(setup.options, LatticeOptions)  # Lattice made sure
    return setup.options


def _opening_of(site: Site, mask: Mask) -> NeckOpening | None:
    """Where a neck opens into a site, if it does and the site is a cylinder."""
    if site.opening_diameter is None or site.geometry.shape != "cylinder":
        return None
    return neck_opening_of(mask, site.geometry, site.opening_diameter)


def _opening_ports(setup: EngineSetup) -> dict[str, Port]:
    return {"influx_opening": Port("count", (len(setup.sites), len(setup.injected)), "extensive", setup.injected)}


def _checked_mask(setup: EngineSetup, network: ReactionNetwork, site: Site) -> Mask:
    """The cells of a site, made only if its reactions are not far too fast for the spacing: many take minutes to make.

    Raises InputError, with the site's name, if there are none.
    """
    try:
        options = _options(setup)
        if options.shape is None and options.mask is None and not options.shapes:
            place = CalibrationGeometry(spacing_of(options), site.geometry.volume)
            refuse_far_too_fast(network, network.count_rates(site.geometry.volume, site.geometry.area), place)
        return mask_for(_options(setup), site.geometry, setup.folder)
    except InputError as error:
        raise InputError(f'site "{site.name}": {error.message}', where=error.where) from None


def _calibrated(network: ReactionNetwork, site: Site, rates: Floats, mask: Mask) -> Calibration:
    """Calibrated rates of a site. Raises InputError, with the site's name, if they cannot be had."""
    try:
        check_reactions(network)
        held = sum(n for n, s in zip(site.initial, network.species, strict=True) if s.on == "volume" and s.D == 0)
        walks = any(s.on == "membrane" for s in network.species)
        place = CalibrationGeometry(
            mask.spacing,
            mask.volume,
            mask.face_area if walks else 0.0,
            mask.domain.dimension,
            mask.open_share,
            mask.membrane.open_share if any(s.on == "membrane" and s.D > 0 for s in network.species) else 1.0,
            max(0.0, 1.0 - held / mask.n_cells),
        )
        return calibrate(network, rates, place)
    except InputError as error:
        raise InputError(f'site "{site.name}": {error.message}') from None
