"""The files that a model consists of, with their digests: a checkpoint goes on only where all of them are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from adapters.neuron.hoc import source_text

_TEXTS = (".py", ".hoc", ".ses")
_NOT_OF_THE_MODEL = (".toml", ".h5", ".png", ".pdf", ".svg", ".log")
_MOST = 64 * 2**20


def with_named(files: Iterable[Path]) -> list[Path]:
    """The files and all that their texts name in quotes, such as a morphology or a table, and so on from there."""
    found: dict[Path, None] = {}
    queue = [f.resolve() for f in files]
    while queue:
        path = queue.pop(0)
        if path in found or not path.is_file() or path.stat().st_size > _MOST:
            continue
        found[path] = None
        if path.suffix in _TEXTS:
            named = (f.resolve() for f in source_text.named_files(path))
            queue += [f for f in named if f.suffix not in _NOT_OF_THE_MODEL]
    return list(found)


def digests(files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file by its path."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
