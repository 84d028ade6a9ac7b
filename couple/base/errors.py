"""One exception tree. A message says what was given, what is allowed, where, and what to do."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

from couple.base.signals import exit_code


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
        message, where = _bounded(message), _without_middles(where, LONGEST)
        self.message, self.where = message, where
        super().__init__(f"{where}: {message}" if where else message)

    def at(self, where: str) -> InputError:
        """This error placed inside a larger document: `where` goes in front of the place, a key or a file."""
        between = ": " if "/" in self.where.partition(": ")[0] else "."
        inner = f"{where}{between}{self.where}" if self.where else where
        return type(self)(self.message, where=inner)

    def inside(self, file: str) -> InputError:
        """This error placed in a file."""
        return type(self)(self.message, where=f"{file}: {self.where}" if self.where else file)


LONGEST = 600
"""Characters of a message; whatever a file holds, nobody reads more."""


def _bounded(message: str) -> str:
    """A message on one line, with a middle left out of words and of a whole that are absurdly long."""
    message = " ".join(message.split())
    message = _without_middles(message, 240)
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} ... {message[5 - LONGEST // 2 :]}"


def _without_middles(text: str, longest: int) -> str:
    """A text with a middle left out of its words that have so many characters. Names of files are shorter."""
    return re.sub(rf"\S{{{longest},}}", lambda word: f"{word[0][:100]}...{word[0][-20:]}", text)


class RunError(CoupleError):
    """The run itself failed (a non-finite value, a broken ledger, a full disk). Exit code 1.

    >>> from couple import RunError
    >>> RunError("the disk is full").exit_code
    1
    """


class Interrupted(RunError):
    """Ctrl-C, SIGTERM, SIGHUP, or time that is up: the state is in a checkpoint.

    signal: its name. Exit code 128 + its number, as shells have it; 130 without one.

    >>> from couple import Interrupted
    >>> Interrupted("stopped by SIGTERM", "SIGTERM").exit_code
    143
    """

    exit_code = 130

    def __init__(self, message: str, signal: str | None = None) -> None:
        super().__init__(message)
        self.signal = signal
        if signal is not None:
            self.exit_code = exit_code(signal)


class CannotRestart(RunError):
    """A component cannot be set back to its start in this process; the text says why."""


class MissingDependencyError(InputError):
    """An optional engine or library is not installed; the message holds the command that installs it.

    >>> from couple import InputError, MissingDependencyError
    >>> issubclass(MissingDependencyError, InputError)
    True
    """


LINE = 80
"""Characters of a value that a message shows."""


def brief(value: object) -> str:
    """A value as Python writes it, short enough for one line."""
    return _cut(repr(value))


def quoted(text: object) -> str:
    """A text in double quotes as TOML has it, on one line and short enough for it."""
    return _cut(json.dumps(str(text), ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= LINE else f"{text[: LINE - 10]}...{text[-5:]}"


SHOWN = 20
"""Names that are listed where none is near."""
_NEAR = 0.6
"""Share of letters that two names have in common, in order, from which on one may be meant by the other."""
_COMPARED = 20_000
"""Names that are compared letter by letter; of more, none that shares too few letters."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause `did you mean "x"?` for a misspelt name, or the known names if none is near; nearest first.

    known: what is valid in that place, and nothing else. Capitals do not count, and no name is offered twice.

    >>> nearest("ca", ["CB", "Ca", "K"])
    'did you mean "Ca"?'
    """
    names, close = _ranked(name, known)
    if close:
        return "did you mean " + " or ".join(f'"{one}"' for one in close) + "?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "known: " + (", ".join(names[:SHOWN]) + more if names else "none")


def is_near(name: str, known: Iterable[str]) -> bool:
    """Whether `nearest` would offer a name as what may be meant."""
    return bool(_ranked(name, known)[1])


def _ranked(name: str, known: Iterable[str]) -> tuple[list[str], list[str]]:
    """All names, nearest first, and those of the first three that may be meant."""
    names = list(dict.fromkeys(str(k) for k in known))
    alike = _likeness(name, names)
    names.sort(key=lambda one: (-alike[one], one))
    close = [one for one in names[:3] if alike[one] >= _NEAR]
    return names, close[:1] if close and alike[close[0]] > 1.0 else close  # one that is the same but for capitals


def _likeness(name: str, names: Sequence[str]) -> dict[str, float]:
    """Of each name, from 0 to 1; 2 if it is the same but for capitals."""
    wanted = name[:200].casefold()
    matcher = difflib.SequenceMatcher(b=wanted)
    found = {}
    for one in names:
        folded = one[:200].casefold()
        if folded == wanted:
            found[one] = 2.0
            continue
        short, long = sorted((folded, wanted), key=len)
        if len(short) > 2 and long.startswith(short):  # the beginning of a name, or a name with more behind it
            found[one] = _NEAR + (1 - _NEAR) * len(short) / len(long)
            continue
        matcher.set_seq1(folded)
        hopeless = len(names) > _COMPARED and (matcher.real_quick_ratio() < _NEAR or matcher.quick_ratio() < _NEAR)
        found[one] = 0.0 if hopeless else matcher.ratio()
    return found
