"""TOML files, single values set from the command line, and nested tables side by side."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError, nearest


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested tables as one mapping of dotted keys, to compare two experiments."""
    if isinstance(content, Mapping) and (content or not prefix):
        pairs = [(f"{prefix}.{k}" if prefix else str(k), v) for k, v in content.items()]
    elif isinstance(content, list):
        pairs = [(f"{prefix}[{i}]", v) for i, v in enumerate(content)]
    else:
        return {prefix: content}
    return {k: v for key, value in pairs for k, v in flatten(value, key).items()}


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises InputError that names it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise InputError(
            f"no such file; {nearest(path.name, known) if known else 'no TOML file is beside it'}", where=str(path)
        ) from None
    except IsADirectoryError:
        raise InputError("is a folder; give the .toml file in it", where=str(path)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"is not text in UTF-8 (byte {error.start})", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", where=str(path)) from None


def override_value(content: dict[str, Any], override: str) -> None:
    """Set one value, as in "site.head.engine=ode"."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f'"{override}" is not of the form key=value', where="--set")
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    place: Any = content
    *parents, last = key.strip().split(".")
    for part in parents:
        if isinstance(place, list):
            place = _entry(place, part, override)
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
        else:
            raise InputError(f'"{override}": "{part}" is inside a plain value', where="--set")
    if isinstance(place, list) and last.isdigit() and int(last) < len(place):
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InputError(f'"{override}": nothing to set there', where="--set")


def _entry(entries: list[Any], part: str, override: str) -> Any:
    named = {e["name"]: e for e in entries if isinstance(e, dict) and "name" in e}
    if part.isdigit() and int(part) < len(entries):
        return entries[int(part)]
    if part in named:
        return named[part]
    raise InputError(f'"{override}": no entry "{part}"; {nearest(part, named)}', where="--set")
