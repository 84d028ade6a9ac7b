"""NMDA receptors with calcium, with and without a compiler.

Current at a segment, g(t) being a double exponential (τ₁, τ₂) of unit peak times the weight of each event:

    B(v)  = 1 / (1 + [Mg]/3.57 mM · exp(−0.062 v/mV))         Jahr & Stevens 1990
    ica   =      f  · g(t) B(v) (v − eca)                     the part that chemistry receives
    i     = (1 − f) · g(t) B(v) (v − e)                       sodium and potassium

f is the share of the *conductance* that passes calcium. It drives calcium by its own potential, so that calcium stops
entering when it should, and both halves are ohmic, which is all that the path without a compiler can do. The default
0.04 makes calcium about 11 % of the inward current at −65 mV (eca 130 mV), the fractional current of NMDA receptors.

Without a compiler, the time course comes from an Exp2Syn at the segment that receives each event with a weight of
1e-9 of its own (a current of no consequence). The stepping component reads its two states at every exchange, and
sets the two KSChan halves to the mean of g over the coming window: events inside a window count from the next one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import kschan
from adapters.neuron.mechanisms.builtin import channel_path

DETECTOR_SCALE = 1e-9

gated: list[NMDA] = []
"""Receptors of the loaded model whose conductance the stepping component has to set (KSChan path only)."""


class Role(NamedTuple):
    """What a point process stands for ("AMPA"). weight_scale: weight of its connections for 1 µS."""

    name: str
    weight_scale: float = 1.0


_roles: dict[str, Role] = {}
"""Of receptors that couple has made in the loaded model, by NEURON's name of the point process."""


def give_role(process: Any, name: str, weight_scale: float = 1.0) -> None:
    """Remember what a point process stands for, until the model is released."""
    _roles[process.hname()] = Role(name, weight_scale)


def role_of(process: Any) -> Role | None:
    """What a point process stands for, None if it is not one of couple's receptors."""
    return _roles.get(process.hname())


def forget() -> None:
    """Of a model that is released."""
    gated.clear()
    _roles.clear()


class NMDA:
    """NMDA receptors at a segment.

    tau1, tau2: rise and decay, ms. e: mV. mg: extracellular magnesium, mM. calcium: share f of the conductance.
    """

    def __init__(
        self,
        segment: Any,
        *,
        tau1: float = 5.0,
        tau2: float = 50.0,
        e: float = 0.0,
        mg: float = 1.0,
        calcium: float = 0.04,
    ) -> None:
        if not 0 < tau1 < tau2:
            raise ValueError(f"NMDA: tau1 = {tau1:g} ms must be positive and below tau2 = {tau2:g} ms")
        if not 0 <= calcium <= 1:
            raise ValueError(f"NMDA: calcium = {calcium:g} is a share of the conductance, between 0 and 1")
        if mg < 0:
            raise ValueError(f"NMDA: mg = {mg:g} mM must not be negative")
        self.segment, self.tau1, self.tau2, self.calcium = segment, tau1, tau2, calcium
        self.connections: list[Any] = []
        if channel_path() == "MOD":
            self.process = h.couple_nmda(segment)
            self.process.e, self.process.mg, self.process.calcium = e, mg, calcium
            self.weight_scale = 1.0
        else:
            names = kschan.define_nmda(mg)
            self.halves = [getattr(h, name)(segment) for name in names]
            self.halves[1].e = e
            self.process = h.Exp2Syn(segment)
            self.weight_scale = DETECTOR_SCALE
            gated.append(self)
        self.process.tau1, self.process.tau2 = tau1, tau2
        give_role(self.process, "NMDA", self.weight_scale)

    def connect(self, source: Any, delay: float, weight: float) -> Any:
        """Let `source` drive the receptors with a peak conductance of `weight` (µS), `delay` ms after its spikes.

        source: an artificial cell (NetStim, VecStim, ...), or a segment whose voltage crosses 0 mV. Returns the NetCon;
        its own weight is scaled by 1e-9 on the path without a compiler.
        """
        if hasattr(source, "_ref_v") and hasattr(source, "sec"):
            connection = h.NetCon(source._ref_v, self.process, sec=source.sec)
            connection.threshold = 0.0
        else:
            connection = h.NetCon(source, self.process)
        connection.delay = delay
        connection.weight[0] = weight * self.weight_scale
        self.connections.append(connection)
        return connection
