"""Compiled kernels follow their sources, survive damage, and are never necessary."""

from __future__ import annotations

import fcntl
import importlib
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from couple.cache.kernels import KernelCache
from couple.cache.prune import MARK
from couple.cache.sources import forget
from couple.cache.turns import LOCKS, give, take
from support.imports import imports_of
from support.paths import ROOT

SOURCES = {
    "__init__.py": "",
    "outer.py": "from {njit} import njit\nfrom pack.inner import half\nfrom pack import constants\n\n"
    "@njit(cache=True)\ndef f(x):\n    return half(x) + constants.K\n",
    "inner.py": "from {njit} import njit\n\n@njit(cache=True)\ndef half(x):\n    return x / 2\n",
    "constants.py": "K = 10.0\n",
    "other.py": "X = 1\n",
}
CALL = """
import logging, sys
logging.basicConfig(format="%(levelname)s %(message)s")
from pack.outer import f
print(f({argument}), sum(f.stats.cache_hits.values()), flush=True)
"""
NUMBAS, OURS = "numba", "couple.cache.kernels"


class Pack:
    """A package of two kernels, and a cache. njit: where its decorator is from."""

    def __init__(self, folder: Path, njit: str = OURS) -> None:
        self.folder, self.cache = folder, folder / "cache"
        (folder / "pack").mkdir(parents=True)
        self.texts = {name: text.format(njit=njit) for name, text in SOURCES.items()}
        for name, text in self.texts.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """A module, changed as an update does it."""
        (self.folder / "pack" / name).write_text(text)

    def call(self, argument: float = 4.0, constant: float | None = None) -> tuple[float, int]:
        """The result as a new process has it, and whether it was compiled before. constant: set before the call."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
            del sys.modules[name]
        forget()
        importlib.invalidate_caches()
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(self.folder)
            patch.setenv("COUPLE_CACHE_DIR", str(self.cache))
            patch.setattr(sys, "dont_write_bytecode", True)
            outer = importlib.import_module("pack.outer")
            if constant is not None:
                outer.constants.K = constant
            return outer.f(argument), sum(outer.f.stats.cache_hits.values())

    def start(self, argument: str = "4.0", limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """A process that calls the kernel."""
        environment = {**os.environ, "COUPLE_CACHE_DIR": str(self.cache)}
        environment.pop("COUPLE_CACHE_WARNED", None)
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (self.folder, ROOT)))
        if limit is not None:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"  # Python would cut what tests share
        command = [sys.executable, "-c", CALL.format(argument=argument)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, preexec_fn=limit)

    def entries(self) -> list[Path]:
        """Files of the cache, without that of locks."""
        return sorted(path for path in self.cache.rglob("*") if path.is_file() and path.name not in (LOCKS, MARK))


def outcome(process: subprocess.Popen[str]) -> tuple[float, int, str]:
    """Result, kernels from the cache and stderr of a process that was started."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    result, hits = stdout.split()
    return float(result), int(hits), stderr


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """With kernels compiled."""
    made = Pack(tmp_path / "one")
    assert made.call() == (12.0, 0)
    assert len(made.entries()) == 2
    return made


def test_a_change_anywhere_is_followed_and_nothing_else_compiled(pack: Pack) -> None:
    pack.write("other.py", "X = 2\n")
    assert pack.call() == (12.0, 1)
    pack.write("inner.py", pack.texts["inner.py"].replace("x / 2", "x / 4"))
    assert pack.call() == (11.0, 0)
    pack.write("constants.py", "K = 20.0\n")
    assert pack.call() == (21.0, 0)
    pack.write("inner.py", pack.texts["inner.py"])
    pack.write("constants.py", "K = 10.0\n")
    assert pack.call() == (12.0, 1), "what was compiled before is still there"
    assert pack.call(np.float32(4)) == (12.0, 0)


def test_a_constant_that_a_process_has_changed_stays_in_that_process(pack: Pack) -> None:
    assert pack.call(constant=30.0) == (32.0, 0)
    assert pack.call() == (12.0, 1)


def test_numba_alone_keeps_the_old_code(tmp_path: Path) -> None:
    """The control: what all this is for."""
    pack = Pack(tmp_path / "numba", NUMBAS)
    assert pack.call()[0] == 12.0
    pack.write("inner.py", pack.texts["inner.py"].replace("x / 2", "x / 4"))
    assert pack.call()[0] == 12.0


def test_checkouts_of_equal_content_share_kernels(pack: Pack, tmp_path: Path) -> None:
    twin = Pack(tmp_path / "two")
    twin.cache = pack.cache
    assert twin.call() == (12.0, 1)


def damages(content: bytes) -> Iterator[bytes]:
    """An entry, damaged."""
    middle = len(content) // 2
    yield from (b"", content[:middle], content[:-1], b"\0" * len(content), content + b"\0", os.urandom(200))
    yield content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


@pytest.mark.parametrize("number", range(7))
def test_a_damaged_entry_is_made_anew(pack: Pack, number: int) -> None:
    for path in pack.entries():
        path.write_bytes([*damages(path.read_bytes())][number])
    assert pack.call() == (12.0, 0)
    assert pack.call() == (12.0, 1)


def test_an_entry_of_another_kernel_is_not_taken(pack: Pack) -> None:
    """Whole, but in the wrong place."""
    outer, inner = (next(path for path in pack.entries() if kind in path.name) for kind in ("outer", "inner"))
    outer.write_bytes(inner.read_bytes())
    assert pack.call() == (12.0, 0)


