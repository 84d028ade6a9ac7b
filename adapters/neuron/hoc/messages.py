"""What NEURON says while it does something, and one line of it for a mistake.

HOC reports errors on stderr, over several lines, and goes on after some of them: a file that load_file does not find
is a line on stderr and a return value that nobody looks at.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO

_MESSAGE = re.compile(r"^NEURON: (.*)$", re.MULTILINE)
_PLACE = re.compile(r"^ in (\S+) near line (\d+)$", re.MULTILINE)
_PYTHON_PLACE = re.compile(r'^  File "([^"\n]+)", line (\d+)', re.MULTILINE)
_PYTHON_ERROR = re.compile(r"^([A-Za-z_][\w.]*(?:: .*)?)$", re.MULTILINE)
_STATUS = re.compile(r"^\s*\d+\s*$")
"""load_file as a statement prints what it returns."""


@dataclass
class Messages:
    """stderr of a stretch of code; `errors` gives one line for each message of NEURON in it."""

    stream: StringIO = field(default_factory=StringIO)

    def clear(self) -> None:
        """Take what was said so far as answered."""
        self.stream.seek(0)
        self.stream.truncate()

    @property
    def errors(self) -> list[str]:
        """Messages with their places: 'nothere is not a MECHANISM (cell.hoc:2)'."""
        text = self.stream.getvalue()
        starts = [*(m.start() for m in _MESSAGE.finditer(text)), len(text)]
        lines = []
        for start, end in itertools.pairwise(starts):
            part = text[start:end]
            message, place = _MESSAGE.search(part), _PLACE.search(part)
            assert message is not None
            where = f" ({place[1].rsplit('/', 1)[-1]}:{place[2]})" if place and place[2] != "0" else ""
            lines.append(_of_python(part) or f"{' '.join(message[1].split())}{where}")
        return lines


def _of_python(part: str) -> str:
    """What went wrong in Python that NEURON has called: 'ZeroDivisionError: division by zero (cell.py:5)'."""
    _, found, trace = part.partition("Traceback (most recent call last):\n")
    places, error = _PYTHON_PLACE.findall(trace), _PYTHON_ERROR.search(trace)
    if not found or not places or error is None:
        return ""
    file, line = places[-1]
    return f"{' '.join(error[1].split())} ({file.rsplit('/', 1)[-1]}:{line})"


@contextmanager
def capture_messages() -> Iterator[Messages]:
    """Collect what NEURON says; what is no error message of it goes on to stdout and stderr at the end."""
    messages, out = Messages(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(messages.stream):
            yield messages
    finally:
        _pass_on(out.getvalue())
        if not messages.errors and messages.stream.getvalue().strip():
            print(messages.stream.getvalue(), end="", file=sys.stderr)


def _pass_on(text: str) -> None:
    lines = [line for line in text.splitlines() if line.strip() and not _STATUS.match(line)]
    if lines:
        print("\n".join(lines))


def with_advice(message: str) -> str:
    """Message of NEURON with what to do about it where that is known."""
    if re.search(r"is not a MECHANISM|density mechanism name|not a PointProcess|is not a template", message):
        return f'{message}; if it comes from MOD files, give them: mechanisms = "FOLDER" in [neuron]'
    return message
