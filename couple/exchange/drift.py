"""Links that carry charge: ions drift and diffuse between two sites, and their current is that of the cable.

At the end of a window the ions at both ends of a neck and the voltages there give the flux of each ion k and how it
changes with the voltage, see `couple.exchange.electrodiffusion`. Over the next window the electrical model has

    I = Σ z_k e [J_k + J'_k (V₁ − V₂ − U)] + g (V₁ − V₂),   U = V₁ − V₂ at the start,

in the place of its own current between the two, g being what untracked ions have, and hands back S = ∫ (V₁ − V₂) dt.
The sites then get J_k τ + J'_k (S − U τ) ions: those whose charge has crossed, to the rounding of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.cache.kernels import njit
from couple.exchange.electrodiffusion import steady_fluxes

CHARGE = 1.602176634e-4
"""fC of an elementary charge."""

FC_PER_NA_MS = 1e3
"""fC in 1 nA ms."""

GAS = 8.31446261815324 / 96485.33212331001 * 1e3
"""RT/F in mV per kelvin."""

ZERO_CELSIUS = 273.15

FIRST, SECOND, GAIN = 0, 1, 2  # columns of `places` of an ion: its molecules at both ends; where what crosses goes
CONDUCTANCE, OFFSET, DROP, V_FIRST, V_SECOND, TOTAL, PIECES, KEEPS = range(8)  # columns of `necks`
CHARGE_NUMBER, DIFFUSIVE, VOLUME_FIRST, VOLUME_SECOND = range(4)  # columns of `sizes` of an ion
FLUX, SLOPE, CROSSED = range(3)  # columns of `ions`, the running values of an ion
GIVEN, AT_START, UNTRACKED, CHARGE_TOTAL, CHARGE_UNTRACKED = range(5)  # columns of `rest`, those of a neck


@dataclass(frozen=True)
class DriftIon:
    """A species that a neck carries. charge: its z. conductance: D A/L, µm³/ms.

    first, second: indices of its molecules; volumes of both sites in µm³. gain: index at which what crosses a window,
    from the first to the second, is written.
    """

    name: str
    species: str
    charge: int
    conductance: float
    first: int
    second: int
    volumes: tuple[float, float]
    gain: int


@dataclass(frozen=True)
class DriftNeck:
    """What lies between two sites and carries ions with their charge.

    sites, segments: names of both ends. conductance, offset, drop, voltages: indices of the electrical model's ports.
    total: index at which the charge that crosses a window (fC) is written. given: µS that the model itself has there.
    pieces: of which the neck is made. ohmic: whether untracked ions carry what the tracked ones lack of `given` at the
    start.
    """

    name: str
    sites: tuple[str, str]
    segments: tuple[str, str]
    ions: tuple[DriftIon, ...]
    conductance: int
    offset: int
    drop: int
    voltages: tuple[int, int]
    total: int
    given: float
    pieces: int
    ohmic: bool


class Drift:
    """All necks that carry charge, once per exchange window.

    ions: (n_ions, 3) FLUX and SLOPE, molecules per ms at the voltages of the start of the window and per mV, and what
    CROSSED so far. rest: (n_necks, 5) µS GIVEN by the model, of the tracked ions AT_START and UNTRACKED; fC that
    crossed in all, and by untracked ions. window: ms. celsius: of the model.
    """

    def __init__(self, necks: Sequence[DriftNeck], window: float, celsius: float) -> None:
        self.necks, self._whole, self._window = tuple(necks), window, window
        self._thermal = GAS * (celsius + ZERO_CELSIUS)
        of_neck = [(j, ion) for j, neck in enumerate(necks) for ion in neck.ions]
        self._starts = np.cumsum([0, *(len(neck.ions) for neck in necks)]).astype(np.int64)
        self._places = np.array([[i.first, i.second, i.gain] for _, i in of_neck], dtype=np.int64).reshape(-1, 3)
        self._sizes = np.array([[i.charge, i.conductance, *i.volumes] for _, i in of_neck], dtype=np.float64).reshape(
            -1, 4
        )
        self._necks = np.array(
            [[k.conductance, k.offset, k.drop, *k.voltages, k.total, k.pieces, k.ohmic] for k in necks], dtype=np.int64
        ).reshape(-1, 8)
        self.ions, self.rest = np.zeros((len(of_neck), 3)), np.zeros((len(necks), 5))
        self._start = np.zeros(len(necks))

    def set_length(self, part: float) -> None:
        """Have the next windows last this part of what was said."""
        self._window = part * self._whole

    def set_volumes(self, volumes: Mapping[str, float]) -> None:
        """Have these sites be of these volumes (µm³) from now on."""
        for j, neck in enumerate(self.necks):
            for side, site in enumerate(neck.sites):
                if site in volumes:
                    self._sizes[self._starts[j] : self._starts[j + 1], VOLUME_FIRST + side] = volumes[site]

    def start(self, memory: Floats) -> None:
        """Empty books; what the electrical model has to begin with, for the amounts and voltages of now."""
        self.ions[...] = self.rest[...] = 0.0
        self.rest[:, GIVEN] = [neck.given for neck in self.necks]
        self.set_currents(memory)
        for j in range(len(self.necks)):
            tracked = memory[self._necks[j, CONDUCTANCE]]
            self.rest[j, AT_START] = tracked
            if self._necks[j, KEEPS]:
                self.rest[j, UNTRACKED] = max(self.rest[j, GIVEN] - tracked, 0.0)
        self.set_currents(memory)

    def set_currents(self, memory: Floats) -> str:
        """What the electrical model has over the next window; the name of a neck whose fluxes were not found, or ""."""
        bad = int(
            set_currents(
                memory,
                self._starts,
                self._places,
                self._sizes,
                self._necks,
                self._thermal,
                self.ions,
                self.rest,
                self._start,
            )
        )
        return "" if bad < 0 else self.necks[bad].name

    def cross(self, memory: Floats) -> None:
        """What has crossed in a window, into the memory and the books."""
        cross(
            memory,
            self._starts,
            self._places,
            self._sizes,
            self._necks,
            self._window,
            self.ions,
            self.rest,
            self._start,
        )

    def saved(self) -> tuple[tuple[str, npt.NDArray[np.generic]], ...]:
        """Arrays that a state has to hold, by name, live."""
        return (("drift.ions", self.ions), ("drift.rest", self.rest), ("drift.start", self._start))


@njit(cache=True)
def set_currents(
    memory: Floats,
    starts: Ints,
    places: Ints,
    sizes: Floats,
    necks: Ints,
    thermal: float,
    ions: Floats,
    rest: Floats,
    start: Floats,
) -> int:
    """Fluxes at the amounts and voltages of now, and the conductance and offset of every neck from them.

    starts: (n_necks + 1,) first ion of each. places, sizes, necks, ions, rest: see the columns' names. thermal: RT/F in
    mV. start: (n_necks,) V1 - V2 now. Returns a neck whose fluxes were not found, or -1.
    """
    bad = -1
    for j in range(len(necks)):
        first, n = starts[j], starts[j + 1] - starts[j]
        ends, fluxes, slopes = np.empty((2, n)), np.zeros(n), np.zeros(n)
        for k in range(n):
            ends[0, k] = max(memory[places[first + k, FIRST]], 0.0) / sizes[first + k, VOLUME_FIRST]
            ends[1, k] = max(memory[places[first + k, SECOND]], 0.0) / sizes[first + k, VOLUME_SECOND]
        start[j] = memory[necks[j, V_FIRST]] - memory[necks[j, V_SECOND]]
        charges = sizes[first : first + n, CHARGE_NUMBER].copy()
        if not steady_fluxes(charges, ends, start[j] / thermal, necks[j, PIECES], fluxes, slopes):
            bad = j
        conductance, offset = 0.0, 0.0
        for k in range(n):
            diffusive = sizes[first + k, DIFFUSIVE]
            ions[first + k, FLUX], ions[first + k, SLOPE] = diffusive * fluxes[k], diffusive * slopes[k] / thermal
            current = charges[k] * CHARGE / FC_PER_NA_MS
            conductance += current * ions[first + k, SLOPE]
            offset += current * (ions[first + k, FLUX] - ions[first + k, SLOPE] * start[j])
        memory[necks[j, CONDUCTANCE]] = conductance + rest[j, UNTRACKED]
        memory[necks[j, OFFSET]] = offset
    return bad


@njit(cache=True)
def cross(
    memory: Floats,
    starts: Ints,
    places: Ints,
    sizes: Floats,
    necks: Ints,
    window: float,
    ions: Floats,
    rest: Floats,
    start: Floats,
) -> None:
    """Molecules of each ion that have crossed in a window (ms), and the charge of each neck; see `set_currents`."""
    for j in range(len(necks)):
        drop = memory[necks[j, DROP]]
        untracked = rest[j, UNTRACKED] * drop * FC_PER_NA_MS
        total = untracked
        for k in range(starts[j], starts[j + 1]):
            crossed = ions[k, FLUX] * window + ions[k, SLOPE] * (drop - start[j] * window)
            memory[places[k, GAIN]] = crossed
            ions[k, CROSSED] += crossed
            total += sizes[k, CHARGE_NUMBER] * CHARGE * crossed
        memory[necks[j, TOTAL]] = total
        rest[j, CHARGE_TOTAL] += total
        rest[j, CHARGE_UNTRACKED] += untracked
