"""Signals that ask a process to stop: SIGINT (Ctrl-C), SIGTERM (schedulers), SIGHUP (a closed terminal), and those that
schedulers send as a warning: SIGUSR1 and SIGUSR2 (Slurm, Grid Engine), SIGXCPU (a limit of processor time).

Where there is something to lose, `Stop.listening` notes them, however many come, also while the state is being saved;
whoever listens stops at the next good moment, saves, and raises Interrupted. At any other time one of them raises
StoppedBySignal in a process that is ours (`in_charge`), once. While either of the two ends the process, later signals
change nothing. A process that was started with one of them ignored (nohup) goes on ignoring it. This module is below
all others and imports none: it is there before anything that takes time is loaded.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
NUMBERS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


class StoppedBySignal(BaseException):
    """A signal, of that name, came while there was nothing to save. Not an Exception: no library may swallow it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"stopped by {name}: nothing was lost, give the same command again")

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it."""
        return exit_code(self.name)


def exit_code(name: str) -> int:
    """Of a process that a signal of that name has ended, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + int(signal.Signals[name])


class Stop:
    """signal: name of the first signal that asked to stop; None if none did."""

    def __init__(self) -> None:
        self.signal: str | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Signals are noted inside, instead of ending the process.

        What one that is around this one has noted, or one before it whose work was done all the same, is taken over.
        Nothing outside of the main thread, where Python gives no signals.
        """
        noted = (other.signal for other in _listeners if other.signal is not None)
        self.signal = next(noted, _charge.left)
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        _listeners.append(self)
        before = _install()
        try:
            yield
        except BaseException:
            _charge.used |= _charge.held and self.signal is not None  # the process ends, with what is raised here
            raise
        else:
            _charge.left = self.signal if _charge.held else None
        finally:
            if len(_listeners) == 1 and not _charge.held:
                _restore(before)
            _listeners.remove(self)


class _Charge:
    """held: whether the process is ours. used: whether a signal ends it already. left: what was noted too late.

    raised: what ends it; libraries written in C make another error of what is raised while they are imported.
    """

    held, used = False, False
    left: str | None = None
    raised: StoppedBySignal | None = None


_listeners: list[Stop] = []
_charge = _Charge()


def note(name: str) -> None:
    """Let whoever listens know of a signal, as if it had come."""
    if _listeners:
        _charge.raised = None  # whoever listens ends what is done
    for listener in _listeners:
        listener.signal = listener.signal or name


def _handle(number: int, _frame: object) -> None:
    name = signal.Signals(number).name
    if _listeners:
        note(name)
    elif not _charge.used:
        _charge.used, _charge.raised = True, StoppedBySignal(name)
        raise _charge.raised


def raised() -> StoppedBySignal | None:
    """The signal that ends the process, whatever the error has become on its way out; None if there was none."""
    return _charge.raised


def _install() -> dict[int, Any]:
    """Handlers that were there before ours."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, _handle)
    return before


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None:
            signal.signal(number, handler)


def reinstall() -> None:
    """To be called when a library has been loaded that puts handlers of its own in place."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGPIPE"):
        pipe = signal.getsignal(signal.SIGPIPE)
        if pipe is not None:  # ignored, as Python has it from its start: whoever writes gets an error instead
            signal.signal(signal.SIGPIPE, pipe)
    if (_listeners or _charge.held) and threading.current_thread() is threading.main_thread():
        _install()


@contextmanager
def in_charge() -> Iterator[None]:
    """The process is ours, until it ends: a signal raises StoppedBySignal inside, and nothing afterwards."""
    hook = sys.unraisablehook

    def unraisable(what: sys.UnraisableHookArgs) -> None:
        """One that came in a destructor or a callback, where Python ignores errors, comes again.

        Until then it stays the reason of whatever goes wrong because the callback did not end.
        """
        if isinstance(what.exc_value, StoppedBySignal):
            _charge.used = False
            again = threading.Timer(0.05, signal.raise_signal, (signal.Signals[what.exc_value.name],))
            again.daemon = True
            again.start()
        else:
            hook(what)

    sys.unraisablehook = unraisable
    _charge.held = True
    before = _install()
    try:
        yield
    except Exception:
        if _charge.raised is not None:
            raise _charge.raised from None
        raise
    finally:
        _charge.used = True
        for number in before:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def blocked() -> Iterator[None]:
    """Processes that are started inside never see these signals: whoever started them decides, and kills them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
