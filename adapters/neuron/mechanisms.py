"""Our own mechanisms: compiled MOD files where there is a compiler, the same equations as KSChan where there is none.

Both paths offer the same names (`couple_k`, `couple_na`, `couple_ca`, `couple_ns`, `couple_cav`) with the same
range variables, so that nothing else has to know which one runs. Only charge and NMDA receptors differ: see
charge.py and synapse.py.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from adapters.neuron import kschan
from adapters.neuron.importing import NEURON_FOLDER, NEURON_VERSION, h

log = logging.getLogger(__name__)

ChannelPath = Literal["MOD", "KSChan"]

MOD_FILES = Path(__file__).with_name("mod")


@functools.cache
def channel_path() -> ChannelPath:
    """Load our mechanisms, once per process, and say how: "MOD" (compiled) or "KSChan" (no compiler needed)."""
    library = None if os.environ.get("COUPLE_NO_COMPILER", "") not in ("", "0") else compiled_library()
    # nrn_load_dll returns 0 without a word if it cannot open the file.
    if library is not None and h.nrn_load_dll(str(library)) == 1.0:
        return "MOD"
    if library is not None:
        log.warning("NEURON could not load %s; using channels that need no compiler (KSChan)", library.name)
    kschan.define_all()
    return "KSChan"


def compiled_library() -> Path | None:
    """The shared library of our MOD files, compiled on first use into the user's cache; None without a compiler."""
    script = nrnivmodl()
    if script is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        log.info("no C++ compiler (or no nrnivmodl) found; using channels that need none (KSChan)")
        return None
    for root in _cache_roots():
        library = root / _key() / "libcouple.so"
        if library.exists():
            return library
        try:
            library.parent.mkdir(parents=True, exist_ok=True)
            workplace = tempfile.TemporaryDirectory(dir=library.parent)
        except OSError:
            continue
        with workplace as folder:
            return _compile(script, Path(folder), library)
    return None


def cached_library() -> Path | None:
    """The library if it has been compiled already."""
    found = (root / _key() / "libcouple.so" for root in _cache_roots())
    return next((library for library in found if library.exists()), None)


def _compile(script: str, folder: Path, library: Path) -> Path | None:
    """Build in `folder`, then move into place in one step: two processes may do so at once."""
    for file in MOD_FILES.glob("*.mod"):
        shutil.copy(file, folder)
    done = subprocess.run(
        [script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    built = next(iter(folder.glob("*/libnrnmech.*")), None)
    if done.returncode != 0 or built is None:
        log.warning(
            "compiling the mechanisms of couple failed; using channels that need no compiler (KSChan), which are "
            "slower. nrnivmodl said:\n%s",
            done.stdout,
        )
        return None
    os.replace(built.resolve(), library)  # noqa: PTH105 - the atomic one, by its name
    return library


def nrnivmodl() -> str | None:
    """NEURON's compiler script: beside this Python if NEURON came as a wheel, else on the PATH."""
    beside = Path(sys.executable).parent / "nrnivmodl"
    return str(beside) if beside.exists() else shutil.which("nrnivmodl")


def _key() -> str:
    """Names the build: a library fits one NEURON build (and place: it is linked to it) and one set of MOD files."""
    digest = hashlib.blake2b(str(NEURON_FOLDER).encode(), digest_size=6)
    for file in sorted(MOD_FILES.glob("*.mod")):
        digest.update(file.read_bytes())
    return f"{NEURON_VERSION}-{platform.machine()}-{digest.hexdigest()}"


def _cache_roots() -> list[Path]:
    """Where the library may be kept: the user's cache, or a temporary directory of the user's own."""
    cache = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    return [Path(cache) / "couple" / "mod", Path(tempfile.gettempdir()) / f"couple-mod-{os.getuid()}"]
