"""What fits into this machine: asked before large arrays are made, so that the answer is one line and not a killer.

Callers say how many bytes they are certain to need, counted from below: what would fit is never refused.
`COUPLE_MEMORY` sets another limit for the process ("8 GB"), for a machine whose memory others share.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import resource
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from couple.base.errors import InputError, quoted

VARIABLE = "COUPLE_MEMORY"
"""Environment variable with the most memory that a process may use, as "8 GB"."""

MOST_ALONG = 1e9
"""Cells in a row."""

SMALL = 1 << 26
"""Bytes for which nobody is asked: every machine has them, and asking takes longer."""

LARGE = 1e9
"""Bytes from which on people are told what is being made: to fill that many takes from seconds to minutes."""

MOST_EVENTS = 1e11
"""Events of a site in a window, in which nothing can be stopped: hours. Above 1e16 the time would not even move."""

TOO_FAST = (
    f"are no numbers, or more than {MOST_EVENTS:g} events in an exchange interval: check the rates, the amounts and "
    "the volume, or give a shorter experiment.exchange"
)
"""What is said of propensities."""

MOST_STEPS = 1e9
"""Inner steps of an engine in a tick: hours, in which nothing can be stopped, or more."""

_log = logging.getLogger(__name__)

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def check_steps(steps: float, what: str, advice: str) -> None:
    """Raise InputError for more inner steps in a tick than anybody waits for."""
    if not steps <= MOST_STEPS:
        raise InputError(f"{what}: {steps:.2g} inner steps in a tick; up to {MOST_STEPS:g} can be: {advice}")


def check_memory(needed: float, what: str, advice: str, where: str = "") -> None:
    """Raise InputError if `needed` bytes are more than are left; a warning, once, if they are many.

    what: the work, with its size ("1.2e+09 cells of a lattice"). advice: what to change ("take a larger spacing").
    where: key, for the message.

    >>> check_memory(8e3, "1000 numbers", "take fewer")
    """
    if needed <= SMALL:
        return
    left = available_memory()
    if needed > left:
        raise InputError(
            f"{what}: that takes {size(needed)} of memory or more, and {size(left)} are free: {advice} "
            f"({VARIABLE} sets another limit)",
            where=where,
        )
    if needed > LARGE:
        _tell(f"{what}: that takes {size(needed)} of memory or more, and its time; if it is too much, {advice}")


@functools.lru_cache(maxsize=64)
def _tell(text: str) -> None:
    _log.warning(text)


def cells_along(length: float, cell: float, slack: float = 0.0) -> int:
    """Cells of edge `cell` that cover a length, at least one, but for a share `slack` of a cell.

    Raises InputError for more than can be told apart, however many: arrays are asked for only afterwards.

    >>> cells_along(1.0, 0.3)
    4
    """
    n = length / cell
    if not n <= MOST_ALONG:
        raise InputError(f"{cell * 1e3:g} nm gives {n:.3g} cells along {length:g} um: take a larger one")
    return max(1, math.ceil(n - slack))


def check_disk(needed: float, folder: Path, what: str, advice: str, where: str = "") -> None:
    """Raise InputError if `needed` bytes are more than the disk of a folder has left. The folder need not exist."""
    if needed <= SMALL:
        return
    there = next((p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir()), None)
    if there is None:
        return
    left = shutil.disk_usage(there).free
    if needed > left:
        raise InputError(
            f"{what}: that takes {size(needed)} of disk or more, and {there} has {size(left)} left: {advice}",
            where=where,
        )


def size(n_bytes: float) -> str:
    """Bytes in a unit that a person reads: "1.2 GB"."""
    n_bytes = max(n_bytes, 0.0)
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:,.3g} {unit}" if n_bytes < 1e15 else f"{n_bytes / 1e9:.3g} GB"
    return f"{n_bytes:.0f} bytes"


def available_memory() -> float:
    """Bytes that this process can still take: the least that the machine, its control group, the limits of the process
    and COUPLE_MEMORY leave.

    Raises InputError for a COUPLE_MEMORY that is no size.
    """
    return min(_machine(), _process_limit(), _chosen(), *_control_groups())


def _chosen() -> float:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return float("inf")
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgt]i?|)b?", text, re.IGNORECASE)
    if match is None:
        raise InputError(f'{quoted(text)} is no size of memory; give one like "8 GB"', where=VARIABLE)
    return float(match[1]) * _UNITS[match[2].lower()] - _used()


def _machine() -> float:
    """What Linux can give without killing anybody: free memory, caches that it would drop, and swap."""
    values = {}
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemAvailable", "SwapFree"):
                values[name] = float(rest.split()[0]) * 1024
    if "MemAvailable" in values:
        return values["MemAvailable"] + values.get("SwapFree", 0.0)
    with suppress(OSError, ValueError, AttributeError):
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return float("inf")


def _process_limit() -> float:
    """What `ulimit -v` leaves."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if most == resource.RLIM_INFINITY else float(most) - _pages(0)


def _control_groups() -> Iterator[float]:
    """What each control group of Linux that the process is in leaves: that is where containers have their limits."""
    yield float("inf")
    root = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            names = (
                ("memory.max", "memory.current")
                if number == "0"
                else ("memory.limit_in_bytes", "memory.usage_in_bytes")
            )
            if number != "0" and "memory" not in controllers.split(","):
                continue
            base = root if number == "0" else root / "memory"
            inside = base / path.lstrip("/")
            for group in (inside, *inside.parents):
                with suppress(OSError, ValueError):
                    most, now = (float((group / name).read_text().replace("max", "inf")) for name in names)
                    yield most - now + _dropped(group)
                if group == base:
                    break


def _dropped(group: Path) -> float:
    """Bytes of file caches in a control group, which go before anybody is killed."""
    with suppress(OSError, ValueError):
        found = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return float(found.get("inactive_file", found.get("total_inactive_file", 0)))
    return 0.0


def _used() -> float:
    """Bytes of memory that this process has."""
    resident = _pages(1)
    if resident:
        return resident
    peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def _pages(column: int) -> float:
    """Bytes of the process by Linux: 0 of its addresses, 1 in memory; 0 elsewhere."""
    with suppress(OSError, ValueError, IndexError):
        return float(Path("/proc/self/statm").read_text().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    return 0.0
