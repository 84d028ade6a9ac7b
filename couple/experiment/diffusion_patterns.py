"""Diffusion coefficients for species by patterns of their names: `chemistry.D = { "Ca" = "220 um^2/s", "*" = ... }`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from couple.base.errors import InputError, nearest


def diffusion_by_pattern(given: Mapping[str, float], names: Collection[str]) -> dict[str, float]:
    """Name → D of the most specific pattern that fits it; names that none fits are left out.

    In a pattern "*" stands for any characters, none too. The more characters besides it has, the more specific it is,
    and a name without any is more so than every pattern. names: of species that have no D of their own.
    Raises InputError that names the key of a pattern that fits no name, and of two that are equally specific.
    """
    found: dict[str, float] = {}
    for pattern in given:
        if not any(_fits(pattern, name) for name in names):
            raise InputError(
                f"fits no species without a D of its own; {nearest(pattern.replace('*', ''), names)}",
                where=f'chemistry.D."{pattern}"',
            )
    for name in names:
        fitting = sorted((p for p in given if _fits(p, name)), key=_specific, reverse=True)
        if (
            len(fitting) > 1
            and _specific(fitting[0]) == _specific(fitting[1])
            and given[fitting[0]] != given[fitting[1]]
        ):
            raise InputError(
                f'fits "{name}" as closely as "{fitting[1]}" does: give that species its own D',
                where=f'chemistry.D."{fitting[0]}"',
            )
        if fitting:
            found[name] = given[fitting[0]]
    return found


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _specific(pattern: str) -> tuple[bool, int]:
    return "*" not in pattern, len(pattern.replace("*", ""))
