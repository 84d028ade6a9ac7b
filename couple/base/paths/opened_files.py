"""The files that Python code opens to read while it runs, whatever computed their names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from couple.base.paths.whole_file import temporary_root

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/bin", "/opt", "/System", "/Library")
_NOT_READ = (".pyc", ".so", ".dylib", ".lock")

_listeners: list[list[str]] = []
"""Names so far of those who listen."""

_hooked: list[bool] = []
"""Whether the audit hook, which cannot be taken away again, is there."""


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """The list that holds, after the block, all files that Python opened to read in it: not its own, nor the system's.

    What libraries in other languages open by themselves, such as HDF5 and NEURON, is not seen.
    """
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)
    found: list[Path] = []
    names: list[str] = []
    _listeners.append(names)
    try:
        yield found
    finally:
        _listeners.remove(names)
        paths = dict.fromkeys(Path(name) for name in names)
        found += [path for path in paths if _is_input(path)]


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _listeners:
        return
    name, mode, flags = arguments
    if not isinstance(name, str | bytes | os.PathLike):  # a descriptor
        return
    if isinstance(mode, str):
        reads = not set(mode) & set("wax+")
    else:
        reads = isinstance(flags, int) and flags & os.O_ACCMODE == os.O_RDONLY
    if reads:
        for names in _listeners:
            names.append(str(Path(os.fsdecode(name)).absolute()))  # now: the working folder may be another later


def _is_input(path: Path) -> bool:
    """Whether it is a file of somebody's work: not of Python, its packages, the system, hidden, or temporary."""
    if path.suffix in _NOT_READ or any(part.startswith(".") or part == "site-packages" for part in path.parts[1:]):
        return False
    temporary = temporary_root()
    if temporary is not None and path.is_relative_to(temporary) and any(p.startswith("couple-") for p in path.parts):
        return False
    ours = (Path(__file__).parents[2] / name for name in ("couple", "reducers", "adapters"))
    places = [*_SYSTEM, sys.prefix, sys.base_prefix, *map(str, ours)]
    return not any(path.is_relative_to(place) for place in places) and path.is_file()
