"""Run the user's model file; take the model of a previous run out of NEURON first.

NEURON is one per process, and so is a loaded model: `load` releases the one before it, and refuses sections that it
did not create, because it could neither name nor save them reliably.
"""

from __future__ import annotations

import gc
import importlib.util
import inspect
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from adapters.neuron import synapse
from adapters.neuron.importing import cvode, h, pc
from adapters.neuron.naming import all_sections
from couple.electrics import ModelSpec
from couple.errors import InputError, nearest

WHERE = "neuron.model"

_CELSIUS, _V_INIT = 6.3, -65.0
"""NEURON's own values of what a model leaves alone."""

_count = itertools.count(1)


class Built:
    """What a model file made: keeps the builder's result, and with it the cell, alive until `release`."""

    def __init__(self, module: str, result: Any) -> None:
        self.module, self.result = module, result
        self.on_release: list[Callable[[], None]] = []

    def release(self) -> None:
        """Delete the model from NEURON; its sections, synapses and recordings must not be used afterwards."""
        for action in self.on_release:
            action()
        self.on_release.clear()
        self.result = None
        synapse.gated.clear()
        module = sys.modules.pop(self.module, None)
        if module is not None:
            vars(module).clear()
        gc.collect()
        for section in all_sections():
            h.delete_section(sec=section)
        pc.gid_clear()
        cvode.active(False)


_current: Built | None = None


def load(spec: ModelSpec) -> Built:
    """Build the model of `spec` in NEURON. Raises InputError, in one line, for whatever is wrong with the file."""
    global _current
    if _current is not None:
        _current.release()
        _current = None
    strangers = [section.name() for section in all_sections()]
    if strangers:
        raise InputError(
            f"NEURON already holds sections that this model did not create ({', '.join(strangers[:5])}); create all "
            "sections inside the model's function",
            where=WHERE,
        )
    # Only here: a model may choose these, but must not inherit them from the one before.
    h.secondorder, h.celsius = 0, _CELSIUS
    if _knows_v_init():
        h.v_init = _V_INIT
    _set_globals(spec)
    with _importable(spec.model.parent):
        module = _import_file(spec.model)
        try:
            function = _function(module, spec)
            _current = Built(module.__name__, _guarded(function, spec.model, f"{spec.function}()"))
        except InputError:
            Built(module.__name__, None).release()
            raise
    if not all_sections():
        raise InputError(
            f"{spec.function}() of {spec.model.name} left no section behind; return the cell, or its sections, from "
            "the function (NEURON deletes a section that nothing refers to)",
            where=WHERE,
        )
    if cvode.active():
        raise InputError(
            f"{spec.model.name} switches on CVODE; the coupling needs the fixed step: remove cvode_active(1)",
            where=WHERE,
        )
    _set_globals(spec)
    return _current


def initial_voltage(spec: ModelSpec) -> float:
    """mV at t = 0: as given, or else what the model set."""
    if spec.v_init is not None:
        return spec.v_init
    return float(h.v_init) if _knows_v_init() else _V_INIT


def _knows_v_init() -> bool:
    """Whether h.v_init exists: NEURON's standard run library defines it, if the model has loaded that."""
    return hasattr(h, "v_init")


def _set_globals(spec: ModelSpec) -> None:
    h.dt = spec.dt
    if spec.celsius is not None:
        h.celsius = spec.celsius


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let the model file import its neighbours."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _import_file(file: Path) -> ModuleType:
    """Import a file under a name of its own, so that no two models meet."""
    if not file.is_file():
        there = [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        raise InputError(f'there is no model file "{file}"; {nearest(file.name, there)}', where=WHERE)
    if file.suffix != ".py":
        raise InputError(
            f'"{file.name}" is not a Python file; write a cell.py whose function loads it, as with '
            f'h.load_file("{file.name}")',
            where=WHERE,
        )
    spec = importlib.util.spec_from_file_location(f"_couple_model_{next(_count)}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    try:
        _guarded(lambda: spec.loader.exec_module(module), file, "importing it")  # type: ignore[union-attr]
    except InputError:
        Built(module.__name__, None).release()
        raise
    return module


def _function(module: ModuleType, spec: ModelSpec) -> Callable[[], Any]:
    function = getattr(module, spec.function, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    raise InputError(f'{spec.model.name} has no function "{spec.function}"; {nearest(spec.function, own)}', where=WHERE)


def _guarded(call: Callable[[], Any], file: Path, doing: str) -> Any:
    """Run the user's code; any exception of it becomes one line with the place in the user's file."""
    try:
        return call()
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        here = file.resolve()
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == here]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        place = f"{file.name}:{line}" if line else file.name
        raise InputError(f"{doing} failed: {type(error).__name__}: {error} ({place})", where=WHERE) from error
