"""What species have by patterns of their names: `chemistry.D`, `chemistry.contains`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from couple.base.errors import InputError, nearest


def by_pattern[T](key: str, given: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    """Name → value of the most specific pattern that fits it; names that none fits are left out.

    In a pattern "*" stands for any characters, none too. The more characters besides it has, the more specific it is,
    and a name without any is more so than every pattern. key: in the table of a species, and of
    the chemistry. names: of species that have no value of their own.
    Raises InputError that names the key of a pattern that fits no name, and of two that are equally specific.
    """
    found: dict[str, T] = {}
    for pattern in given:
        if not any(_fits(pattern, name) for name in names):
            raise InputError(
                f"fits no species without {key} of its own; {nearest(pattern.replace('*', ''), names)}",
                where=f'chemistry.{key}."{pattern}"',
            )
    for name in names:
        fitting = sorted((p for p in given if _fits(p, name)), key=_specific, reverse=True)
        if (
            len(fitting) > 1
            and _specific(fitting[0]) == _specific(fitting[1])
            and given[fitting[0]] != given[fitting[1]]
        ):
            raise InputError(
                f'fits "{name}" as closely as "{fitting[1]}" does: give that species its own {key}',
                where=f'chemistry.{key}."{fitting[0]}"',
            )
        if fitting:
            found[name] = given[fitting[0]]
    return found


def _fits(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _specific(pattern: str) -> tuple[bool, int]:
    return "*" not in pattern, len(pattern.replace("*", ""))
