"""Engines and commands are found through entry points and imported on first use."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from couple.base.errors import InputError, MissingDependencyError, nearest

_FEM = "dolfinx-solver-real mpi4py mpich"
PACKAGES = {
    "basix": _FEM, "dolfinx": _FEM, "ffcx": _FEM, "petsc4py": _FEM, "ufl": _FEM,
    "libsbml": "python-libsbml", "mpi4py": "mpi4py mpich",
}  # fmt: skip
"""Module → what installs it, where that has another name."""

_registered: dict[tuple[str, str], Any] = {}


def register(group: str, name: str, thing: Any) -> None:
    """Make an engine (group "couple.engines") or another plug-in known in this process, without an entry point."""
    _registered[group, name] = thing


def names(group: str) -> list[str]:
    """Registered names of a group such as "couple.engines"."""
    return sorted({*_installed(group)} | {n for g, n in _registered if g == group})


def load(group: str, name: str) -> Any:
    """The object registered as `name` in `group`.

    Raises InputError if the name is unknown and MissingDependencyError if what it needs is not installed.
    """
    if (group, name) in _registered:
        return _registered[group, name]
    found = _installed(group)
    if name not in found:
        kind, near = group.rsplit(".", 1)[-1].removesuffix("s"), nearest(name, names(group))
        everything = "" if near.startswith("known") else f" (all: {', '.join(names(group))})"
        raise InputError(
            f'unknown {kind} "{name}"; {near}{everything}. '
            f'Others come with a package that registers one in "{group}": uv pip install PACKAGE'
        )
    try:
        return found[name].load()
    except ModuleNotFoundError as error:
        package = PACKAGES.get(str(error.name).split(".")[0], error.name)
        raise MissingDependencyError(
            f'"{name}" needs the module "{error.name}", which is not installed: uv pip install {package}'
        ) from error


def refuse_engines(engines: Sequence[str], options: Iterable[str], *, but: str) -> None:
    """Raise ValueError for engines that are unknown or come twice, and for options of others.

    but: an engine that cannot be one of its own.
    """
    known = [name for name in names("couple.engines") if name != but]
    for name in engines:
        if name not in known:
            raise ValueError(f'engines: unknown engine "{name}"; {nearest(name, known)}')
        if engines.count(name) > 1:
            raise ValueError(f'engines: "{name}" twice')
    for name in options:
        if name not in engines:
            raise ValueError(f'options: "{name}" is not one of its engines ({", ".join(engines)})')


@functools.cache
def _installed(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by name; every package's metadata are read for it, so once."""
    return {e.name: e for e in entry_points(group=group)}
