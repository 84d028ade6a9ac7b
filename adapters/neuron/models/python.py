"""Models written in Python: a function or class that makes the cell."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import itertools
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import with_advice
from adapters.neuron.hoc.python_exit import ModelExit, python_exits
from adapters.neuron.hoc.quit import has_quit, quit_error
from adapters.neuron.models import hoc
from couple.base.errors import CoupleError, InputError, nearest
from couple.base.regular_file import real_path
from couple.components.model_spec import ModelSpec

WHERE = "neuron.model"

_count = itertools.count(1)


class Builder:
    """The builder in a model file, imported once. Raises InputError, in one line with the place in the file."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec, self._folder = spec, spec.model.parent
        with _importable(self._folder), contextlib.chdir(self._folder):
            self._module: ModuleType | None = _import_file(spec.model)
            try:
                self._function = _function(self._module, spec)
            except CoupleError:
                self.unload()
                raise

    def takes(self, *names: str) -> bool:
        """Whether it has parameters of all these names."""
        try:
            return {*names} <= inspect.signature(self._function).parameters.keys()
        except (TypeError, ValueError):
            return False

    def make(self, offered: Mapping[str, Any]) -> Any:
        """Call it in the file's folder. offered: arguments that it gets if it has parameters of these names.

        Raises InputError for whatever goes wrong in it.
        """
        with _importable(self._folder), contextlib.chdir(self._folder):
            try:
                arguments, named = _arguments(self._function, self._spec, offered)
                call = partial(self._function, *arguments, **named)
                made = _guarded(call, self._spec.model, f"{self._spec.function}()")
                take_over_netpyne()
                return made
            except CoupleError:
                self.unload()
                raise

    def unload(self) -> None:
        """Take the module out of Python; nothing if it was done before."""
        if self._module is not None:
            unload_module(self._module, self._folder)
        self._module = None


def take_over_netpyne() -> None:
    """Set the temperature and the potential at the start that NetPyNE would set when it runs its model (`cfg.hParams`);
    nothing for a model without NetPyNE.
    """
    given = getattr(getattr(sys.modules.get("netpyne.sim"), "cfg", None), "hParams", {})
    for name in ("celsius", "v_init"):
        if name in given and hasattr(h, name):
            setattr(h, name, float(given[name]))


def unload_module(module: ModuleType, folder: Path) -> None:
    """Take the model's module, and its neighbours, out of Python: the next model may have others of these names."""
    for name, other in [*sys.modules.items()]:
        file = getattr(other, "__file__", None)
        if name in _imported and file is not None and real_path(Path(file)).is_relative_to(real_path(folder)):
            del sys.modules[name]
    _imported.clear()
    sys.modules.pop(module.__name__, None)
    vars(module).clear()


def imported_siblings(folder: Path) -> list[Path]:
    """Files of the modules that the model has imported from its own folder."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in _imported]
    paths = [real_path(Path(f)) for f in files if f is not None]
    return [p for p in paths if p.is_relative_to(real_path(folder)) and "site-packages" not in p.parts]


_HOC_FILE = re.compile(r"\b(?:load_file|xopen)\s*\(\s*(?:\d\s*,\s*)?[\"']([^\"'\n]+)[\"']")


def hoc_texts(files: Iterable[Path]) -> list[str]:
    """What Python files may give HOC to carry out: themselves, and the HOC files that they name in calls."""
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        named = [file.parent / name for name in _HOC_FILE.findall(text)]
        found += [text, *(t for f in named if f.is_file() for t in hoc.reachable(f).values())]
    return found


_imported: set[str] = set()
"""Modules that came with the loaded model."""


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the model file import its neighbours, and note which modules it brings."""
    entry, before = str(real_path(folder)), set(sys.modules)
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
        _imported.update(set(sys.modules) - before)


def _import_file(file: Path) -> ModuleType:
    """Import a file under a name of its own, so that no two models meet."""
    spec = importlib.util.spec_from_file_location(f"_couple_model_{next(_count)}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        _guarded(lambda: spec.loader.exec_module(module), file, "importing it")  # type: ignore[union-attr]
    except CoupleError:
        unload_module(module, file.parent)
        raise
    return module


def _function(module: ModuleType, spec: ModelSpec) -> Callable[..., Any]:
    function = getattr(module, spec.function, None) if spec.function else None
    if callable(function):
        return function  # type: ignore[no-any-return]
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isroutine(value) or inspect.isclass(value)
        if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
    ]
    if not spec.function:
        hint = own[0] if len(own) == 1 else "build"
        raise InputError(
            f'say which function or class of it builds the cell, like model = "{spec.model.name}:{hint}"; it has: '
            f"{', '.join(own) or 'none'}",
            where=WHERE,
        )
    raise InputError(
        f'{spec.model.name} has no function or class "{spec.function}"; {nearest(spec.function, own)}', where=WHERE
    )


def _arguments(
    function: Callable[..., Any], spec: ModelSpec, offered: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Arguments in order and by name. Raises InputError if the builder does not take them."""
    by_name = isinstance(spec.arguments, Mapping)
    arguments = [] if by_name else list(spec.arguments)
    named = {str(k): v for k, v in spec.arguments.items()} if isinstance(spec.arguments, Mapping) else {}
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return arguments, named
    free = [*signature.parameters][len(arguments) :]
    named |= {name: value for name, value in offered.items() if name in free and name not in named}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in named:
        if name not in signature.parameters and not takes_any:
            raise InputError(
                f'{spec.function}() has no argument "{name}"; {nearest(name, signature.parameters)}',
                where="neuron.arguments",
            )
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        raise InputError(f"{spec.function}{signature}: {error}", where="neuron.arguments") from None
    return arguments, named


def _guarded(call: Callable[[], Any], file: Path, doing: str) -> Any:
    """Run the user's code; any exception of it becomes one line with the place in the user's file."""
    try:
        return call()
    except CoupleError:
        raise
    except (Exception, SystemExit, ModelExit) as error:
        here = real_path(file)
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if real_path(Path(f.filename)) == here]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        place = f"{file.name}:{line}" if line else file.name
        if isinstance(error, SystemExit):
            python_exits.called = f"SystemExit in {place}"
        if has_quit([str(error)]):
            raise quit_error({}, place) from error
        message = with_advice(f"{type(error).__name__}: {error}")
        raise InputError(f"{doing} failed: {message} ({place})", where=WHERE) from error
