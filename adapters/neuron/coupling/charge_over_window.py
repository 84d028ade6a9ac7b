"""Ionic charge of coupled segments: the sum of ica·dt over the steps of a window, never a sample of ica.

A point process of a MOD file adds up at every step. For many currents one does, in one pass over all. Without a
compiler a callback of NEURON's fixed step goes over them, and so it does where the model starts by a procedure of its
own, which may use CVODE for a while. All are called once per step, with ica as the step has used it, so that they give
the same sum (1,000 point processes cost a tenth of a detailed cell's own time, one pass a hundredth). Any other ion
goes the same way; with MOD files through a pointer to its current, because MOD files name their ions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from adapters.neuron.coupling.summing import SumsByMechanism, SumsByPython
from adapters.neuron.hoc.h import h, pc
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.addresses import NeuronVariable
from adapters.neuron.memory.direct_access import DirectAccess, Ints
from adapters.neuron.models.loader import WHERE
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.cache.kernels import njit
from couple.cache.native import floats, integers
from couple.components.attachments import CALCIUM
from couple.components.calls import Call
from couple.components.kernel_calls import kernel_call

MANY = 100
"""Currents from which on one pass is faster than their point processes (measured: 1 ns each against 1 µs a step)."""

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

    @property
    def variable(self) -> NeuronVariable:
        """The same, with its address."""
        return NeuronVariable(self.segment, f"i{self.ion}")


class ChargeMeter:
    """Accumulators of ∫iX dt of ion currents.

    accumulators: a variable of NEURON for each current, in their order, if point processes sum; whoever reads them sets
    them to zero. passed: how many currents one pass sums: all, then `read` gives their charge, or none. to_charge:
    (n_currents,) from an accumulator to the inward charge in fC.
    """

    def __init__(self, currents: Sequence[IonCurrent], *, one_pass: bool = False) -> None:
        """one_pass: whether one pass sums few currents as well.

        Raises InputError if charge has to be summed by a callback and NEURON uses threads.
        """
        self._processes: list[Any] = []
        self._pass: OnePass | None = None
        threads, compiled = int(pc.nthread()) > 1, channel_path() == "MOD"
        if compiled and (threads or (len(currents) < MANY and not one_pass)):
            self._processes = [_integrator(current) for current in currents]
        elif currents and threads:
            raise InputError("without a compiler ions are summed in one thread: remove pc.nthread(...)", where=WHERE)
        self.accumulators = [NeuronVariable(process, "q") for process in self._processes]
        self.to_charge = [FC_PER_DENSITY * current.segment.area() for current in currents]
        if currents and not self._processes:
            place = currents[0].segment if compiled and not one_pass else None
            self._pass = OnePass([current.variable for current in currents], np.array(self.to_charge), place)
        self.passed = 0 if self._pass is None else len(currents)

    def clear(self) -> None:
        """Before a window: one pass sums from nothing."""
        if self._pass is not None:
            self._pass.sums[:] = 0.0

    def read(self, charges: Floats) -> bool:
        """What one pass has summed into `charges` (passed,), fC; whether all is finite."""
        return self._pass is None or self._pass.read(charges)

    def read_calls(self, charges: Floats, not_finite: Callable[[], object]) -> list[Call]:
        """What `read` does, and then `clear`, for a compiled loop. not_finite: raises."""
        return [] if self._pass is None else [self._pass.take_call(charges, not_finite)]

    def refresh_addresses(self) -> None:
        """See DirectAccess; between windows."""
        if self._pass is not None:
            self._pass.refresh_addresses()

    def close(self) -> None:
        """Stop summing; accumulators are then no longer NEURON's."""
        if self._pass is not None:
            self._pass.close()
        self._pass = None
        self._processes.clear()


class OnePass:
    """Sums many currents at every step, in the order in which NEURON keeps them.

    sums: (n,) mA ms/cm². scale: (n,) from these to what is read, in the order of `currents`. segment: of a mechanism
    that sums; without one a callback does.
    """

    def __init__(self, currents: Sequence[NeuronVariable], scale: Floats, segment: Any = None) -> None:
        self._given, self._scale = currents, scale
        self.sums = np.zeros(len(currents))
        self._place: Ints = np.arange(len(currents))
        self._currents = DirectAccess(currents)
        self._summing = (
            SumsByPython(self._currents, self.sums)
            if segment is None
            else SumsByMechanism(segment, self._currents, self.sums)
        )

    def refresh_addresses(self) -> None:
        """See DirectAccess. What was summed so far is lost if NEURON keeps the currents in another order now."""
        self._currents.refresh_addresses()
        order = self._currents.order()
        if not np.array_equal(order, np.arange(order.size)):
            now = np.argsort(self._place)[order]  # of the currents as they were given
            self._place[:] = np.argsort(now)
            self._currents = DirectAccess([self._given[i] for i in now])
            self._currents.refresh_addresses()
            self.sums[:] = 0.0
            self._summing.follow(self._currents)
        self._summing.refresh()

    def read(self, out: Floats) -> bool:
        """The sums, scaled, into `out` (n,) in the order of the currents as given; whether all are finite."""
        return bool(read_sums(self.sums, self._place, self._scale, out))

    def take_call(self, out: Floats, not_finite: Callable[[], object]) -> Call:
        """What `read` does, for a compiled loop; the next window then sums from nothing."""

        def python() -> None:
            finite = self.read(out)
            self.sums[:] = 0.0
            if not finite:
                not_finite()

        def answer(_: int) -> None:
            not_finite()

        return kernel_call(take_sums_of, (self.sums, self._place, self._scale, out), answer, python)

    def close(self) -> None:
        """Stop."""
        self._summing.close()


@njit(cache=True, python=True)
def read_sums(sums: Floats, place: Ints, scale: Floats, out: Floats) -> bool:
    """Sums in `place`, scaled, into `out`; whether all are finite."""
    finite = True
    for i in range(out.size):
        value = sums[place[i]]
        finite &= value - value == 0.0  # infinity minus itself is no number either
        out[i] = value * scale[i]
    return finite


@njit(cache=True)
def take_sums_of(context: int) -> int:
    """`read_sums` of a context (sums, place, scale, out), and sums of 0 after it; 1 where any is not finite."""
    t = integers(context, 8)
    sums = floats(t[0], t[1])
    finite = read_sums(sums, integers(t[2], t[3]), floats(t[4], t[5]), floats(t[6], t[7]))
    sums[:] = 0.0
    return 0 if finite else 1


def _integrator(current: IonCurrent) -> Any:
    """The point process that adds up the current of an ion in its variable q."""
    if current.ion == CALCIUM:
        return h.couple_charge(current.segment)
    process = h.couple_sum(current.segment)
    h.setpointer(current.reference, "current", process)
    return process
