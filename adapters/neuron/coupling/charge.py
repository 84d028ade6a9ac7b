"""Ionic charge of coupled segments: the sum of ica·dt over the steps of a window, never a sample of ica.

A point process of a MOD file adds up at every step; for many currents, or without a compiler, a callback of NEURON's
fixed step does, in one pass over all: called once per step, before states advance, with ica as the step has used it, so
that both give the same sum (1,000 point processes cost a tenth of a detailed cell's own time, one pass a hundredth).
Any other ion goes the same way; with MOD files through a pointer to its current, because MOD files name their ions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from adapters.neuron.hoc.h import cvode, h, pc
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess
from adapters.neuron.models.loader import WHERE
from couple.base.errors import InputError
from couple.components.attachments import CALCIUM

MANY = 100
"""Currents from which on one pass is faster than their point processes (measured: 8 ns each against 1 µs a step)."""

FC_PER_DENSITY = -10.0
"""From ∫iX dt in mA·ms/cm² times µm² to inward fC: 1e-2 makes it nA·ms = pC, 1e3 fC; inward is negative in NEURON."""


class IonCurrent(NamedTuple):
    """The current of an ion at a segment, mA/cm²: of "ca" it is `ica`."""

    ion: str
    segment: Any

    @property
    def reference(self) -> Any:
        """NEURON's reference to it."""
        return getattr(self.segment, f"_ref_i{self.ion}")


class ChargeMeter:
    """Accumulators of ∫iX dt of ion currents; whoever reads them sets them to zero.

    accumulators: a variable of NEURON for each current, in their order. to_charge: (n_currents,) from an accumulator to
    the inward charge in fC.
    """

    def __init__(self, currents: Sequence[IonCurrent]) -> None:
        """Raises InputError if charge has to be summed by a callback and NEURON uses threads."""
        self._processes: list[Any] = []
        self._callback: Callable[[], None] | None = None
        self._currents = DirectAccess([])
        threads, compiled = int(pc.nthread()) > 1, channel_path() == "MOD"
        if compiled and (threads or len(currents) < MANY):
            self._processes = [_integrator(current) for current in currents]
            self.accumulators = [NeuronVariable(process, "q") for process in self._processes]
        elif currents and threads:
            raise InputError("without a compiler ions are summed in one thread: remove pc.nthread(...)", where=WHERE)
        else:
            self.accumulators = self._sum_by_callback(currents) if currents else []
        self.to_charge = [FC_PER_DENSITY * current.segment.area() for current in currents]

    def _sum_by_callback(self, currents: Sequence[IonCurrent]) -> list[NeuronVariable]:
        self._currents = DirectAccess([NeuronVariable(c.segment, f"i{c.ion}") for c in currents])
        self._total = h.Vector(len(currents))
        add_to, total, dt = self._currents.add_to, self._total.as_numpy(), float(h.dt)

        def accumulate() -> None:
            add_to(total, dt)

        cvode.extra_scatter_gather(0, accumulate)
        self._callback = accumulate
        return [NeuronVariable(self._total, f"x[{i}]") for i in range(len(currents))]

    def refresh_addresses(self) -> None:
        """See DirectAccess."""
        self._currents.refresh_addresses()

    def close(self) -> None:
        """Stop summing; accumulators are then no longer NEURON's."""
        if self._callback is not None:
            cvode.extra_scatter_gather_remove(self._callback)
            self._callback = None
        self._processes.clear()


def _integrator(current: IonCurrent) -> Any:
    """The point process that adds up the current of an ion in its variable q."""
    if current.ion == CALCIUM:
        return h.couple_charge(current.segment)
    process = h.couple_sum(current.segment)
    h.setpointer(current.reference, "current", process)
    return process
