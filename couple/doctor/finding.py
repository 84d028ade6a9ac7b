"""One line of `couple doctor`. Checks are functions that return findings, registered in the group "couple.checks"."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """name: of what was looked at. found: in words. advice: what to do, where something is to be done."""

    name: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def first_line(command: Sequence[str], seconds: float = 120.0) -> tuple[int, str]:
    """Exit code and first line of what a command prints; (-1, why) if it cannot be run."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer in {seconds:g} s"
    except OSError as error:
        return -1, str(error.strerror)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode != 0 and "Traceback" in done.stdout:
        return done.returncode, lines[-1]
    return done.returncode, lines[0] if lines else ""


def python(code: str, seconds: float = 120.0) -> tuple[int, str]:
    """The first line that Python code prints in a process of its own: what it loads and breaks stays there."""
    return first_line([sys.executable, "-c", code], seconds)
