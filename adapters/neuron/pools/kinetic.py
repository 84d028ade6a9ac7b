"""KINETIC blocks as rates: reactions, fluxes and compartments of NMODL, worked out at given concentrations.

A reaction moves amounts: of a state in a compartment of volume V, V dc/dt is the sum of its fluxes. Longitudinal
diffusion joins segments, and is no part of a pool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.neuron.pools.mod_text import ModText
from couple.base.errors import InputError
from couple.chemistry.laws.expression import Expression, parse

_PART = re.compile(r"~|\b(?:COMPARTMENT|LONGITUDINAL_DIFFUSION|CONSERVE)\b")
_REACTION = re.compile(r"~\s*([^<>(~]*?)\s*(<->|<<|->)\s*([^(~]*?)\s*\(")


@dataclass(frozen=True)
class _Reaction:
    """left → right at `forward`, and back; of a flux ("<<") `forward` is what enters `left` by itself."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    forward: Expression
    backward: Expression
    is_flux: bool


@dataclass(frozen=True)
class _Compartment:
    volume: Expression
    states: tuple[str, ...]


class Kinetics:
    """The rates of a KINETIC block."""

    def __init__(self, body: str, mod: ModText) -> None:
        self._mod, self._parts = mod, tuple(_parts(body, mod))

    def rates(self, names: dict[str, float], *, lenient: bool) -> dict[str, float]:
        """mM/ms of each state. Raises InputError, unless lenient, for what cannot be worked out."""
        mod, flows, volumes = self._mod, dict.fromkeys(self._mod.states, 0.0), dict.fromkeys(self._mod.states, 1.0)
        for part in self._parts:
            try:
                if isinstance(part, str):
                    mod.run(part, names, lenient=lenient)
                elif isinstance(part, _Compartment):
                    volumes.update(dict.fromkeys(part.states, mod.number(part.volume, names)))
                else:
                    _react(part, mod, names, flows)
            except InputError:
                if not lenient:
                    raise
        return {state: flow / volumes[state] for state, flow in flows.items()}


def _react(reaction: _Reaction, mod: ModText, names: dict[str, float], flows: dict[str, float]) -> None:
    """Add the fluxes of a reaction to those of its states; whatever else takes part is a constant."""
    forward, backward = mod.number(reaction.forward, names), mod.number(reaction.backward, names)
    for name in () if reaction.is_flux else reaction.left:
        forward *= names[name]
    for name in reaction.right:
        backward *= names[name]
    names["f_flux"], names["b_flux"] = forward, backward
    for name in reaction.left:
        if name in flows:
            flows[name] += forward if reaction.is_flux else backward - forward
    for name in reaction.right:
        if name in flows:
            flows[name] += forward - backward


def _parts(body: str, mod: ModText) -> Iterator[str | _Reaction | _Compartment]:
    """Statements as text, reactions and compartments, in order."""
    at = 0
    while (match := _PART.search(body, at)) is not None:
        yield body[at : match.start()]
        if match[0] == "~":
            reaction, at = _reaction(body, match.start(), mod)
            yield reaction
        elif match[0] == "CONSERVE":
            at = len(body) if (end := body.find("\n", match.end())) < 0 else end
        else:
            opened = body.find("{", match.end())
            at = mod.closing(body, opened, "{}") + 1
            if match[0] == "COMPARTMENT":
                volume = re.sub(r"^\s*\w+\s*,", "", body[match.end() : opened])
                yield _Compartment(mod.expression(volume), tuple(mod.with_elements(body[opened + 1 : at - 1])))
    yield body[at:]


def _reaction(body: str, at: int, mod: ModText) -> tuple[_Reaction, int]:
    match = _REACTION.match(body, at)
    if match is None:
        raise InputError(f'{mod.name}: "{" ".join(body[at:].split())[:60]}" is not read here')
    end = mod.closing(body, match.end() - 1, "()")
    rates, depth, cut = body[match.end() : end], 0, -1
    for i, sign in enumerate(rates):
        depth += (sign == "(") - (sign == ")")
        cut = i if sign == "," and depth == 0 else cut
    texts = [rates] if cut < 0 else [rates[:cut], rates[cut + 1 :]]
    forward, backward = mod.expression(texts[0]), mod.expression(texts[1]) if cut >= 0 else parse("0")
    left, right = tuple(_members(match[1])), tuple(_members(match[3]))
    return _Reaction(left, right, forward, backward, match[2] == "<<"), end + 1


def _members(side: str) -> Iterator[str]:
    """Names of a side, as often as they take part."""
    for part in filter(None, map(str.strip, side.split("+"))):
        match = re.fullmatch(r"(\d*)\s*([A-Za-z_]\w*)", part)
        if match is None:
            raise InputError(f'"{part}" is not read here as a part of a reaction')
        yield from [match[2]] * int(match[1] or 1)
