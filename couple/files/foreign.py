"""HDF5 files that other programs made: read in a process of its own first, which may crash, hang or run out of memory.

HDF5 follows damaged structures out of its memory and in circles. What it has read there without harm is opened here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from couple.base.errors import InputError
from couple.files.seal import Stamp

BYTES_PER_SECOND = 20e6
"""What HDF5 reads at least."""
SECONDS = 20
"""CPU time for a small file."""

_tried: set[tuple[Stamp, bool]] = set()


def check_foreign(path: Path, whole: bool = True) -> None:
    """Raise InputError if HDF5 cannot read a file without harm, or if it leads to others or claims absurd sizes.

    whole: whether its datasets will be read at once.
    """
    stamp = Stamp.of(path.stat())
    if (stamp, whole) in _tried:
        return
    said = _ask(path, whole, SECONDS + int(stamp.size / BYTES_PER_SECOND))
    if said:
        raise InputError(said, where=str(path))
    if stamp.settled:
        _tried.add((stamp, whole))


def _ask(path: Path, whole: bool, seconds: int) -> str:
    """What is wrong with a file, "" if nothing is; asked of a process that has so much CPU time."""
    command = [sys.executable, "-P", "-m", "couple.files.foreign_reader", str(path.absolute()), str(int(whole))]
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*command, str(seconds)],
            env={**os.environ, **threads},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10 * seconds,
            check=False,
        )
        said = json.loads(done.stdout) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        return f"is damaged: HDF5 does not come to an end of it in {10 * seconds} s"
    except OSError as error:
        return f"cannot be tried in a process of its own: {error.strerror}"
    except ValueError:
        said = None
    return said if isinstance(said, str) else "is damaged: HDF5 fails on it"
