"""A case: command lines that share a folder."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """One or more command lines that share a folder.

    files: written before, by name; `{tree}` in texts and commands is the tree. commands: the first word is a program of
    the tree's environment, or `mpiexec`. spoken: whether what the last one prints is a result, too.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    files: dict[str, str | np.ndarray] = {}
    spoken: bool = False
