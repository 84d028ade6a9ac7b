"""Engine `langevin`: the chemical Langevin equation of well-mixed sites, in real numbers of molecules."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapters.wellmixed.common import codes
from adapters.wellmixed.common.base import Failure, ResizableWellMixed, SiteArrays
from adapters.wellmixed.common.law_tables import law_message
from adapters.wellmixed.common.packing import pack
from adapters.wellmixed.langevin import kernel
from adapters.wellmixed.langevin.flux_tables import fluxes
from couple.base.arrays import Floats
from couple.components import engine
from couple.components.engine import EngineSetup
from couple.rng.streams import stream

_log = logging.getLogger(__name__)

FEW = 100
"""Molecules below which a normal increment is a poor stand-in for a Poisson one."""
OFTEN, LOOK = 0.01, 1000
"""Share of half steps with noise scaled back that is worth a warning, and how many are looked at first."""


class LangevinOptions(engine.Options):
    """accuracy: inner step as a part of the time in which counts relax (the error goes as its square)."""

    accuracy: float = Field(0.2, gt=0, le=0.5, strict=True)


class Langevin(ResizableWellMixed):
    """The chemical Langevin equation, dn = Σ change × (a dt + sqrt(a) dW), by the weak trapezoidal method.

    Reactions that undo each other share one noise, of the sum of their variances. Influx enters at a constant rate. A
    clamped species is held at the input `clamp`. The inner step follows the rates: `accuracy` over the largest row sum
    of the Jacobian. No species falls below zero: near it the noise that draws on it is scaled back, with mean 0 as
    before, and a warning says when this happens often. A reaction that nothing undoes never runs backwards, so that
    what it puts into a reservoir never falls either. `means` are averages over inner steps.

    extents: (n_sites, n_fluxes) net events of each flux so far; counts follow from them. limited: (n_sites, 2) half
    steps in which noise was scaled back, and all half steps.
    """

    integer = False
    rate_laws = True
    voltage_order = 2
    Options: ClassVar[type[engine.Options]] = LangevinOptions

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        options = setup.options if isinstance(setup.options, LangevinOptions) else LangevinOptions()
        self._accuracy = options.accuracy
        plan = fluxes(self.network, setup.clamped, setup.injected)
        self._packed, self.change = pack(plan.tables), plan.change
        self._rates = self._make_rates(plan.order, plan.tape)
        n_sites = len(setup.sites)
        n_states, n_fluxes = len(self.network.states), len(plan.change)
        self._work = kernel.work_size(n_states, plan.tape.size, len(plan.order), n_fluxes)
        self.words = np.array([stream(setup.seed, "langevin", site.name, "noise") for site in setup.sites])
        self.extents = np.zeros((n_sites, len(plan.change)))
        self.limited = np.zeros((n_sites, 2), dtype=np.int64)
        self._warned = False
        self._follow_voltage(plan.order)

    def _new_scratch(self) -> Floats:
        return np.zeros(self._work)

    def _site_arrays(self) -> SiteArrays:
        return {"rates": self._rates, **self._private()}

    def _advance_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays, scratch: Any) -> Failure:
        code = kernel.advance(
            self._packed,
            ports["counts"],
            ports["influx"],
            ports["clamp"],
            ports["means"],
            own["rates"],
            own["words"],
            own["extents"],
            own["limited"],
            scratch,
            ticks * self.setup.tick,
            self._accuracy,
        )
        return code % 8, code // 8, 0

    def _private(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"words": self.words, "extents": self.extents, "limited": self.limited}

    def _warn_if_invalid(self) -> None:
        """Warn, once, if noise is scaled back often: some count is too low for this engine."""
        if self._warned:
            return
        for site, (cut, steps) in zip(self.sites, self.limited, strict=True):
            if steps >= LOOK and cut > OFTEN * steps:
                self._warned = True
                row = self.read("counts")[self.sites.index(site)]
                low = [s for s, n in zip(self.network.names, row, strict=False) if n < FEW]
                _log.warning(
                    'site "%s": counts are too low for the Langevin equation: in %.0f %% of steps noise had to be '
                    "scaled back to keep them above zero (now below %d: %s); compare with ssa",
                    site.name, 100 * cut / steps, FEW, ", ".join(low[:6]) + (", ..." if len(low) > 6 else ""),
                )  # fmt: skip
                return

    def _message(self, code: int, site: int, column: int) -> str:
        if code == codes.COLLAPSED:
            row = self.read("counts")[site]
            bad = [f'"{s}" ({n:g})' for s, n in zip(self.network.states, row, strict=True) if not np.isfinite(n)]
            what = ", ".join(bad) or "the network"
            return f"{self._where(site)}: {what} cannot be integrated: the rates ask for too small an inner step"
        if code == codes.BAD_PROPENSITY:
            size, counts = self.sites[site].geometry, self.read("counts")[site].tolist()
            return f"{self._where(site)}: {law_message(self.network, size.volume, size.area, counts)}"
        return self._input_message(site, clamp=code == codes.BAD_CLAMP, too_few=code == codes.TOO_FEW)

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: species that start with too few molecules."""
        reacting = {name for reaction in setup.network.reactions for name in (*reaction.reactants, *reaction.products)}
        warnings = []
        for site in setup.sites:
            low = [
                f"{s} ({n:.4g})"
                for s, n in zip(setup.network.names, site.initial, strict=True)
                if n < FEW and s in reacting and s not in setup.clamped
            ]
            if low:
                shown = ", ".join(low[:4]) + (f" and {len(low) - 4} more" if len(low) > 4 else "")
                warnings.append(
                    f'site "{site.name}": {shown} start below {FEW} molecules; the Langevin equation takes counts to '
                    "be large: compare with ssa"
                )
        return warnings
