"""What carries out a window of NEURON's fixed steps: `psolve`, or in one process a function of ours.

That does all that psolve does there but for an alarm, which is set and removed by four calls of the system.
"""

from __future__ import annotations

from collections.abc import Callable

from adapters.neuron.hoc.h import h, pc
from adapters.neuron.mechanisms.builtin import channel_path


def in_one_call() -> bool:
    """Whether our functions step NEURON: in one process, with compiled mechanisms."""
    return channel_path() == "MOD" and int(pc.nhost()) == 1


def stepper() -> Callable[[float], object]:
    """A function of the time (ms) up to which it steps; its errors are those of psolve, a RuntimeError.

    Only after psolve itself has gone a window, which refuses what does not fit.
    """
    chosen: Callable[[float], object] = h.couple_integrate if in_one_call() else pc.psolve
    return chosen
