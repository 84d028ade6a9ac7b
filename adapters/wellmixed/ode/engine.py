"""Engine `ode`: mass action of well-mixed sites, in real numbers of molecules."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapters.wellmixed.common import codes
from adapters.wellmixed.common.base import Failure, ResizableWellMixed, SiteArrays
from adapters.wellmixed.common.packing import pack
from adapters.wellmixed.ode import kernel
from adapters.wellmixed.ode.below_zero import taken_below_zero
from adapters.wellmixed.ode.elimination import eliminate
from couple.base.arrays import Floats, Ints
from couple.base.errors import RunError
from couple.components import engine
from couple.components.calls import Call
from couple.components.capabilities import CountsValidity
from couple.components.component import State
from couple.components.engine import EngineSetup
from couple.components.kernel_calls import kernel_call
from couple.components.state import refuse_outside

log = logging.getLogger(__name__)


class OdeOptions(engine.Options):
    """rtol, atol: error allowed in an inner step, relative and in molecules.

    steps: equal inner steps per window instead.
    """

    rtol: float = Field(1e-5, gt=0, lt=1, strict=True)
    atol: float = Field(1e-4, gt=0, lt=1, strict=True)
    steps: int = Field(0, ge=0, le=10**6, strict=True)


class MassAction(ResizableWellMixed, CountsValidity):
    """Mass action, dn/dt = Σ change × rate × Π n, by an L-stable Rosenbrock method of order 4 with adaptive steps.

    Influx enters at a constant rate. A clamped species is held at the input `clamp`. `means` are integrals of the same
    order. Two of a kind meet at rate × n², the limit of many molecules. Conservation holds to rounding. A count that
    vanishes may fall below zero by about `atol`; 100 `atol` and 0.001 molecules below zero stop the run. But where a
    rate law consumes a species of which there is none, and has a rate below zero, the equations are followed: it warns
    once and counts.

    inner: (n_sites,) inner step to try next, ms; 0 before the first window. below_zero: (n_sites,) windows at whose end
    such a species was below zero.
    """

    integer = False
    rate_laws = True
    voltage_order = 2
    Options: ClassVar[type[engine.Options]] = OdeOptions

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        options = setup.options if isinstance(setup.options, OdeOptions) else OdeOptions()
        self._rtol, self._atol, self._steps = options.rtol, options.atol, options.steps
        unbounded = taken_below_zero(self.network)
        plan = eliminate(self.network, setup.clamped, setup.injected, unbounded)
        self._packed = pack(plan.tables)
        self._rates = self._make_rates(plan.order, plan.tape, plan.sign)
        n, n_clamped = len(self.network.states), len(setup.clamped)
        self._work = kernel.work_size(
            n - n_clamped, n + 1, plan.tape.size, plan.n_entries, len(self.network.observables)
        )
        self.inner = np.zeros(len(setup.sites))
        self.below_zero = np.zeros(len(setup.sites), dtype=np.int64)
        self._unbounded = np.array(sorted(self.network.index(s) for s in unbounded), dtype=np.int64)
        self._least = -max(kernel.LEAST_BELOW, kernel.BELOW * self._atol)
        self._warned = False
        self._follow_voltage(plan.order)

    def _new_scratch(self) -> Floats:
        return np.empty(self._work)

    def _site_arrays(self) -> SiteArrays:
        return {"rates": self._rates, **self._private()}

    def _advance_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays, scratch: Any) -> Failure:
        code, site, column = kernel.advance(
            self._packed,
            ports["counts"],
            ports["influx"],
            ports["clamp"],
            ports["means"],
            own["rates"],
            own["inner"],
            scratch,
            ticks * self.setup.tick,
            self._steps,
            self._rtol,
            self._atol,
        )
        return code, site, column

    def calls(self, ticks: int) -> list[Call]:
        """See Component."""
        if self.threads.most > 1 or self.voltage_rates is not None or self._counts:
            return super().calls(ticks)
        ports, own = self._views, self._site_arrays()
        arrays = [*(ports[key] for key in ("counts", "influx", "clamp", "means")), own["rates"], own["inner"]]
        numbers = np.array([ticks * self.setup.tick, self._rtol, self._atol, self._steps])
        n = len(self.sites)

        def answer(said: int) -> None:
            code, place = said % 8, said // 8
            raise RunError(self._message(code, place % n, place // n))

        kept = [self._packed, *arrays, self.scratch[0], numbers]
        return [kernel_call(kernel.advance_of, kept, answer, partial(self.advance, ticks))]

    def _private(self) -> dict[str, npt.NDArray[np.generic]]:
        private = {"inner": cast("npt.NDArray[np.generic]", self.inner)}
        return {**private, "below_zero": cast("npt.NDArray[np.generic]", self.below_zero)} if self._counts else private

    @property
    def _counts(self) -> bool:
        """Whether there are species that a law may take below zero."""
        return len(self._unbounded) > 0

    def _end_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> None:
        if self._counts:
            own["below_zero"][...] += (ports["counts"][:, self._unbounded] < self._least).any(axis=1)

    def _warn_if_invalid(self) -> None:
        """Warn, once, of what a law has taken below zero."""
        if self._warned or not self.below_zero.any():
            return
        self._warned = True
        row = int(self.below_zero.argmax())
        counts = self.read("counts")[row, self._unbounded]
        column = int(self._unbounded[counts.argmin()])
        log.warning(
            '%s: "%s" is below zero (%.4g molecules): a rate law consumes it where there is none left. The numbers are '
            "those of its equations, not of any molecules; ssa stops such a reaction",
            self._where(row), self.network.states[column], counts.min(),
        )  # fmt: skip

    def validity_counts(self) -> dict[str, Ints]:
        """See CountsValidity."""
        return {"below_zero": self.below_zero} if self._counts else {}

    def restore(self, state: State) -> None:
        """See WellMixed. Raises InputError for an inner step with which it would never end."""
        refuse_outside(state.get("inner", 0.0), 0, np.inf, "inner")
        if self._counts:
            refuse_outside(state.get("below_zero", 0), 0, np.iinfo(np.int64).max, "below_zero")
        super().restore(state)

    def _message(self, code: int, site: int, column: int) -> str:
        if code in (codes.COLLAPSED, codes.NEGATIVE):
            what = f'{self._where(site)}: "{self.network.states[column]}"'
            count = self.read("counts")[site, column]
            if code == codes.NEGATIVE:
                laws = "; a rate law may take it where there is none" if self.network.laws else ""
                return f"{what} is negative ({count:g}): ask for more with rtol, atol or steps{laws}"
            return (
                f"{what} (now {count:g}) cannot be integrated: the inner step fell to {self.inner[site]:.3g} ms; "
                "check the rates and the volume of the site"
            )
        return self._input_message(site, clamp=code == codes.BAD_CLAMP, too_few=code == codes.TOO_FEW)
