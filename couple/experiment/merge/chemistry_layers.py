"""The one rule by which a chemistry is put together: what is included, then files, then what stands beside them.

Later layers win by name, key by key, as `--set` does, which comes last. All of it is done before anything is derived.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from couple.base import registry
from couple.base.errors import InputError, brief
from couple.base.formats import complaint, recognise
from couple.base.regular_file import NO_FILE
from couple.base.schema import plain
from couple.base.toml import TOML, nearest_file, read_toml
from couple.chemistry.library import ready_made

FIRST = ("file", "units", "include")
"""Keys that say what the layers are."""

_WANTED = "a chemistry (TOML, SBML, a .net file of BioNetGen, or a transition matrix)"


def whole_chemistry(table: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[Path, str]]:
    """A table [chemistry] with all of its files and what is included; the files, each with its path as given.

    folder: where its path starts. Raises InputError that names the key.
    """
    files: dict[Path, str] = {}
    return with_included(_with_file(table, folder, files)), files


def with_included(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with the chemistries that it includes by name. Raises InputError that names the key."""
    included = table.get("include", {})
    if not isinstance(included, Mapping):
        return dict(table)
    own = {k: v for k, v in table.items() if k != "include"}
    found = (json.loads(json.dumps(ready_made(name, options), default=plain)) for name, options in included.items())
    return reduce(lambda so_far, more: beside_file(more, so_far), found, own)


def _with_file(table: Mapping[str, Any], folder: Path, files: dict[Path, str]) -> dict[str, Any]:
    """A table with its file, and with the file that that one names, if it does. files: so far; grows."""
    own = {k: v for k, v in table.items() if k not in ("file", "units")}
    if "file" not in table:
        return dict(table)
    given = table["file"]
    if not isinstance(given, str):
        raise InputError(f'{brief(given)} is no path: write file = "chemistry.toml"', where="file")
    path = folder / given
    if not path.exists():
        raise InputError(f"{brief(given)}: no such file; {nearest_file(path)}", where="file")
    if path.is_dir():
        raise InputError(f"{brief(given)} is a folder; give a file", where="file")
    if not path.is_file():
        raise InputError(f"{brief(given)} {NO_FILE}: give a file", where="file")
    if any(path.samefile(other) for other in files):
        raise InputError(f"{brief(given)}: this file leads back to itself", where="file")
    files[path] = given
    reader = _reader(path) or _reader_of_toml(path)
    if reader:
        return beside_file(registry.load("couple.readers", reader)(path, table.get("units")), own)
    if "units" in table:
        raise InputError(
            f"{brief(given)} is TOML, whose quantities have units of their own: leave it out", where="units"
        )
    try:
        inner = _with_file(read_toml(path, _WANTED), path.parent, files)
    except InputError as error:
        raise error.inside(str(path)) if error.where in FIRST else error from None
    return beside_file(inner, own)


def _reader_of_toml(path: Path) -> str:
    """The entry point for TOML that holds a transition matrix; "" for a chemistry."""
    found = recognise(path)
    is_toml = found is not None and found.name in TOML
    return "matrix" if is_toml and "matrix" in read_toml(path, _WANTED) else ""


def beside_file(read: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Both chemistries in one; `own` wins by name, key by key, as `--set` does.

    A species, and what is included, keep what `own` does not say of them (a D goes beside what it contains). A reaction
    of the same equation takes the place of that in the file; other reactions and reservoirs are added.
    """
    joined = dict(read)
    for key, value in own.items():
        there = read.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            joined[key] = {**there, **value}
            if key in ("species", "include"):
                same = [k for k in value if isinstance(value[k], Mapping) and isinstance(there.get(k), Mapping)]
                joined[key] |= {k: {**there[k], **value[k]} for k in same}
        elif isinstance(value, list) and isinstance(there, list):
            new = {_identity(entry) for entry in value}
            joined[key] = [*(entry for entry in there if _identity(entry) not in new), *value]
        else:
            joined[key] = value
    return joined


def _identity(entry: object) -> str:
    """What two entries of a list have in common if they are of one thing: an equation (by a catalyst) or a name."""
    text = f"{entry.get('equation', entry)} {entry.get('catalyst', '')}" if isinstance(entry, Mapping) else entry
    return " ".join(str(text).split())


def _reader(file: Path) -> str:
    """The entry point that reads a file; "" for TOML. Raises InputError for a file of another known format."""
    readers, suffix = registry.names("couple.readers"), file.suffix.removeprefix(".").lower()
    found = recognise(file)
    if found is None or found.name in TOML:
        return suffix if found is None and suffix in readers else ""
    if found.name in readers and found.name != "xml":  # XML of another kind than those with names of their own
        return found.name
    raise InputError(complaint(file, _WANTED), where=str(file))
