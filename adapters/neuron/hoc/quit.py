"""quit() in a model, in HOC or as h.quit() in Python: an error in the place of the end of the whole process.

NEURON calls a function behind its name; while a model is loaded that function is the one of mcell_ran4(), which
complains that it has no arguments. Both places are proved before anything is changed.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.h import library
from adapters.neuron.hoc.python_exit import python_exits
from couple.base.errors import RunError

_COMPLAINT = re.compile(r"\bquit\b\W+not enough arguments")
_DEFINITION = 16
"""Bytes from the beginning of a symbol of HOC to the pointer to its procedure, whose first word is the function."""


def forbid_quit() -> bool:
    """Make quit() an error until `allow_quit`; whether this NEURON lets that be done. So are the ends of Python."""
    python_exits.forbid()
    return _point_to("_Z8hoc_quitv", "_Z10hoc_mcran4v")


def allow_quit() -> None:
    """Give quit() back what it does, and Python its own."""
    python_exits.allow()
    _point_to("_Z10hoc_mcran4v", "_Z8hoc_quitv")


def is_forbidden() -> bool:
    """Whether quit() is an error now."""
    place = _place()
    return place is not None and place.value == _address("_Z10hoc_mcran4v")


def is_quit(message: str) -> bool:
    """Whether an error of NEURON came from quit()."""
    return _COMPLAINT.search(message) is not None


def quit_error(texts: Mapping[Path, str], place: str = "") -> RunError:
    """The error of a model that quits. texts: of its files. place: where NEURON was, unless they have one quit()."""
    if python_exits.called:
        called, python_exits.called = python_exits.called, ""
        return RunError(f"{called} would end the process: the model must not call it")
    found = [f"{path.name}:{line}" for path, text in texts.items() for line in source_text.quits(text)]
    where = found[0] if len(found) == 1 else place or " or ".join(found[:3])
    return RunError(f"quit(){f' in {where}' if where else ''} would end the process: the model must not call it")


def _point_to(before: str, after: str) -> bool:
    """Put a function in the place of another; whether it is there."""
    place, here, there = _place(), _address(before), _address(after)
    if place is None or not here or not there:
        return False
    if place.value == here:
        place.value = there
    return place.value == there


@functools.cache
def _place() -> ctypes.c_void_p | None:
    """Where NEURON keeps the function of quit(); None if it is not where it is looked for."""
    lookup = getattr(library(), "_Z10hoc_lookupPKc", None)
    if lookup is None:
        return None
    lookup.restype, lookup.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    symbol = lookup(b"quit")
    name = ctypes.c_char_p.from_address(symbol).value if symbol else None
    procedure = ctypes.c_void_p.from_address(symbol + _DEFINITION).value if name == b"quit" else None
    if not procedure:
        return None
    place = ctypes.c_void_p.from_address(procedure)
    return place if place.value == _address("_Z8hoc_quitv") else None


def _address(name: str) -> int:
    function = getattr(library(), name, None)
    return 0 if function is None else int(ctypes.cast(function, ctypes.c_void_p).value or 0)


def has_quit(said: Sequence[str]) -> bool:
    """Whether a model has quit: in HOC, of which these are errors, or in Python."""
    return bool(python_exits.called) or any(map(is_quit, said))


def quit_error_of(files: Sequence[Path]) -> RunError:
    """The same, of a model that consists of these files."""
    kinds = (".hoc", ".ses", ".py")
    texts = {f: f.read_text(encoding="utf-8", errors="replace") for f in files if f.suffix in kinds and f.is_file()}
    return quit_error(texts)
