"""Our channels built with NEURON's KSChan: no compiler needed, ten to sixty times slower than MOD.

A gate-less KSChan is a conductance that is written from outside. Kinetic schemes and gates have the equations of the
MOD files of the same name. A KSChan cannot be changed or removed once it has instances, hence one definition per
process. Traps handled here: a rate that is not set is silently 1 /ms (function type 0), and holding a Python
reference to one transition while changing another aborts the process.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

from adapters.neuron.hoc.h import h

_CONSTANT, _EXPONENTIAL, _SIGMOID = 1, 2, 4
_ALPHA_BETA, _STEADY_TAU = 0, 1

# Bischofberger et al. 2002 as in Bartol et al. 2015, Table 1: opening a·exp(v/u), closing b·exp(−v/u); /ms, /ms, mV.
CAV_STEPS = ((8.08, 5.76, 49.14), (13.4, 12.6, 42.08), (8.78, 16.3, 55.31), (34.7, 3.68, 26.55))

_defined: list[Any] = []


def define_all() -> None:
    """Define every channel that does not depend on a parameter, always in this order.

    The order decides NEURON's type numbers, and a saved state holds those.
    """
    for ion in ("k", "na", "ca"):
        _channel(f"couple_{ion}", ion, point=True)
    _channel("couple_ns", "NonSpecific", point=True)
    _cav()


def _channel(name: str, ion: str, *, point: bool) -> Any:
    """A gate-less ohmic channel: g = gmax, in µS if `point` and S/cm² otherwise."""
    channel = h.KSChan(1) if point else h.KSChan()
    channel.name(name)
    channel.ion(ion)
    channel.iv_type(0)
    channel.gmax(0)
    _defined.append(channel)
    return channel


def _cav() -> None:
    """`couple_cav`: the scheme of couple_cav.mod."""
    channel = _channel("couple_cav", "ca", point=False)
    first = channel.add_ksstate(None, "C0")
    states = [first, *(channel.add_ksstate(first.gate(), name) for name in ("C1", "C2", "C3", "O"))]
    for state in states:
        state.frac(1.0 if state is states[-1] else 0.0)
    for here, there in itertools.pairwise(states):
        channel.add_transition(here.index(), there.index())
    for step, (opening, closing, scale) in enumerate(CAV_STEPS):
        channel.trans(states[step], states[step + 1]).type(_ALPHA_BETA)
        channel.trans(states[step], states[step + 1]).set_f(0, _EXPONENTIAL, h.Vector([opening, 1 / scale, 0]))
        channel.trans(states[step], states[step + 1]).set_f(1, _EXPONENTIAL, h.Vector([closing, -1 / scale, 0]))


@functools.cache
def define_nmda(mg: float) -> tuple[str, str]:
    """Names of the calcium and the nonspecific half of an NMDA receptor with its magnesium block (mg in mM).

    The block 1/(1 + mg/3.57·exp(−0.062 v)) is a sigmoid of the voltage; as a gate with a time constant far below
    any dt it follows the voltage from step to step, as the MOD file has it.
    """
    names = []
    for half, ion in (("ca", "ca"), ("ns", "NonSpecific")):
        name = f"couple_nmda_{half}_{define_nmda.cache_info().currsize}"
        channel = _channel(name, ion, point=True)
        channel.add_hhstate("m")
        channel.gate(0).power(1)
        channel.trans(0).type(_STEADY_TAU)
        if mg > 0:
            channel.trans(0).set_f(0, _SIGMOID, h.Vector([1.0, -0.062, math.log(mg / 3.57) / 0.062]))
        else:
            channel.trans(0).set_f(0, _CONSTANT, h.Vector([1.0]))
        channel.trans(0).set_f(1, _CONSTANT, h.Vector([1e-6]))
        names.append(name)
    return names[0], names[1]
