"""Functions of users, named as "rules.py:choose"."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.paths.opened_files import opened_files

FUNCTION = r"[A-Za-z_][A-Za-z0-9_]*"
"""Pattern of the name behind the colon."""


def load_function(text: str, folder: Path, form: str) -> tuple[Callable[..., Any], list[Path]]:
    """The function of "FILE.py:NAME" and the files that its file reads.

    form: what follows `def NAME`, for messages: "(now): return 'ENGINE'". Raises InputError if there is none.
    """
    file, _, name = text.rpartition(":")
    path = folder / file
    try:
        path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    spec = importlib.util.spec_from_file_location(f"couple_function_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with opened_files() as read:
            spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - whatever the user's file raises
        raise InputError(f"{path}: {type(error).__name__}: {error}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f'{path} has no function "{name}": def {name}{form}')
    return function, read
