"""What can be looked at without any engine: Python, packages, cores, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from couple.cache.folder import CHOSEN, KERNELS, look
from couple.doctor.finding import Finding
from couple.doctor.tested import NEEDED, OPTIONAL, PYTHON

LITTLE_DISK, NO_DISK = 2e9, 1e8
"""Bytes free below which to warn, and to fail."""


def core() -> Iterator[Finding]:
    """All of them."""
    yield python_version()
    yield from packages()
    yield cores()
    yield kernel_cache()
    yield from folders(Path(), temporary_folder())


def python_version() -> Finding:
    """Tested minor versions are ok, newer ones a warning, older ones a failure."""
    have, (oldest, newest) = platform.python_version(), PYTHON
    minor = tuple(map(int, platform.python_version_tuple()[:2]))
    low, high = (tuple(map(int, text.split("."))) for text in PYTHON)
    if minor < low:
        return Finding("Python", "fail", have, f"install Python {oldest} or newer: uv python install {newest}")
    if minor > high:
        return Finding("Python", "warn", have, f"tested with {newest}; uv python install {newest} if something fails")
    return Finding("Python", "ok", have)


def packages() -> Iterator[Finding]:
    """Versions against those that the tests were run with."""
    for name, tested in {**NEEDED, **OPTIONAL}.items():
        try:
            have = version(name)
        except PackageNotFoundError:
            if name in OPTIONAL:
                yield Finding(name, "ok", "not installed (optional)", f"uv pip install {name}, if you want it")
            else:
                yield Finding(name, "fail", "not installed", f"uv pip install {name}=={tested}")
            continue
        if have == tested:
            yield Finding(name, "ok", have)
        else:
            advice = f"tested with {tested}; if something fails: uv pip install {name}=={tested}"
            yield Finding(name, "warn", have, advice)


def required() -> set[str]:
    """Names of what the installed package says that it needs."""
    found = requires("couple") or []
    return {line.split(";")[0].split(">")[0].split("=")[0].strip() for line in found if "extra ==" not in line}


def cores() -> Finding:
    """Cores that this process may use, and memory."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    found = f"{n} of {os.cpu_count()}, {memory:.0f} GB of memory"
    if n == 1:
        return Finding("cores", "warn", found, "couple sample makes one run at a time here")
    return Finding("cores", "ok", found)


def kernel_cache() -> Finding:
    """Where compiled kernels are kept, and whether they can be."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return Finding(
            "kernels", "warn", "compilation is switched off", "unset NUMBA_DISABLE_JIT: runs are 100x slower"
        )
    usable, refused = look(KERNELS)
    if usable and os.access(usable[-1], os.W_OK):
        size = sum(path.stat().st_size for path in usable[-1].iterdir()) / 1e6
        return Finding("kernels", "ok", f"compiled on first use and kept in {usable[-1]} ({size:.0f} MB)")
    why = "; ".join(map(str, refused)) or f"{usable[-1]} cannot be written to"
    return Finding("kernels", "warn", f"compiled in every process anew: {why}", f"set {CHOSEN} to a folder of yours")


def temporary_folder() -> Path:
    """Where temporary files go, be it writable or not."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


def folders(*paths: Path) -> Iterator[Finding]:
    """Whether results and temporary files can be written, and how much of them."""
    for path, name in zip(paths, ("working folder", "temporary folder"), strict=False):
        try:
            with tempfile.TemporaryFile(dir=path) as file:  # without a name: nothing stays of it
                file.write(b"x" * 4096)
                file.flush()
        except OSError as error:
            yield Finding(name, "fail", f"cannot be written to: {error.strerror}", _elsewhere(name))
            continue
        free = shutil.disk_usage(path).free
        status = "fail" if free < NO_DISK else "warn" if free < LITTLE_DISK else "ok"
        advice = "" if status == "ok" else f"make room, or {_elsewhere(name)}"
        yield Finding(name, status, f"{free / 1e9:.1f} GB free", advice)  # type: ignore[arg-type]


def _elsewhere(name: str) -> str:
    return "give --out a folder elsewhere" if name == "working folder" else "set TMPDIR to a folder elsewhere"
