"""What a command prints with --json: which type it has, and the JSON schema of that.

A command says it by `@prints("module:NAME")`, a model, or a union, list or dict of models; the module is loaded when
its schema is asked for, so that `couple --help` stays quick. `couple schema COMMAND` and the reference of the
documentation show it, and a test holds every command's output against it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from couple.cli.output.console import out

PRINTS = "prints"
"""The attribute of a command's function."""


def prints[Command: Callable[..., Any]](place: str) -> Callable[[Command], Command]:
    """A decorator that notes the type of a command's JSON. place: "module:NAME"."""

    def note(command: Command) -> Command:
        setattr(command, PRINTS, place)
        return command

    return note


def document_schema(command: Callable[..., Any]) -> dict[str, Any] | None:
    """JSON schema (draft 2020-12) of what a command prints with --json; None of one that does not say it."""
    from pydantic import TypeAdapter

    place = getattr(command, PRINTS, None)
    if place is None:
        return None
    module, _, name = place.partition(":")
    found: Any = getattr(importlib.import_module(module), name)
    schema = TypeAdapter(found).json_schema(mode="serialization", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def print_json(content: Any) -> None:
    """Print models, dataclasses or plain values to stdout as JSON; numbers that are not finite are null."""
    out.print_json(json.dumps(_plain(content), allow_nan=False))


def written(file: Path, as_json: bool) -> None:
    """Print the name of the file that a command wrote."""
    print_json({"file": str(file)}) if as_json else out.print(str(file), markup=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):  # of pydantic, which is not loaded for --help
        return _plain(value.model_dump(mode="json", by_alias=True))
    raise TypeError(f"{type(value).__name__} has no JSON form")
