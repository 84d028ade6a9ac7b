"""Concentrations that single mechanisms read, while the model's own go on for all others."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.neuron.coupling.ion_ownership import density_names, point_names
from adapters.neuron.hoc.sections import find_membrane
from adapters.neuron.mechanisms.given import flag_name, value_name
from adapters.neuron.memory.addresses import NeuronVariable
from couple.base.errors import InputError, nearest
from couple.components.attachments import Given


class GivenConcentrations:
    """Variables of mechanisms in the order of the port `given`; start: their values at t = 0, mM.

    Raises InputError for a mechanism that is no density mechanism of its segment.
    """

    def __init__(self, given: Sequence[Given], start: Sequence[float]) -> None:
        self.start = list(start)
        self.variables = [_variable(one, value_name(one.ion)) for one in given]
        self._flags = [_variable(one, flag_name(one.ion)) for one in given]

    def initialise(self) -> None:
        """Before the model is: what its mechanisms find when they work out how they start."""
        for flag, variable, value in zip(self._flags, self.variables, self.start, strict=True):
            setattr(flag.owner, flag.name, 1.0)
            setattr(variable.owner, variable.name, value)

    def close(self) -> None:
        """All read the model's concentration again."""
        for flag in self._flags:
            setattr(flag.owner, flag.name, 0.0)
        self._flags.clear()


def _variable(given: Given, name: str) -> NeuronVariable:
    segment = find_membrane(given.segment)
    there = density_names(segment.sec)
    if given.mechanism not in there:
        point = " (it is a point process there)" if given.mechanism in point_names(segment.sec) else ""
        raise InputError(
            f'"{given.mechanism}" is no density mechanism of {given.segment}{point}; {nearest(given.mechanism, there)}',
            where="link.mechanisms",
        )
    return NeuronVariable(segment, f"{name}_{given.mechanism}")
