"""Ionic charge of coupled segments: the sum of ica·dt over the steps of a window, never a sample of ica.

With MOD files a point process adds up at every step. Without, a callback of NEURON's fixed step does: called once per
step, before states advance, with ica as the step has used it, so that both give the same sum.
Any other ion goes the same way; with MOD files through a pointer to its current, because MOD files name their ions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adapters.neuron.hoc.h import cvode, h, pc
from adapters.neuron.mechanisms.builtin import channel_path
from adapters.neuron.memory.addresses import Variable
from adapters.neuron.models.loader import WHERE
from couple.base.errors import InputError
from couple.components.electrics import CALCIUM


class ChargeMeter:
    """Accumulators of ∫iX dt (mA·ms/cm²) of ions at segments; whoever reads them sets them to zero."""

    def __init__(self, places: Sequence[tuple[str, Any]]) -> None:
        self._processes: list[Any] = []
        self._callback: Callable[[], None] | None = None
        if channel_path() == "MOD":
            self._processes = [_summing(ion, segment) for ion, segment in places]
            self.accumulators = [Variable(process, "q") for process in self._processes]
        elif places:
            self.accumulators = self._sum_by_callback(places)
        else:
            self.accumulators = []

    def _sum_by_callback(self, places: Sequence[tuple[str, Any]]) -> list[Variable]:
        if int(pc.nthread()) > 1:
            raise InputError("without a compiler ions are summed in one thread: remove pc.nthread(...)", where=WHERE)
        pointers, now, total = h.PtrVector(len(places)), h.Vector(len(places)), h.Vector(len(places))
        for i, (ion, segment) in enumerate(places):
            pointers.pset(i, getattr(segment, f"_ref_i{ion}"))
        gather, add = pointers.gather, total.add

        def accumulate() -> None:
            gather(now)
            add(now)

        cvode.extra_scatter_gather(0, accumulate)
        self._callback = accumulate
        self._total = total
        return [Variable(total, f"x[{i}]") for i in range(len(places))]

    @property
    def scale(self) -> float:
        """From an accumulator to mA·ms/cm²: the callback leaves the constant dt out."""
        return 1.0 if self._callback is None else float(h.dt)

    def close(self) -> None:
        """Stop summing."""
        if self._callback is not None:
            cvode.extra_scatter_gather_remove(self._callback)
            self._callback = None
        self._processes.clear()


def _summing(ion: str, segment: Any) -> Any:
    """The point process that adds up the current of an ion in its variable q."""
    if ion == CALCIUM:
        return h.couple_charge(segment)
    process = h.couple_sum(segment)
    h.setpointer(getattr(segment, f"_ref_i{ion}"), "current", process)
    return process
