"""The rate law of a reaction that is no mass action, in concentrations and densities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from couple.base.errors import InputError, nearest
from couple.chemistry.laws.dimensions import (
    CONCENTRATION,
    DENSITY,
    Dimension,
    dimension_of,
    read_parameter,
    same,
    spell,
)
from couple.chemistry.laws.expression import Expression, name, number, parse, substitute

Place = Literal["volume", "membrane"]

_RATES: dict[Place, Dimension] = {"volume": (1.0, 0.0, -1.0), "membrane": (0.0, -2.0, -1.0)}


@dataclass(frozen=True)
class RateLaw:
    """How fast a reaction goes, as an expression of concentrations (mM) and densities on the membrane (/µm²).

    on: "volume" for a rate in mM/ms, "membrane" for one in /µm²/ms. text: as it was written.

    >>> from couple.chemistry.laws.rate_law import read_rate_law
    >>> law = read_rate_law("Vmax * S / (Km + S)", {"Vmax": "2 uM/s", "Km": "5 uM"}, {"S": "volume"})
    >>> law.on, law.names
    ('volume', ('S',))
    """

    tree: Expression
    on: Place
    text: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The species that it depends on."""
        return tuple(sorted({*self.tree.names()}))

    def __str__(self) -> str:
        return self.text if len(self.text) <= 80 else f"{self.text[:80]}..."


def read_rate_law(text: str, parameters: Mapping[str, object], species: Mapping[str, Place]) -> RateLaw:
    """A law of names of `species` (name → where it lives) and of `parameters`, numbers or texts with units.

    Raises InputError for what cannot be read, unknown names, and units that do not add up to a rate.
    """
    values: dict[str, float] = {}
    dimensions: dict[str, Dimension] = {s: CONCENTRATION if on == "volume" else DENSITY for s, on in species.items()}
    for key, given in parameters.items():
        if key in species:
            raise InputError(f'"{key}" is a species: call the parameter otherwise', where=f"parameters.{key}")
        try:
            values[key], dimensions[key] = read_parameter(given)
        except InputError as error:
            raise error.at(f"parameters.{key}") from None
    try:
        tree = parse(text, dimensions)
        _check_names(tree, text, values, species)
        found = dimension_of(tree, dimensions, values)
        on = next((place for place, wanted in _RATES.items() if same(found, wanted)), None)
        if on is None:
            raise InputError(
                f'"{_brief(text)}" is in {spell(found)}; a rate law gives mM/ms (in the volume) or /um^2/ms (on the '
                "membrane): give its parameters with their units"
            )
    except InputError as error:
        raise error.at("rate_law") from None
    return RateLaw(substitute(tree, lambda n: number(values[n]) if n in values else name(n)), on, text)


def _check_names(tree: Expression, text: str, values: Mapping[str, float], species: Mapping[str, Place]) -> None:
    known = [*species, *values]
    used = {*tree.names()}
    for found in sorted(used):
        if found in ("t", "time") and found not in known:
            raise InputError(f'"{_brief(text)}" depends on the time: rate laws depend on species and parameters')
        if found not in known:
            raise InputError(f'unknown name "{found}" in "{_brief(text)}"; {nearest(found, known)}')
    for key in values:
        if key not in used:
            raise InputError(f'the parameter "{key}" does not stand in "{_brief(text)}"', where=f"parameters.{key}")


def _brief(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."
