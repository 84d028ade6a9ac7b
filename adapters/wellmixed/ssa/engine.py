"""Engine `ssa`: exact stochastic simulation of a well-mixed site, molecule by molecule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common import codes
from adapters.wellmixed.common.base import Failure, ResizableWellMixed, SiteArrays
from adapters.wellmixed.common.law_tables import law_message
from adapters.wellmixed.common.packing import pack
from adapters.wellmixed.ssa import kernel
from adapters.wellmixed.ssa.grouping import group
from adapters.wellmixed.ssa.levels import Levels, empty_levels
from couple.base.arrays import Floats
from couple.base.budget import TOO_FAST
from couple.base.errors import RunError
from couple.components.calls import Call
from couple.components.capabilities import EstimatesWork
from couple.components.engine import EngineSetup
from couple.components.kernel_calls import kernel_call
from couple.rng.streams import stream

MANY = 512
"""Groups of reactions (one per species that others react with) above which composition and rejection is the faster way
to choose one (tests/bench/wellmixed.py)."""


class Gillespie(ResizableWellMixed, EstimatesWork):
    """Gillespie's direct method, with the dependencies of reactions worked out beforehand.

    In networks with many species the reaction is chosen by composition and rejection, at a cost that does not grow.

    Influx enters as whole molecules at the times (i + 1/2) / n of the window. A clamped species is held at the input
    `clamp` (any real number, to 1/2^24 of a molecule). `means` are exact time averages.

    events: (n_sites,) reactions that happened so far.
    """

    integer = True
    rate_laws = True
    voltage_order = 2

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        plan = group(self.network, setup.clamped, setup.injected)
        self._packed = pack(plan.tables)
        self._rates = self._make_rates(plan.order, plan.tape)
        self._order = plan.order
        self._work = kernel.work_size(plan.tape.size, len(setup.injected), len(plan.order), plan.n_groups)
        self._groups = plan.n_groups
        self.words = np.array([stream(setup.seed, "ssa", site.name, "reactions") for site in setup.sites])
        self.events = np.zeros(len(setup.sites), dtype=np.int64)
        self._follow_voltage(plan.order)

    def _new_scratch(self) -> tuple[Floats, Levels | None]:
        if self._groups <= MANY:
            return np.empty(self._work), None
        slowest = float(self.rates[self.rates > 0].min(initial=np.inf))
        return np.empty(self._work), empty_levels(self._groups, slowest)

    def _site_arrays(self) -> SiteArrays:
        return {"rates": self._rates, "words": self.words, "events": self.events}

    def _advance_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays, scratch: Any) -> Failure:
        work, levels = scratch
        code = kernel.advance(
            self._packed,
            ports["counts"],
            ports["influx"],
            ports["clamp"],
            ports["means"],
            own["rates"],
            own["words"],
            own["events"],
            work,
            ticks * self.setup.tick,
            levels,
        )
        return code % 8, code // 8, 0

    def calls(self, ticks: int) -> list[Call]:
        """See Component."""
        work, levels = self.scratch[0]
        if self.threads.most > 1 or self.voltage_rates is not None or levels is not None:
            return super().calls(ticks)
        ports = [self._views[key] for key in ("counts", "influx", "clamp", "means")]

        def answer(said: int) -> None:
            raise RunError(self._message(said % 8, said // 8, 0))

        kept = [self._packed, *ports, self._rates, self.words, self.events, work, np.array([ticks * self.setup.tick])]
        return [kernel_call(kernel.advance_of, kept, answer, partial(self.advance, ticks))]

    def work(self) -> Floats:
        """See EstimatesWork: reactions so far."""
        return np.asarray(1.0 + self.events)

    def _private(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"words": self.words, "events": self.events}

    def _message(self, code: int, site: int, column: int) -> str:
        if code != codes.BAD_PROPENSITY:
            return self._input_message(site, clamp=code == codes.BAD_CLAMP, too_few=code == codes.TOO_FEW)
        work, _ = self.scratch[self._broken]
        size, counts = self.sites[site].geometry, work[: len(self.network.states)].tolist()
        if laws := law_message(self.network, size.volume, size.area, counts):
            return f"{self._where(site)}: {laws}"
        n = np.append(work[: len(self.network.states)], 1.0)
        pairs = zip(self.rates[site], self.network.reactant_columns, strict=True)
        found = np.array([rate * n[a] * n[b] for rate, (a, b) in pairs])
        worst = int(np.argmax(np.nan_to_num(found, nan=np.inf, posinf=np.inf)))
        named = f'"{self.network.reactions[worst]}" ({found[worst]:g} /ms)'
        return f"{self._where(site)}: the propensity of {named} and its like {TOO_FAST}"
