"""The command line in a child process that is killed, or gets signals, at a chosen instant; and what goes on."""

from __future__ import annotations

import os
import signal
import sys
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


def in_child(arguments: tuple[object, ...], errors: Path, *patches: Act) -> int:
    """The exit code of the command line in a fork, as Popen gives it; what it said on stderr is in `errors`."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become([str(a) for a in arguments], errors, patches)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


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
