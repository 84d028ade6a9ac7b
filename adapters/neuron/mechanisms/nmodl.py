"""MOD files into a library that NEURON can load: compiled once, kept in the user's cache.

A library fits one NEURON (its version, and the place it is linked to), one kind of machine, one compiler and the
content of its MOD files: all of these are in the name of its folder in the cache (couple/cache/library.py), where it
is kept with its digest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from adapters.neuron.hoc.h import NEURON_FOLDER, NEURON_VERSION
from couple.base.regular_file import real_path
from couple.cache.folder import MECHANISMS
from couple.cache.library import compiler_identity, find, obtain

HEADERS = ("*.inc", "*.h", "*.hpp")
"""What MOD files may include, beside them."""

UNFUSED = ("-incflags", "-ffp-contract=off")
"""Options that have every product rounded before it is added: machines with fused multiply-add give the bits of those
without, and of the same sum elsewhere."""

_MOD_ERROR = re.compile(r"Error:?\s*(.*?)\s*at line (\d+) in file (\S+\.mod)")
_MAKE_ERROR = re.compile(r"^make: \*\*\* \[[^\]]*?(\w[\w.-]*)\.(?:cpp|c|o)\] Error", re.MULTILINE)
_C_ERROR = re.compile(r"(\w[\w.-]*)\.(?:cpp|c|cc):\d+(?::\d+)?: (?:fatal )?error: (.*)")


class NoCompilerError(Exception):
    """There is no C++ compiler, no nrnivmodl, or nowhere to keep what they make."""


class CompilationError(Exception):
    """nrnivmodl failed; `line` is the first error with its file, `output` all that it said."""

    def __init__(self, output: str) -> None:
        self.output, self.line = output, first_error(output)
        super().__init__(self.line)


def library(files: Sequence[Path], stem: str, *, fused: bool = True) -> Path:
    """The compiled library of these MOD files, from the cache or made now.

    fused: whether a product and a sum may be rounded once, where the machine can; the compiler's own choice, and so
    that of NEURON alone. Raises NoCompilerError or CompilationError.
    """
    script = nrnivmodl()
    if script is None or compiler() is None:
        raise NoCompilerError("no C++ compiler (or no nrnivmodl) found")
    inputs, name = with_headers(files), f"lib{stem}.so"
    options = () if fused else UNFUSED

    def make(folder: Path) -> None:
        compile_library(script, inputs, folder / name, options)

    try:
        return obtain(MECHANISMS, key(inputs, name, options), make) / name
    except OSError as error:
        raise NoCompilerError(
            f"no place for compiled mechanisms: neither the cache nor a temporary folder can be written to ({error})"
        ) from error


def cached(files: Sequence[Path], stem: str, *, fused: bool = True) -> Path | None:
    """The library of these MOD files if it has been compiled already; see `library`."""
    name = f"lib{stem}.so"
    found = find(MECHANISMS, key(with_headers(files), name, () if fused else UNFUSED))
    return None if found is None else found / name


def compile_library(script: str, inputs: Sequence[Path], made: Path, options: Sequence[str] = ()) -> None:
    """Build `made`, in a folder beside it that is gone afterwards. Raises CompilationError, or OSError of the disk.

    options: of nrnivmodl.
    """
    folder = made.with_name("build")
    folder.mkdir()
    try:
        for file in inputs:
            shutil.copy(file, folder)
        done = subprocess.run(
            [script, *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        built = next(iter(folder.glob("*/libnrnmech.*")), None)
        if done.returncode != 0 or built is None:
            raise CompilationError(done.stdout)
        if not is_whole(built):
            raise OSError(errno.ENOSPC, "the linker's file is cut short", str(built))
        real_path(built).rename(made)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_whole(library: Path) -> bool:
    """Whether a library is as long as its header says; one of a format other than ELF, not empty."""
    content = library.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        return len(content) > 0
    order: Literal["little", "big"] = "little" if content[5] == 1 else "big"
    start, size, n = (int.from_bytes(content[a:b], order) for a, b in ((0x28, 0x30), (0x3A, 0x3C), (0x3C, 0x3E)))
    return len(content) >= max(start + size * n, 0x40)


def first_error(output: str) -> str:
    """The first error in what nrnivmodl said, with the MOD file that it is in."""
    for line in output.splitlines():
        if match := _MOD_ERROR.search(line):
            return f"{match[3]}:{match[2]}: {match[1]}"
        if match := _C_ERROR.search(line):
            return f"{match[1]}.mod: {match[2]}"
    words = [line.strip() for line in output.splitlines() if re.search(r"error|cannot|not found", line, re.IGNORECASE)]
    if words and (failed := _MAKE_ERROR.search(output)):
        return f"{failed[1]}.mod: {words[0].removeprefix('Error: ')}"
    return words[0] if words else " ".join(output.split())[-200:] or "no word of why"


def with_headers(files: Sequence[Path]) -> list[Path]:
    """The MOD files and the headers beside them, which they may include."""
    folders = dict.fromkeys(f.parent for f in files)
    return [*files, *(h for folder in folders for kind in HEADERS for h in sorted(folder.glob(kind)))]


def nrnivmodl() -> str | None:
    """NEURON's compiler script: beside this Python if NEURON came as a wheel, else on the PATH."""
    beside = Path(sys.executable).parent / "nrnivmodl"
    return str(beside) if beside.exists() else shutil.which("nrnivmodl")


def compiler() -> str | None:
    """The C++ compiler that nrnivmodl would call, or None."""
    chosen = shlex.split(os.environ.get("CXX", ""))[:1]
    return next(filter(None, map(shutil.which, (*chosen, "c++", "g++", "clang++"))), None)


def key(files: Sequence[Path], name: str, options: Sequence[str] = ()) -> str:
    """Names the build: NEURON's version, the machine, and a digest of NEURON's place, the compiler and all files.

    name: of the library. options: of nrnivmodl.
    """
    parts = (str(NEURON_FOLDER), str(compiler_identity(compiler())), name, *options)
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in sorted(files, key=lambda f: f.name):
        digest.update(f"\0{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return f"{NEURON_VERSION}-{platform.machine()}-{digest.hexdigest()[:32]}"
