"""What can be trained: each kind has its tables in the training file, its model file and its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py

from couple.base.errors import InputError
from couple.storage import checkpoint
from reducers.training.resumable import CHECKPOINT, Progress, Tell


class Begun(Protocol):
    """A training under way. done: steps so far."""

    folder: Path

    @property
    def done(self) -> int: ...

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """To the end; writes model and summary, and returns the summary."""
        ...


@dataclass(frozen=True)
class Report:
    """Of a model: (what, value) lines, and what draws it at a path and returns all pictures made."""

    lines: list[tuple[str, str]]
    draw: Callable[[Path], list[Path]]


class Kind(Protocol):
    """One kind of training, as `couple train` and `couple model` need it."""

    def new(self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell) -> Begun:
        """Raises InputError if anything does not fit."""
        ...

    def resumed(self, folder: Path, *, tell: Tell) -> Begun:
        """Raises InputError for a checkpoint that is damaged or of other data."""
        ...

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """What to say at the end of a training, from its summary or its model file."""
        ...

    def report(self, path: Path) -> Report:
        """Raises InputError for a file that is damaged or of another kind."""
        ...


def kind_of_file(content: Mapping[str, Any]) -> Kind:
    """Who trains what a training file describes."""
    from reducers.fields.blocks import is_field

    if "protocol" in content:
        return _gccd()
    if "driven" in content:
        return _driven()
    return _fields() if is_field(dict(content)) else _distributions()


def kind_of_checkpoint(folder: Path) -> Kind:
    """Who goes on in a folder. Raises InputError if it holds no checkpoint of a training."""
    place = folder / CHECKPOINT if folder.is_dir() else folder
    states = checkpoint.read(place)
    head = states.get("training", {})
    if "content" not in head:
        raise InputError("is not the checkpoint of a training", where=str(place))
    return kind_of_file(json.loads(str(head["content"])))


def kind_of_model(path: Path) -> Kind:
    """Who made a model; files that are none of a kind are left to the first, which says what is wrong."""
    from reducers.markov.file import FORMAT

    try:
        with h5py.File(path) as file:
            head = {key: str(file.attrs.get(key, "")) for key in ("format", "kind", "family")}
    except OSError:
        return _distributions()
    if head["format"] == FORMAT:
        return _gccd() if head["kind"] == "mrf" else _driven()
    return _fields() if head["family"] == "field" else _distributions()


def _distributions() -> Kind:
    from reducers.dbd.command import Distributions

    return Distributions()


def _fields() -> Kind:
    from reducers.fields.command import Fields

    return Fields()


def _driven() -> Kind:
    from reducers.markov.command import Molecules

    return Molecules()


def _gccd() -> Kind:
    from reducers.gccd.command import MarkovFields

    return MarkovFields()
