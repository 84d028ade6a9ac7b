"""`njit` of numba with a cache whose key holds everything that the machine code depends on.

numba's own cache asks for the time and size of the file that a kernel stands in: a change of a function or constant
that it uses from elsewhere leaves the old machine code in use. Here the key is the content of the sources
(couple/cache/sources.py), the values of the constants that the kernel and those it calls have taken from their
modules, the types, the processor, and the versions and settings of numba; so checkouts of equal content share kernels
and a change compiles its users again and nothing else. An entry carries a checksum and is read only if it is ours
alone; a damaged one, or a disk that refuses, costs a compilation.

What only other kernels call is compiled without the wrappers by which Python calls: taking bundles of arrays apart is
most of the machine code of a small kernel, and would be compiled anew for each. Python may still call it: it is then
compiled once more, unless `python=True` says that it does.

Through numba's interface for caches: a subclass of `numba.core.caching.FunctionCache` (numba, Notes on Caching).
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import pickle
import platform
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import config, sigutils
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.serialize import dumps

from couple.cache.entry import read_entry, remove, write_entry
from couple.cache.folder import KERNELS, cache_folders, warn_once
from couple.cache.prune import prune
from couple.cache.sources import is_ours, source_digest
from couple.cache.turns import give, take

_SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "USING_SVML"),
    *("DISABLE_INTEL_SVML", "LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS", "CAPTURED_ERRORS"),
)
"""Of numba's configuration: what changes the machine code or its errors."""

_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options of numba for what Python does not call."""

_CONSTANTS = (bool, int, float, complex, str, bytes, np.generic)

_DOES_NOT_FIT = (
    *(pickle.UnpicklingError, AttributeError, EOFError, ImportError, LookupError, RuntimeError, TypeError, ValueError),
)


def njit(function: Any = None, *, cache: Any = False, python: Any = False, **options: Any) -> Any:
    """`numba.njit`; with cache=True the machine code is kept as this module says.

    python: whether Python calls it as well as other kernels: compiled once, for both. options: of numba.
    """
    if function is None:
        return functools.partial(njit, cache=cache, python=python, **options)
    compiled: Any = numba.njit(**options)(function)
    if cache and isinstance(compiled, Dispatcher):  # not with NUMBA_DISABLE_JIT
        kept = compiled._cache = KernelCache(function, python)  # type: ignore[attr-defined]
        kept.attach(compiled)
    return compiled


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Machine code of one function, an entry for each signature. Nothing is looked at before the first call."""

    def __init__(self, function: Callable[..., Any], python: bool = False) -> None:
        self._python = python
        self._name = repr(function)
        self._py_func = function
        self._impl = _Unlocated(function)
        self._taken: list[tuple[Path, str]] = []
        self._bare = False
        self.enable()

    def attach(self, dispatcher: Any) -> None:
        """Make a dispatcher compile through this cache."""
        dispatcher.compile = self.in_turn(self.bare_inside(dispatcher))

    def in_turn(self, compile: Callable[..., Any]) -> Callable[..., Any]:
        """A dispatcher's `compile` after which no other process waits, also where it ends in an error or by Ctrl-C."""

        @functools.wraps(compile)
        def compiled(sig: Any) -> Any:
            with global_compiler_lock:  # what is changed for a while here is seen by one thread
                before = len(self._taken)
                try:
                    return compile(sig)
                finally:
                    for folder, name in self._taken[before:]:
                        give(folder, name)
                    del self._taken[before:]

        return compiled

    def bare_inside(self, dispatcher: Any) -> Callable[..., Any]:
        """A dispatcher's `compile` that leaves out what Python calls by, where another kernel is being compiled."""
        compile, add_overload, bare = dispatcher.compile, dispatcher.add_overload, set[Any]()

        @functools.wraps(compile)
        def compiled(sig: Any) -> Any:
            arguments, outer = sigutils.normalize_signature(sig)[0], self._bare
            self._bare = _running.kernels > 0 and not self._python
            if not self._bare and arguments in bare:  # Python calls it after all
                bare.discard(arguments)
                dispatcher.overloads.pop(arguments, None)
            _running.kernels += 1
            try:
                with _options(dispatcher.targetoptions, _BARE if self._bare else {}):
                    return compile(sig)
            finally:
                _running.kernels -= 1
                self._bare = outer

        def added(result: Any) -> None:
            if self._bare:  # where kernels find it, and calls from Python do not
                arguments = tuple(result.signature.args)
                dispatcher.overloads[arguments] = result
                bare.add(arguments)
            else:
                add_overload(result)

        dispatcher.add_overload = added
        return compiled

    @property
    def cache_path(self) -> str:
        """The folder of all kernels, "" if there is none."""
        return str(next(reversed(cache_folders(KERNELS)), ""))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function of a signature, None if it has to be compiled."""
        target_context.refresh()
        if not self._enabled:
            return None
        key = self._index_key(sig, target_context.codegen())
        name = self._entry(key)
        folders = list(cache_folders(KERNELS))
        found = self._read(folders, name, key, target_context)
        if found is None and folders:
            take(folders[-1], name)
            self._taken.append((folders[-1], name))
            found = self._read(folders, name, key, target_context)  # another process may have made it meanwhile
        return found

    def _read(self, folders: Iterable[Path], name: str, key: Any, target_context: Any) -> Any:
        """The compiled function of an entry, None if there is none that can be used."""
        for folder in folders:
            body = read_entry(folder / name)
            if body is None:
                continue
            try:
                found, data = pickle.loads(body)
                return self._impl.rebuild(target_context, data) if found == key else None
            except _DOES_NOT_FIT:
                remove(folder / name)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled; where that cannot be, say so once."""
        if not self._enabled or not (folders := list(cache_folders(KERNELS))):
            return
        key, folder = self._index_key(sig, data.codegen), folders[-1]
        name = self._entry(key)
        try:
            if self._impl.check_cachable(data):
                write_entry(folder / name, dumps((key, self._impl.reduce(data))))
                prune(folder)
        except OSError as error:
            warn_once(f"{folder} cannot be written to ({error.strerror})")

    def flush(self) -> None:
        """Forget this function, whatever its signature."""
        for folder in cache_folders(KERNELS):
            for path in folder.glob(f"{self._prefix()}-*"):
                remove(path)

    def _entry(self, key: Any) -> str:
        """Name of the entry of a signature."""
        module = self._py_func.__module__
        parts = [source_digest(module, Path(inspect.getfile(self._py_func))), _settings(), str(key), str(self._bare)]
        digest = hashlib.sha256("\0".join([*parts, *_constants(self._py_func, set())]).encode()).hexdigest()
        return f"{self._prefix()}-{digest[:32]}"

    def _prefix(self) -> str:
        name = f"{self._py_func.__module__}.{self._py_func.__qualname__}"
        return re.sub(r"[^\w.]", "", name)[:120]


