"""Errors that say in which line of a file they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from couple.base.errors import InputError


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """Put "line 7: " in front of an InputError, unless it has a line of its own or the number is 0 (not known)."""
    try:
        yield
    except InputError as error:
        if not number or re.match(r"line \d+: ", error.message):
            raise
        raise InputError(f"line {number}: {error.message}") from None
