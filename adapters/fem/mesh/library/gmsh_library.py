"""The one place where gmsh is opened: an optional library, with settings and signals of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from couple.base import signals
from couple.base.errors import MissingDependencyError


@contextmanager
def gmsh_library(doing: str) -> Iterator[Any]:
    """The module, silent, with no file of settings read; closed at the end.

    doing: what needs it, as "reading head.msh needs". Raises MissingDependencyError.
    """
    try:
        import gmsh
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"{doing} gmsh ({str(error).splitlines()[0]}): uv pip install gmsh") from error
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    signals.reinstall()  # it lets a broken pipe end the process
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        yield gmsh
    finally:
        gmsh.finalize()
