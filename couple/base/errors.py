"""One exception tree. A message says what was given, what is allowed, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CoupleError(Exception):
    """Base of every error that `couple` raises on purpose; the CLI prints its text as one line.

    >>> from couple import CoupleError, Experiment
    >>> try:
    ...     Experiment.load("/no/such.toml")
    ... except CoupleError as error:
    ...     error.exit_code
    2
    """

    exit_code = 1


class InputError(CoupleError):
    """The user's input (file, key, unit, name) cannot be used. Exit code 2.

    message: what was given, what is allowed and what to do. where: the place, as "FILE: KEY".

    >>> from couple import InputError
    >>> str(InputError("give 1 to 10", where="--runs"))
    '--runs: give 1 to 10'
    """

    exit_code = 2

    def __init__(self, message: str, *, where: str = "") -> None:
        self.message, self.where = message, where
        super().__init__(f"{where}: {message}" if where else message)

    def at(self, where: str) -> InputError:
        """This error placed inside a larger document: `where` goes in front of the place."""
        inner = f"{where}.{self.where}" if self.where else where
        return type(self)(self.message, where=inner)

    def inside(self, file: str) -> InputError:
        """This error placed in a file."""
        return type(self)(self.message, where=f"{file}: {self.where}" if self.where else file)


class RunError(CoupleError):
    """The run itself failed (a non-finite value, a broken ledger, a full disk). Exit code 1.

    >>> from couple import RunError
    >>> RunError("the disk is full").exit_code
    1
    """


class Interrupted(RunError):
    """Ctrl-C or SIGTERM: the state is in a checkpoint. Exit code 130.

    >>> from couple import Interrupted
    >>> Interrupted("stopped by SIGTERM").exit_code
    130
    """

    exit_code = 130


class CannotRestart(RunError):
    """A component cannot be set back to its start in this process; the text says why."""


class MissingDependencyError(InputError):
    """An optional engine or library is not installed; the message holds the command that installs it.

    >>> from couple import InputError, MissingDependencyError
    >>> issubclass(MissingDependencyError, InputError)
    True
    """


def brief(value: object) -> str:
    """A value as text, short enough for one line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:70]}...{text[-5:]}"


SHOWN = 20
"""Names that are listed where none is near."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause `did you mean "x"?` for a misspelt name, or the known names if none is near."""
    names = [str(k) for k in known]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f'"{c}"' for c in close) + "?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "known: " + (", ".join(sorted(names)[:SHOWN]) + more if names else "none")
