"""A folder for what matplotlib keeps (its list of fonts), where its own cannot be written to.

On a system that is read only it would warn twice, or fail where there is no folder for temporary files either.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from couple.base.paths.whole_file import temporary_root

CHOSEN = "MPLCONFIGDIR"
"""Environment variable of matplotlib."""

MEMORY = Path("/dev/shm")
"""A folder in memory, which containers that are read only have."""


def provide() -> None:
    """Give matplotlib, in this process and those that it starts, a temporary folder if its own do not serve."""
    with suppress(RuntimeError):  # no home
        if os.environ.get(CHOSEN) or all(map(_can_be_written, _usual())):
            return
    from couple.base.errors import CoupleError
    from couple.storage.scratch import scratch_folder

    roots = [root for root in (temporary_root(), MEMORY) if root is not None and _can_be_written(root)]
    for root in roots[:1]:
        kept = ExitStack()
        with suppress(CoupleError):
            os.environ[CHOSEN] = str(kept.enter_context(scratch_folder("matplotlib", root)))
            atexit.register(kept.close)


def _usual() -> Iterator[Path]:
    """Where matplotlib keeps its settings and fonts."""
    for variable, usual in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache")):
        yield Path(os.environ.get(variable) or Path("~", usual).expanduser()) / "matplotlib"


def _can_be_written(folder: Path) -> bool:
    """Whether files can be put into a folder, or the nearest above that is there."""
    # not Path.exists, which raises an error below a folder that may not be looked into (the home of who called sudo)
    there = next((path for path in (folder.absolute(), *folder.absolute().parents) if os.access(path, os.F_OK)), None)
    return there is not None and os.access(there, os.W_OK | os.X_OK)
