"""sys.exit(), exit() and os._exit() in a model's Python: an error in the place of the end of the whole process.

NEURON ends the process by itself where Python that it calls (a callback, nrnpython) is left by SystemExit, without a
word and with its exit code. While a model is loaded these functions therefore throw something else as long as Python of
the model may run, and note where.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

_PLACES: tuple[tuple[Any, str, str], ...] = (
    (sys, "exit", "sys.exit()"),
    (builtins, "exit", "exit()"),
    (builtins, "quit", "quit()"),
    (os, "_exit", "os._exit()"),
)
"""(where it is, its name there, as it is written)."""


class ModelExit(BaseException):
    """Thrown where a model's Python would end the process: past its own `except Exception`, as SystemExit is."""


class PythonExits:
    """The functions that end Python, while a model is loaded.

    inside: whether Python of the model may run now. called: what was called and where, "sys.exit() in cell.py:9".
    flag: 1 where something was, for compiled code.
    """

    def __init__(self) -> None:
        self.inside, self.called = False, ""
        self.flag = ctypes.c_int32()
        self._given: list[tuple[Any, str, Any]] = []

    def forbid(self) -> None:
        """Make them errors until `allow`; nothing if they are."""
        self.called, self.flag.value = "", 0
        if self._given:
            return
        atexit.register(self._at_exit)
        for owner, name, written in _PLACES:
            if (function := getattr(owner, name, None)) is not None:
                self._given.append((owner, name, function))
                setattr(owner, name, self._instead(function, written))

    def allow(self) -> None:
        """Give them back what they do."""
        for owner, name, function in self._given:
            setattr(owner, name, function)
        self._given.clear()
        atexit.unregister(self._at_exit)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Python of the model may run."""
        before, self.inside = self.inside, True
        try:
            yield
        finally:
            self.inside = before

    def _instead(self, function: Callable[..., Any], written: str) -> Callable[..., Any]:
        process = os.getpid()

        def leave(*arguments: Any, **named: Any) -> NoReturn:
            if not self.inside or os.getpid() != process:
                function(*arguments, **named)
            caller = sys._getframe(1)
            self.called = f"{written} in {Path(caller.f_code.co_filename).name}:{caller.f_lineno}"
            self.flag.value = 1
            raise ModelExit(self.called)

        return leave

    def _at_exit(self) -> None:
        """What is left: `raise SystemExit` in a callback, by which NEURON leaves Python."""
        if self.inside:
            print(
                "error: SystemExit in a callback of the model has ended the process; results up to the last checkpoint "
                "are kept",
                file=sys.__stderr__,
                flush=True,
            )
            self.allow()
            os._exit(1)


python_exits = PythonExits()
