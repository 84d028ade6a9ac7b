"""Digests of what comes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from support.digests.words import IGNORED_ATTRIBUTES, IGNORED_KEYS, IGNORED_PARTS, INPUT_FILES, INPUTS

Digests = dict[str, str]
"""Place in the results → SHA-256, or {"error": what was said last}."""


def sha(*parts: bytes | str) -> str:
    """SHA-256 of parts, kept apart."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


def of_value(value: Any) -> str:
    """Of an array, a number or text: its type, shape and bytes."""
    array = np.asarray(value)
    if array.dtype.hasobject or array.dtype.kind in "SU":
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in array.ravel().tolist()]
        return sha("text", str(array.shape), *texts)
    return sha(array.dtype.str, str(array.shape), np.ascontiguousarray(array).tobytes())


def ignored(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def of_hdf5(path: Path, prefix: str) -> Digests:
    """Every dataset and attribute of a file."""
    found: Digests = {}

    def attributes(place: str, item: Any) -> None:
        for key, value in item.attrs.items():
            if not ignored(key, IGNORED_ATTRIBUTES):
                found[f"{prefix}:{place}@{key}"] = of_value(without_paths(value) if key == INPUTS else value)

    def visit(place: str, item: Any) -> None:
        if any(ignored(part, IGNORED_PARTS) for part in place.split("/")):
            return
        if isinstance(item, h5py.Dataset):
            found[f"{prefix}:{place}"] = of_value(item[()])
        attributes(place, item)

    with h5py.File(path) as file:
        attributes("", file)
        file.visititems(visit)
    return found


def pruned(value: Any) -> Any:
    """JSON without times, versions and paths."""
    patterns = (*IGNORED_PARTS, *IGNORED_ATTRIBUTES, *IGNORED_KEYS)
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if not ignored(k, patterns)}
    return [pruned(v) for v in value] if isinstance(value, list) else value


def without_paths(text: str) -> str:
    """The list of input files: which keys name which contents, wherever the tree lies."""
    return json.dumps([{k: v for k, v in file.items() if k != "path"} for file in json.loads(text)], sort_keys=True)


def of_text(text: str, prefix: str) -> Digests:
    """Of JSON each entry of the outermost object, of other text each line."""
    try:
        content = json.loads(text)
    except ValueError:
        return {f"{prefix}:line {k}": sha(line) for k, line in enumerate(text.splitlines())}
    entries = pruned(content) if isinstance(content, dict) else {"": pruned(content)}
    return {f"{prefix}:{key}": sha(json.dumps(value, sort_keys=True)) for key, value in entries.items()}


def of_folder(folder: Path, given: Sequence[str]) -> Digests:
    """Of all results in a folder, without the files that were `given`."""
    found: Digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in given or ignored(path.name, (INPUT_FILES,)) or "segments" in path.parts:
            continue
        if path.suffix == ".h5":
            found |= of_hdf5(path, name)
        elif path.name == "summary.json":
            found |= of_text(path.read_text(), name)
    return found
