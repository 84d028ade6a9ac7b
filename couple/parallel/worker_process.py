"""A process that works for this one: what is given to it goes over a line, and what it makes comes back."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from couple.base.errors import CoupleError, RunError
from couple.base.signals import blocked


class WorkerProcess:
    """A process that runs `work(*arguments, line)`, which can be imported by its name.

    It hears no signals, which go to the whole group: the parent decides. line: ready when it has sent something.
    """

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=work, args=(*arguments, theirs), daemon=True)
        resource_tracker.ensure_running()  # its own start would let the signals through again
        with blocked():
            self._process.start()
        theirs.close()

    def give(self, message: object) -> None:
        """Send it something. If the process has died, `receive` says so."""
        with suppress(OSError):
            self.line.send(message)

    def receive(self, who: str) -> Any:
        """What it has sent. Raises a CoupleError that was sent, RunError if it died. who: "the process that ..."."""
        try:
            message = self.line.recv()
        except (EOFError, OSError):
            self._process.join()
            raise RunError(
                f"{who} died (code {self._process.exitcode}); out of memory? What is finished is kept: the same "
                "command goes on"
            ) from None
        if isinstance(message, CoupleError):
            raise message
        return message

    @property
    def code(self) -> int | None:
        """Its exit code, None as long as it lives."""
        return self._process.exitcode

    def end(self, *, now: bool = False) -> None:
        """Let it go, or stop it at once."""
        if now:
            self._process.kill()
        self.line.close()
        self._process.join()


def begin_work() -> None:
    """To be called in the process first: what a model prints goes to stderr, and does not belong into a summary."""
    os.dup2(sys.stderr.fileno(), 1)


def tell(line: Connection, message: object) -> None:
    """Send it, if anybody still listens."""
    with suppress(OSError):
        line.send(message)
