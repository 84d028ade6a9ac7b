"""The command line in a child process that is killed, or gets signals, at a chosen instant; and what goes on."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from couple.files import write_hdf5
from couple.storage import atomic_file
from support.command_line import couple, exit_in_fork

Act = Callable[[], None]


def sends(*numbers: signal.Signals) -> Act:
    """Sends signals to the process that calls it."""

    def act() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return act


def at_write(k: int, act: Act, *, after: bool = False, also: Act | None = None) -> Act:
    """Lets `act` happen when the k-th file of the process is renamed, or just after it; `also` at all later ones."""

    def patch() -> None:
        flush, done = atomic_file.flush_and_rename, 0

        def flush_and_rename(temporary: Path, path: Path) -> None:
            nonlocal done
            done += 1
            if done == k + 1 and not after:
                act()
            flush(temporary, path)
            if done == k + 1 and after:
                act()
            if done > k + 1 and also is not None:
                also()

        atomic_file.flush_and_rename = flush_and_rename
        write_hdf5.flush_and_rename = flush_and_rename

    return patch


def at_call(owner: object, name: str, act: Act, *, k: int = 0) -> Act:
    """Lets `act` happen at the k-th call of a function."""

    def patch() -> None:
        function, calls = getattr(owner, name), 0

        def wrapped(*arguments: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls == k + 1:
                act()
            return function(*arguments, **more)

        setattr(owner, name, wrapped)

    return patch


class ForkedCommand:
    """The command line in a fork of this process, which has imported everything; what it says is in `errors`."""

    def __init__(self, arguments: tuple[object, ...], errors: Path, *patches: Act) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become([str(a) for a in arguments], errors, patches)

    def poll(self) -> int | None:
        """The exit code as Popen gives it; None while it runs."""
        return self._look(os.WNOHANG)

    def wait(self) -> int:
        """The same at its end."""
        code = self._look(0)
        assert code is not None
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait_for(self, sign: Callable[[], bool]) -> None:
        """Until there is a sign of progress, or its end."""
        while not sign() and self.poll() is None:
            time.sleep(0.001)

    def _look(self, how: int) -> int | None:
        if self._code is None:
            done, status = os.waitpid(self.pid, how)
            self._code = os.waitstatus_to_exitcode(status) if done else None
        return self._code


def in_child(arguments: tuple[object, ...], errors: Path, *patches: Act) -> int:
    """The exit code of the command line in a fork, as Popen gives it; what it said on stderr is in `errors`."""
    return ForkedCommand(arguments, errors, *patches).wait()


def _become(arguments: list[str], errors: Path, patches: tuple[Act, ...]) -> NoReturn:
    """In the fork: the command line as a shell starts it, with its streams in a file."""

    def command_line() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        out = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout, sys.stderr = (os.fdopen(os.dup(out), "w", buffering=1) for _ in range(2))
        sys.argv = ["couple", *arguments]
        for patch in patches:
            patch()
        from couple.__main__ import main

        main()

    exit_in_fork(command_line)


def goes_on(arguments: tuple[object, ...], out: Path) -> bool:
    """Whether one of the ways that a user has goes on: resume, the same command, the same with --force."""
    command = [str(a) for a in arguments]
    ways = [["resume", str(out), "--quiet", "--no-figure"], command, [*command, "--force"]]
    if command[0] == "train":
        ways[0] = ["train", "--resume", str(out), "--quiet", "--no-figure"]
    if command[0] == "sample":
        ways = [command]
    return any(couple(*way) == 0 for way in ways)
