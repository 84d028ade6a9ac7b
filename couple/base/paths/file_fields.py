"""Fields of input tables that are paths of files: each says so in its type, and one walk finds them all."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from couple.base.errors import InputError, brief
from couple.base.regular_file import NO_FILE

LONGEST_NAME = 255
"""Bytes between two slashes that systems take."""


@dataclass(frozen=True)
class ReadsFile:
    """Marks text as the path of a file, or of a folder of them, relative to the file that it stands in.

    role: what the file is. behind: pattern of what may follow the path behind a colon, as in "cell.py:build".
    key: of a table whose own types are known elsewhere, the key that has the path.
    """

    role: str
    behind: str = ""
    key: str = ""

    def path_in(self, text: str) -> str:
        """The path alone."""
        match = re.fullmatch(rf"(.+):{self.behind}", text) if self.behind else None
        return match[1] if match else text


@dataclass(frozen=True)
class NamedFile:
    """A file that a table names. key: where, as "drive[0].replay". given: the text there. path: of the file in it."""

    key: str
    given: str
    path: str
    role: str


def named_files(table: BaseModel, key: str = "") -> Iterator[NamedFile]:
    """Every file that a table, and the tables in it, name by fields of types that are marked with `ReadsFile`."""
    for name, field in type(table).model_fields.items():
        mark = next((m for m in field.metadata if isinstance(m, ReadsFile)), None)
        place = f"{key}.{field.alias or name}".lstrip(".")
        yield from _named(field.annotation, mark, getattr(table, name), place)


def refuse_long_names(table: BaseModel) -> None:
    """Raise InputError that names the key of a name that no file can have."""
    for file in named_files(table):
        if max(len(part.encode()) for part in file.path.split("/")) > LONGEST_NAME:
            raise InputError(f"{brief(file.given)} is too long for the name of a file", where=file.key)


def refuse_no_files(table: BaseModel, folder: Path) -> None:
    """Raise InputError that names the key of a pipe or device, which would be waited for. folder: paths are from it."""
    for file in named_files(table):
        with suppress(OSError, ValueError):  # what is not there, or cannot be looked at, is said by who reads it
            mode = (folder / file.path).stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise InputError(f"{brief(file.given)} {NO_FILE}: give a file", where=file.key)


def _named(annotation: Any, mark: ReadsFile | None, value: Any, key: str) -> Iterator[NamedFile]:
    """Those in one value, whose type the annotation is."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = next((m for m in arguments[1:] if isinstance(m, ReadsFile)), mark)
        yield from _named(arguments[0], own, value, key)
    elif origin in (Union, UnionType):
        for one in arguments:
            yield from _named(one, mark, value, key)
    elif isinstance(value, BaseModel) and isinstance(annotation, type) and isinstance(value, annotation):
        yield from named_files(value, key)
    elif origin is tuple and isinstance(value, tuple):
        for k, (one, item) in enumerate(_items(arguments, value)):
            yield from _named(one, mark, item, f"{key}[{k}]")
    elif mark is not None and mark.key and isinstance(value, Mapping):
        yield from _named(str, replace(mark, key=""), value.get(mark.key), f"{key}.{mark.key}")
    elif origin in (dict, Mapping) and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _named(arguments[1], mark, item, f"{key}.{name}")
    elif annotation is str and isinstance(value, str) and value and mark is not None:
        yield NamedFile(key, value, mark.path_in(value), mark.role)


def _items(arguments: tuple[Any, ...], value: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """Each item of a tuple with its type; tuple[str, ...] has one for all."""
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        yield from ((arguments[0], item) for item in value)
    else:
        yield from zip(arguments, value, strict=False)
