"""MOD files into a library that NEURON can load: compiled once, kept in the user's cache.

A library fits one NEURON (its version, and the place it is linked to), one kind of machine and the content of its
MOD files: all of these are in the name of its folder. Two processes that want the same one at once wait for each other.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from adapters.neuron.hoc.h import NEURON_FOLDER, NEURON_VERSION
from couple.base.errors import RunError
from couple.base.whole_file import flush_and_rename
from couple.storage.scratch import scratch_folder

_HEADERS = ("*.inc", "*.h", "*.hpp")

_MOD_ERROR = re.compile(r"Error:?\s*(.*?)\s*at line (\d+) in file (\S+\.mod)")
_C_ERROR = re.compile(r"(\w[\w.-]*)\.(?:cpp|c|cc):\d+(?::\d+)?: (?:fatal )?error: (.*)")


class NoCompilerError(Exception):
    """There is no C++ compiler, no nrnivmodl, or nowhere to keep what they make."""


class CompilationError(Exception):
    """nrnivmodl failed; `line` is the first error with its file, `output` all that it said."""

    def __init__(self, output: str) -> None:
        self.output, self.line = output, first_error(output)
        super().__init__(self.line)


def library(files: Sequence[Path], stem: str) -> Path:
    """The compiled library of these MOD files, from the cache or made now.

    Raises NoCompilerError or CompilationError.
    """
    script = nrnivmodl()
    if script is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise NoCompilerError("no C++ compiler (or no nrnivmodl) found")
    inputs = with_headers(files)
    for root in cache_roots():
        made = root / key(inputs) / f"lib{stem}.so"
        if made.exists():
            return made
        try:
            made.parent.mkdir(parents=True, exist_ok=True)
            with _alone(root / f"{made.parent.name}.lock"):
                if made.exists():
                    return made
                with scratch_folder("mod", made.parent) as folder:
                    return compile_library(script, inputs, folder, made)
        except (OSError, RunError):
            continue
    raise NoCompilerError("no place to keep compiled mechanisms: neither the cache nor a temporary folder is writable")


def cached(files: Sequence[Path], stem: str) -> Path | None:
    """The library of these MOD files if it has been compiled already."""
    inputs = with_headers(files)
    found = (root / key(inputs) / f"lib{stem}.so" for root in cache_roots())
    return next((made for made in found if made.exists()), None)


def compile_library(script: str, inputs: Sequence[Path], folder: Path, made: Path) -> Path:
    """Build in `folder`, then move into place in one step."""
    for file in inputs:
        shutil.copy(file, folder)
    done = subprocess.run(
        [script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    built = next(iter(folder.glob("*/libnrnmech.*")), None)
    if done.returncode != 0 or built is None:
        raise CompilationError(done.stdout)
    if not is_whole(built):
        raise OSError(errno.ENOSPC, "the linker's file is cut short", str(built))
    flush_and_rename(built.resolve(), made)
    return made


def is_whole(library: Path) -> bool:
    """Whether a library is as long as its header says; one of a format other than ELF, not empty."""
    content = library.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        return len(content) > 0
    order: Literal["little", "big"] = "little" if content[5] == 1 else "big"
    start, size, n = (int.from_bytes(content[a:b], order) for a, b in ((0x28, 0x30), (0x3A, 0x3C), (0x3C, 0x3E)))
    return len(content) >= max(start + size * n, 0x40)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock between processes; it falls with the process. Without file locks (Windows), nothing is held."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def first_error(output: str) -> str:
    """The first error in what nrnivmodl said, with the MOD file that it is in."""
    for line in output.splitlines():
        if match := _MOD_ERROR.search(line):
            return f"{match[3]}:{match[2]}: {match[1]}"
        if match := _C_ERROR.search(line):
            return f"{match[1]}.mod: {match[2]}"
    words = [line.strip() for line in output.splitlines() if re.search(r"error|cannot|not found", line, re.IGNORECASE)]
    return words[0] if words else " ".join(output.split())[-200:] or "no word of why"


def with_headers(files: Sequence[Path]) -> list[Path]:
    """The MOD files and the headers beside them, which they may include."""
    folders = dict.fromkeys(f.parent for f in files)
    return [*files, *(h for folder in folders for kind in _HEADERS for h in sorted(folder.glob(kind)))]


def nrnivmodl() -> str | None:
    """NEURON's compiler script: beside this Python if NEURON came as a wheel, else on the PATH."""
    beside = Path(sys.executable).parent / "nrnivmodl"
    return str(beside) if beside.exists() else shutil.which("nrnivmodl")


def key(files: Sequence[Path]) -> str:
    """Names the build: NEURON's version, the machine, and a digest of NEURON's place and of all files."""
    digest = hashlib.blake2b(str(NEURON_FOLDER).encode(), digest_size=6)
    for file in sorted(files, key=lambda f: f.name):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return f"{NEURON_VERSION}-{platform.machine()}-{digest.hexdigest()}"


def cache_roots() -> list[Path]:
    """Where libraries may be kept: the user's cache, or a temporary directory of the user's own."""
    cache = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    return [Path(cache) / "couple" / "mod", Path(tempfile.gettempdir()) / f"couple-mod-{os.getuid()}"]
