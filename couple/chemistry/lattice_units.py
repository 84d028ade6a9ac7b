"""Experiments whose clock counts lattice steps instead of milliseconds.

A model on a lattice that knows neither lengths nor times has rates "per step" (order 0 and 1) and probabilities "per
encounter" (order 2); its times are written "500 steps". One step takes the place of one ms everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork

Unit = Literal["ms", "step"]

_STEPS = ("step", "steps")
_RATE = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(per step|/step|1/step|per encounter|1)\s*")
_TIMES = (("experiment", "duration"), ("experiment", "exchange"), ("record", "every"), ("checkpoint", "every"))


def lattice_rate(text: str, order: int) -> tuple[float, Literal["step", "encounter"]] | None:
    """The number and unit of a rate such as "0.1 per step" or "0.4 per encounter" (or "0.4 1"), None for other units.

    Raises InputError if the order of the reaction asks for the other one, or for a probability above 1.
    """
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    number = float(match[1])
    per: Literal["step", "encounter"] = "step" if match[2].endswith("step") else "encounter"
    if (per == "encounter") != (order == 2):
        wanted = "encounter" if order == 2 else "step"
        raise InputError(f'"{text}": a reaction of order {order} has a rate like "0.1 per {wanted}" there')
    if per == "encounter" and not 0 <= number <= 1:
        raise InputError(f'"{text}" is no probability; give one from 0 to 1')
    return number, per


def time_unit(content: Mapping[str, Any]) -> Unit:
    """The unit that the clock of an experiment counts. Raises InputError, with the key, if times are of both."""
    given: dict[str, bool] = {}
    for table, key in _TIMES:
        block = content.get(table)
        value = block.get(key) if isinstance(block, Mapping) else None
        if isinstance(value, str):
            given[f"{table}.{key}"] = value.split()[-1] in _STEPS
    for key, steps in given.items():
        if steps != given.get("experiment.exchange", steps):
            wanted = "ms" if steps else "steps"
            raise InputError(f'is counted otherwise than experiment.exchange; give it in "{wanted}"', where=key)
    steps = given.get("experiment.exchange", False)
    if steps and content.get("neuron") is not None:
        raise InputError('NEURON has no lattice steps; give times like "0.1 ms"', where="experiment.exchange")
    return "step" if steps else "ms"


def check_rates(network: ReactionNetwork, unit: Unit) -> None:
    """Raise InputError for a reaction whose rate is counted by another clock."""
    for reaction in network.reactions:
        if (reaction.per == "time") == (unit == "step"):
            raise InputError(
                f'"{reaction}" has a rate in physical units, the clock counts steps: give it per step or per encounter'
                if unit == "step"
                else f'"{reaction}" has a rate per {reaction.per}: write times like exchange = "1 step" then',
                where="chemistry.reactions",
            )