def test_a_folder_in_place_of_an_entry_is_cleared(pack: Pack) -> None:
    for path in pack.entries():
        path.unlink()
        path.mkdir()
        (path / "x").write_text("")
    assert pack.call() == (12.0, 0)
    assert pack.call() == (12.0, 1)


def full() -> None:
    """As if the disk had room for 100 bytes more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_cache_that_cannot_be_used_is_one_warning(tmp_path: Path) -> None:
    pack, nowhere = Pack(tmp_path / "full"), Pack(tmp_path / "nowhere")
    nowhere.cache.write_text("a file")
    started = [pack.start(limit=full), nowhere.start()]
    for process, why in zip(started, ("File too large", "set COUPLE_CACHE_DIR to a folder of yours"), strict=True):
        result, hits, stderr = outcome(process)
        assert (result, hits) == (12.0, 0) and stderr.count("\n") == 1, stderr
        assert stderr.startswith("WARNING compiled code cannot be kept") and why in stderr
    assert not pack.entries()


def test_ten_cold_starts_at_once(tmp_path: Path) -> None:
    pack, context = Pack(tmp_path / "ten"), multiprocessing.get_context("fork")
    together, results = context.Barrier(10), context.Queue()

    def start(argument: float) -> None:
        together.wait()
        results.put(pack.call(argument))

    processes = [context.Process(target=start, args=(4.0 if i % 2 else 4,)) for i in range(10)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    assert [result for result, _ in found] == [12.0] * 10
    assert sum(hits == 0 for _, hits in found) == 2, "one compiles each signature, the others wait"
    for process in processes:
        process.join()
    assert pack.call() == (12.0, 1) and pack.call(4) == (12.0, 1)
    assert len(pack.entries()) == 4, "something was left behind"


def test_all_kernels_are_compiled_with_this_cache() -> None:
    wrong = []
    for layer in ("couple", "reducers", "adapters"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            if path.relative_to(ROOT) not in (Path("couple/cache/kernels.py"), Path("couple/cache/native.py")):
                found = imports_of(path.read_text(), ".".join(path.relative_to(ROOT).parent.parts))
                wrong += [f"{path}:{i.line}" for i in found if i.target.split(".")[0] == "numba"]
    assert not wrong, f"import njit from couple.cache.kernels: {wrong}"


def test_to_read_and_to_ask_for_help_needs_no_kernel() -> None:
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "from couple.cli.main import main\n"
        "for line in (['--help'], ['show', 'nowhere'], ['plot', 'nowhere'], ['show', '--help'], ['run', '--help']):\n"
        "    try: main(line)\n"
        "    except SystemExit as stop: print('code', stop.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    codes = [line for line in done.stdout.splitlines() if line.startswith("code")]
    assert codes == ["code 0", "code 2", "code 2", "code 0", "code 0"], done.stderr


def test_whoever_compiles_and_dies_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A lock ends with its process; within one process it is no obstacle; forks do not have it."""
    tmp_path.chmod(0o700)
    context = multiprocessing.get_context("fork")
    holds = context.Process(target=lambda: (take(tmp_path, "a"), os._exit(0)))
    holds.start()
    holds.join()
    take(tmp_path, "a")
    take(tmp_path, "a")
    waits, begun = context.Process(target=take, args=(tmp_path, "a")), time.monotonic()
    waits.start()
    waits.join(0.3)
    assert waits.is_alive(), "the control: while it is held, another process waits"
    give(tmp_path, "a")
    waits.join(10)
    assert waits.exitcode == 0 and time.monotonic() - begun < 10


def nobody_compiles(folder: Path) -> bool:
    """Whether no process but the one that asks holds a lock of the cache, asked by a fork."""

    def ask() -> None:
        with (folder / LOCKS).open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(1)
        os._exit(0)

    asks = multiprocessing.get_context("fork").Process(target=ask)
    asks.start()
    asks.join()
    return asks.exitcode == 0


def wrapped(kernel: Any) -> bool:
    """Whether the machine code of a kernel's one signature has what Python calls it by."""
    (found,) = kernel.overloads.values()
    return any(function.name.startswith("_ZN7cpython") for function in found.library.get_defined_functions())


def test_only_what_python_calls_is_compiled_for_it(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(pack.cache))
    f, half = sys.modules["pack.outer"].f, sys.modules["pack.inner"].half
    assert wrapped(f) and not wrapped(half)
    assert half(4.0) == 2.0 and wrapped(half)
    assert len(pack.entries()) == 3 and f(4.0) == 12.0
    pack.write("inner.py", pack.texts["inner.py"].replace("cache=True", "cache=True, python=True"))
    assert pack.call() == (12.0, 0) and wrapped(sys.modules["pack.inner"].half)


def test_a_compilation_that_fails_keeps_nobody_waiting(pack: Pack) -> None:
    pack.write("inner.py", pack.texts["inner.py"].replace("x / 2", 'x / "two"'))
    with pytest.raises(TypingError):
        pack.call()
    (locks,) = pack.cache.rglob(LOCKS)
    assert nobody_compiles(locks.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KernelCache, "in_turn", lambda self, compile: compile)
        with pytest.raises(TypingError):
            pack.call(4)
    assert not nobody_compiles(locks.parent), "the control: locks that are not given back"
