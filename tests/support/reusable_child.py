"""A copy of this process that does one piece of work after another, and may crash or hang."""

from __future__ import annotations

import multiprocessing
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any


class ReusableChild:
    """work: of a piece, returns what can be pickled. seconds: for a piece."""

    def __init__(self, work: Callable[[Any], Any], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._process: Any = None

    def ask(self, piece: object) -> Any:
        """What `work` returns of a piece; "crash: ..." or "hang" (a new copy does the next one)."""
        if self._process is None:
            self._begin()
        self._pipe.send(piece)
        try:
            if self._pipe.poll(self._seconds):
                return self._pipe.recv()
        except EOFError:
            self._process.join()
            code, self._process = self._process.exitcode, None
            return f"crash: {code}"
        self.close()
        return "hang"

    def close(self) -> None:
        """End the copy."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._serve, args=(theirs,), daemon=True)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of threads
            self._process.start()
        theirs.close()

    def _serve(self, pipe: Connection) -> None:
        with suppress(EOFError):
            while True:
                piece = pipe.recv()
                try:
                    said = self._work(piece)
                except BaseException:  # noqa: BLE001 - told to whoever asked
                    said = "raised: " + traceback.format_exc()
                pipe.send(said)
