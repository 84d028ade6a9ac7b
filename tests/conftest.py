"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """What tests start listens to Ctrl-C and to a terminal that closes, though a job in the background ignores both."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
