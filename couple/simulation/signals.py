"""Ctrl-C and SIGTERM as a wish to stop at the next good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """signal: name of the signal that asked to stop; None if none did."""

    def __init__(self) -> None:
        self.signal: str | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGINT and SIGTERM instead of dying; a second SIGINT interrupts at once. Nothing outside of the main
        thread, where Python gives no signals."""
        self.signal = None
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, _frame: object) -> None:
            if self.signal is not None and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.signal = signal.Signals(number).name

        old = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
