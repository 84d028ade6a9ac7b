"""Weak forms compiled by DOLFINx (FFCx), each kept in a folder of its own in the cache of `couple`.

FFCx loads what it finds under the name of a form, whole or not and whoever made it. So each form has a folder that is
checked before FFCx looks there (couple/cache/library.py), named by FFCx's own signature, the options and the versions.
Each rank looks for itself: the first compiles, the others wait for it.
"""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.fem.mesh.library.dolfinx_import import MPI, dolfinx, ufl
from couple.base.errors import InputError
from couple.cache.folder import FORMS
from couple.cache.library import obtain

_ffcx: Any = importlib.import_module("ffcx")
_naming: Any = importlib.import_module("ffcx.naming")

_PACKAGES = tuple(map(importlib.import_module, ("dolfinx", "ffcx", "ufl", "basix", "cffi")))
"""What writes the code and calls the compiler, and DOLFINx, which the library has to fit."""


def compiled(form: Any) -> Any:
    """A form ready for assembly; what was compiled once is found on disk.

    Raises InputError if a form is not there yet and cannot be compiled.
    """

    def compile_in(folder: Path) -> Any:
        return dolfinx.fem.form(form, jit_options={"cache_dir": str(folder)}, jit_comm=MPI.COMM_SELF)

    return _kept(form, compile_in) if isinstance(form, ufl.Form) else dolfinx.fem.form(form)


def compiled_expression(value: Any, points: Any) -> Any:
    """An expression ready to be interpolated at points of the reference element. Raises InputError as `compiled`."""

    def compile_in(folder: Path) -> Any:
        return dolfinx.fem.Expression(value, points, comm=MPI.COMM_SELF, jit_options={"cache_dir": str(folder)})

    return _kept((value, points), compile_in)


def compiler() -> str | None:
    """The C compiler that forms would be compiled with, or None."""
    return shutil.which(shlex.split(os.environ.get("CC", "cc") or "cc")[0])


def _kept(what: Any, compile_in: Callable[[Path], Any]) -> Any:
    """What `compile_in` makes of a folder that holds the library, or is to."""
    made: list[Any] = []
    try:
        folder = obtain(FORMS, _key(what), lambda new: made.append(compile_in(new)))
        return made[-1] if made else compile_in(folder)
    except Exception as error:
        if compiler() is None:
            raise InputError(
                f"the forms of finite elements need a C compiler once and `{os.environ.get('CC', 'cc')}` is not there: "
                "install one (apt-get install gcc, xcode-select --install), or use engine = gridded, lattice or ode"
            ) from error
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise InputError(f"the forms of finite elements cannot be compiled ({lines[0]})") from error


def _key(what: Any) -> str:
    """FFCx's signature of a form or expression, with options, versions and the platform."""
    options = dolfinx.jit.get_options()
    kept = sorted((name, str(value)) for name, value in options.items() if name not in ("cache_dir", "timeout"))
    python = [sysconfig.get_config_var(name) for name in ("SOABI", "CFLAGS")]
    versions = [getattr(package, "__version__", "") for package in _PACKAGES]
    tag = repr((kept, sorted(_ffcx.get_options().items()), str(dolfinx.default_scalar_type), python, versions))
    return str(_naming.compute_signature([what], tag))
