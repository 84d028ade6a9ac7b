"""[chemistry.compartments]: parts of every site that some species have to themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from couple.base.errors import InputError, nearest
from couple.base.schema import Block
from couple.chemistry.compartments import WHOLE, Home


class Compartment(Block):
    """A part of every site, such as cytosol or ER; species live in it by `on = "ER"`.

    Its concentrations and rates are by its own size. Where molecules have places it is everywhere alike.
    share: of the site's volume, or of its membrane. on: what it is a part of, "volume" or "membrane".
    """

    share: float = Field(gt=0, le=1e6, allow_inf_nan=False, strict=True)
    on: Literal["volume", "membrane"] = "volume"


def homes_of(
    compartments: Mapping[str, Compartment], whole: str | None, regions: Mapping[str, float] | None = None
) -> dict[str, Home]:
    """Name → home, of the compartments and of the whole site. whole: the one that has the size of the site.

    regions: of the mesh of every site, name → share of its membrane. Raises InputError that names the key.
    """
    if clash := sorted({*compartments} & {*WHOLE}):
        raise InputError(
            f'"{clash[0]}" is all of a site: call the compartment otherwise',
            where=f"chemistry.compartments.{clash[0]}",
        )
    by = {"volume": 1.0, "membrane": 1.0}
    if whole is not None:
        if whole not in compartments:
            known = nearest(whole, compartments) if compartments else "there are no chemistry.compartments"
            raise InputError(f'unknown compartment "{whole}"; {known}', where="chemistry.compartment")
        by[compartments[whole].on] = compartments[whole].share
    if twice := sorted({*compartments} & {*(regions or {})}):
        raise InputError(
            f'"{twice[0]}" is a region of the mesh: call the compartment otherwise',
            where=f"chemistry.compartments.{twice[0]}",
        )
    places = {name: Home(name, "membrane", share, name) for name, share in (regions or {}).items() if share > 0}
    return WHOLE | places | {name: Home(name, c.on, c.share / by[c.on]) for name, c in compartments.items()}


def home_of(known: Mapping[str, Home], on: str, key: str) -> Home:
    """The home of a species by the name of its place. Raises InputError that names the key."""
    if on not in known:
        raise InputError(f'unknown place "{on}"; {nearest(on, known)}', where=key)
    return known[on]
