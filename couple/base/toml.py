"""TOML files, single values set from the command line, and nested tables side by side."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from couple.base.errors import InputError, brief, nearest, quoted
from couple.base.formats import FormatName, complaint
from couple.base.regular_file import read_file_or_pipe

TOML: tuple[FormatName, ...] = ("experiment", "training", "toml")


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables as one mapping of dotted keys, to compare two experiments."""
    if isinstance(content, Mapping) and (content or not prefix):
        pairs = [(f"{prefix}.{k}" if prefix else str(k), v) for k, v in content.items()]
    elif isinstance(content, list):
        pairs = [(f"{prefix}[{i}]", v) for i, v in enumerate(content)]
    else:
        return {prefix: content}
    return {k: v for key, value in pairs for k, v in flatten(value, key).items()}


LARGEST = 1 << 26
"""Bytes of a TOML file that are read; an experiment of a million lines has fewer."""


DEEPEST = 100
"""Tables and lists within each other that are read."""


def _is_too_deep(content: Any) -> bool:
    """Whether there are more than `DEEPEST` levels: what walks them does so by recursion."""
    level = [content]
    for _ in range(DEEPEST):
        level = [
            v for x in level for v in (x.values() if isinstance(x, Mapping) else x) if isinstance(v, Mapping | list)
        ]
        if not level:
            return False
    return True


def read_toml(path: Path, what: str = "a TOML file") -> dict[str, Any]:
    """The content of a TOML file. what: is wanted, for messages ("an experiment"). Raises InputError that names it."""
    try:
        data = read_file_or_pipe(path, LARGEST + 1)
        if len(data) > LARGEST:
            raise InputError(
                complaint(path, what, *TOML, otherwise=f"has more than {LARGEST >> 20} MB"), where=str(path)
            )
        content = tomllib.loads(data.decode("utf-8-sig"))  # some editors mark UTF-8
        if _is_too_deep(content):
            raise RecursionError
        return content
    except FileNotFoundError:
        known = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise InputError(
            f"no such file; {nearest(path.name, known) if known else 'no TOML file is beside it'}", where=str(path)
        ) from None
    except IsADirectoryError:
        raise InputError("is a folder; give the .toml file in it", where=str(path)) from None
    except UnicodeDecodeError as error:
        wrong = f"is not text in UTF-8 (byte {error.start})"
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    except RecursionError:
        wrong = f"has tables or brackets in each other without end, more than {DEEPEST}"
    except ValueError as error:  # also of a number with thousands of digits
        wrong = f"is not valid TOML: {error}"
    raise InputError(complaint(path, what, *TOML, otherwise=wrong), where=str(path))


def refuse_nul(content: Mapping[str, Any]) -> None:
    """Raise InputError, with the key, for a text or a key with the character NUL, which no file's name can have."""
    for key, value in flatten(content).items():
        if "\x00" in key or (isinstance(value, str) and "\x00" in value):
            raise InputError("holds the character NUL (\\u0000); leave it out", where=quoted(key)[1:-1])


def nearest_file(path: Path) -> str:
    """A clause with the files beside one that is not there, those whose names are like its own if there are any."""
    try:
        there = [p.name for p in path.parent.iterdir() if p.is_file()] if path.parent.is_dir() else None
    except OSError:
        there = None
    if there is None:
        return f"there is no folder {path.parent}"
    return nearest(path.name, there) if there else f"nothing is in {path.parent}"


def refuse_replaced(overrides: Sequence[str]) -> None:
    """Raise InputError for "a.b=1" that a later "a.b=2" or "a={...}" replaces, so that it would have no effect."""
    for k, later in enumerate(overrides):
        for earlier in overrides[:k]:
            if earlier != later and f"{key_of(earlier)}.".startswith(f"{key_of(later)}."):
                raise InputError(
                    f"{quoted(earlier)} has no effect, since {quoted(later)} replaces it: give one of them",
                    where="--set",
                )


def key_of(override: str) -> str:
    """The key of "key=value"."""
    return override.partition("=")[0].strip()


def parts_of(key: str) -> list[str]:
    """Parts of a dotted key as TOML has them: 'neuron.set."soma.L"' → ["neuron", "set", "soma.L"]."""
    if not re.search("[\"']", key):
        return key.strip().split(".")
    found = re.findall(r"""\s*("[^"]*"|'[^']*'|[^.]*?)\s*(?:\.|$)""", key.strip())
    return [part[1:-1] if part[:1] in ("'", '"') else part for part in found[: -1 if found[-1] == "" else None]]


def override_value(content: dict[str, Any], override: str) -> None:
    """Set one value, as in "site.head.engine=ode"."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{quoted(override)} is not of the form key=value", where="--set")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except (ValueError, RecursionError):
        value = text.strip()
    if len(parts_of(key)) > DEEPEST or _is_too_deep([value]):
        raise InputError(f"{brief(override)} has tables or brackets in each other without end", where="--set")
    place: Any = content
    *parents, last = parts_of(key)
    for part in parents:
        if isinstance(place, list):
            place = _entry(place, part, override)
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
        else:
            raise InputError(f"{quoted(override)}: {quoted(part)} is inside a plain value", where="--set")
    if isinstance(place, list) and _is_index(last, place):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f"{quoted(override)}: nothing to set there", where="--set")


def _entry(entries: list[Any], part: str, override: str) -> Any:
    named = {e["name"]: e for e in entries if isinstance(e, dict) and "name" in e}
    if _is_index(part, entries):
        return entries[int(part)]
    if part in named:
        return named[part]
    near = nearest(part, named) if named else f"give 0 to {len(entries) - 1}" if entries else "there are none"
    raise InputError(f"{quoted(override)}: no entry {quoted(part)}; {near}", where="--set")


def _is_index(text: str, entries: list[Any]) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(entries)