class _Running(threading.local):
    """How many kernels are being compiled: the first for Python, those inside it for another kernel."""

    kernels = 0


_running = _Running()


@contextmanager
def _options(options: dict[str, Any], more: dict[str, Any]) -> Iterator[None]:
    """With more options, for a while."""
    before = options.copy()
    options.update(more)
    try:
        yield
    finally:
        options.clear()
        options.update(before)


class _Unlocated(CompileResultCacheImpl):  # type: ignore[misc]
    """How numba puts a compiled function into bytes, without its search for a place beside the sources."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Source(inspect.getfile(function))


class _Source:
    """What numba asks for when it warns that a function cannot be kept."""

    def __init__(self, file: str) -> None:
        self._py_file = file


@functools.cache
def _settings() -> str:
    """Versions and settings that machine code depends on; the processor is in the key that numba makes."""
    versions = platform.python_version(), numba.__version__, llvmlite.__version__, np.__version__
    return repr((versions, [(name, getattr(config, name, None)) for name in _SETTINGS]))


def _constants(function: Any, seen: set[int]) -> Iterator[str]:
    """Values that a kernel, and those that it calls, take from their modules: numba compiles them in."""
    if id(function) in seen:
        return
    seen.add(id(function))
    names = dict.fromkeys(_names(function.__code__))
    for name in names:
        value = function.__globals__.get(name)
        values = [(name, value)]
        if isinstance(value, ModuleType) and is_ours(value.__name__, function.__module__):
            values = [(f"{name}.{inner}", vars(value).get(inner)) for inner in names]
        for called, found in values:
            if isinstance(found, Dispatcher):
                yield from _constants(found.py_func, seen)
            elif isinstance(found, FunctionType) and is_ours(found.__module__, function.__module__):
                yield from _constants(found, seen)
            else:
                text = _text(found)
                if text:
                    yield f"{function.__module__}.{called}={text}"


def _names(code: CodeType) -> Iterator[str]:
    """Names of globals and attributes in a function and those inside it."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _text(value: object) -> str:
    """A constant as text, "" for what is none."""
    if isinstance(value, _CONSTANTS):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return f"{value.dtype}{value.shape}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, tuple):
        return f"({','.join(map(_text, value))})"
    return ""
