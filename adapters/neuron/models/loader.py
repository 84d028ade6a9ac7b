"""Build the user's model in NEURON; take the model of a previous run out of NEURON first.

NEURON is one per process, and so is a loaded model: `load` releases the one before it, and refuses sections that it
did not create, because it could neither name nor save them reliably.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.h import cvode, h, pc
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.hoc.python_exit import python_exits
from adapters.neuron.hoc.quit import allow_quit, forbid_quit, has_quit, quit_error
from adapters.neuron.hoc.sections import all_sections, find_membrane
from adapters.neuron.mechanisms import synapses, user
from adapters.neuron.models import hoc, import3d, network, overrides, python
from adapters.neuron.models.files import files_of_model
from adapters.neuron.models.start import starting_procedure, switch_off_cvode
from adapters.neuron.state.generators import Generators
from adapters.neuron.state.random_streams import StreamNumbering
from couple.base.errors import CoupleError, InputError, nearest
from couple.base.formats import FORMATS, FormatName, instead_of, unmistakably
from couple.base.paths.opened_files import opened_files
from couple.base.regular_file import real_path
from couple.components.model_spec import ModelSpec

WHERE = "neuron.model"

_CELSIUS, _V_INIT, _TSTOP = 6.3, -65.0, 5.0
"""NEURON's own values of what a model leaves alone."""

_KINDS = (".py", ".hoc", ".swc")


class LoadedModel:
    """What a model file made: keeps the builder's result, and with it the cell, alive until `release`.

    mechanisms: those compiled from the user's MOD files, with the file of each. model_globals: values that the model
    itself gave to NEURON's (celsius, dt, v_init, tstop, ...). defines_init: whether it defines an init() of its own.
    procedure: by which it starts, "" for finitialize. changes: what the experiment has changed in it, a line each.
    streams: numbers of its random streams. generators: what it has made of those that NEURON shares.
    is_network: whether it is a network, of which other ranks have other cells.
    on_other_rank: whether it is a single cell, which another rank has.
    files: that the model consists of.
    """

    def __init__(self) -> None:
        self.result: Any = None
        self.mechanisms: dict[str, Path] = {}
        self.model_globals: dict[str, float] = {}
        self.defines_init, self.defines_advance, self.procedure = False, False, ""
        self.changes: list[str] = []
        self.is_network = self.on_other_rank = False
        self.files: tuple[Path, ...] = ()
        self.streams, self.generators = StreamNumbering(), Generators()
        self.on_release: list[Callable[[], None]] = []

    def note_definitions(self, texts: Iterable[str]) -> None:
        """See what these files of the model define."""
        for text in texts:
            self.defines_init |= source_text.defines(text, "init")
            self.defines_advance |= source_text.defines(text, "advance")

    def release(self, *, delete: bool = True) -> None:
        """Delete the model from NEURON; its sections, synapses and recordings must not be used afterwards.

        delete: whether sections can be deleted.
        """
        for action in self.on_release:
            action()
        self.on_release.clear()
        self.result = None
        synapses.forget()
        gc.collect()
        for section in all_sections() if delete else ():
            h.delete_section(sec=section)
        pc.gid_clear()
        cvode.active(False)
        allow_quit()


_spoilt = False
"""Whether NEURON holds sections of a template that it never finished reading: to touch them may end the process."""

_current: LoadedModel | None = None


def load(spec: ModelSpec) -> LoadedModel:
    """Build the model of `spec` in NEURON. Raises InputError, in one line, for whatever is wrong with the file."""
    global _current, _spoilt
    release_current()
    if _spoilt:
        raise InputError(
            "an error inside a HOC template has left NEURON with sections that cannot be deleted: start a new process",
            where=WHERE,
        )
    strangers = [section.name() for section in all_sections()]
    if strangers:
        raise InputError(
            f"NEURON already holds sections that this model did not create ({', '.join(strangers[:5])}); create all "
            "sections inside the model's function",
            where=WHERE,
        )
    for cell in {cell.model: cell for cell in spec.cells}.values():
        _check_file(replace(spec, model=cell.model, biophysics=None), f"{cell.key}.model")
    _check_file(spec)
    spec = replace(spec, model=real_path(spec.model))
    built = LoadedModel()
    built.mechanisms = user.load(spec.mechanisms, spec.given)
    # Only here: a model may choose these, but must not inherit them from the one before.
    h.secondorder, h.celsius = 0, _CELSIUS
    for name, value in (("v_init", _V_INIT), ("tstop", _TSTOP)):
        if _knows(name):
            setattr(h, name, value)
    _set_globals(spec)
    Generators().set()
    forbid_quit()
    before = {"v_init": _V_INIT, "tstop": _TSTOP, **_globals()}
    try:
        with built.streams, opened_files() as opened:
            files = _unless_it_quits(lambda: _with_files_around(spec, built))
        models = dict.fromkeys([spec.model, *(real_path(cell.model) for cell in spec.cells)])
        built.files = tuple(dict.fromkeys(f for m in models for f in files_of_model(files, opened, m.parent)))
        if not built.on_other_rank:
            built.changes = overrides.apply(spec.uninsert, spec.values)
            _check_built(spec)
            _check_membrane(spec)
            built.procedure = starting_procedure(spec, built.defines_init)
            _clamp(spec, built)
    except CoupleError as error:
        _spoilt = isinstance(error, hoc.UnfinishedTemplateError)
        built.release(delete=not _spoilt)
        raise
    built.generators = Generators.read()
    built.model_globals = {k: v for k, v in _globals().items() if v != before.get(k)}
    _set_globals(spec)
    _current = built
    return built


def _with_files_around(spec: ModelSpec, built: LoadedModel) -> list[Path]:
    """Build the model between the files of HOC that the experiment gives; the files of all."""
    files = _carry_out(spec.before, "before", spec, built)
    files += _build(spec, built)
    return files + _carry_out(spec.after, "after", spec, built)


def _carry_out(given: Sequence[Path], key: str, spec: ModelSpec, built: LoadedModel) -> list[Path]:
    files: list[Path] = []
    for i, path in enumerate(given if spec.rank == 0 or not spec.helped else ()):
        where = f"neuron.{key}[{i}]"
        if path.suffix != ".hoc":
            raise InputError(f'"{path.name}" is no file of HOC (.hoc)', where=where)
        one = replace(spec, model=real_path(path), function="", biophysics=None)
        _check_file(one, where)
        try:
            texts = hoc.load(one)
        except InputError as error:
            raise type(error)(error.message, where=where) from None
        built.on_release.append(partial(hoc.release, texts))
        built.note_definitions(texts.values())
        files += texts
    return files


def _unless_it_quits(build: Callable[[], list[Path]]) -> list[Path]:
    """What `build` returns. Raises RunError for a quit() in HOC that Python runs, where NEURON goes on."""
    with capture_messages() as messages, python_exits.watched():
        made = build()
        if python_exits.called:
            messages.clear()
    if has_quit(messages.errors):
        raise quit_error({})
    if messages.errors:
        print(messages.stream.getvalue(), end="", file=sys.stderr)
    return made


def release_current() -> None:
    """Delete the model that NEURON holds, if `load` has built one."""
    global _current
    if _current is not None:
        _current.release()
        _current = None


def _check_file(spec: ModelSpec, where: str = WHERE) -> None:
    file = spec.model
    if not file.is_file():
        there = [p.name for p in file.parent.iterdir() if p.suffix in _KINDS] if file.parent.is_dir() else []
        raise InputError(f'there is no model file "{file}"; {nearest(file.name, there)}', where=where)
    if file.suffix not in _KINDS:
        raise InputError(
            f'"{file.name}" {instead_of(file) or "is no model"}: give "cell.py:function", "cell.hoc", '
            '"cell.hoc:Template" or "cell.swc"',
            where=where,
        )
    own: FormatName = "swc" if file.suffix == ".swc" else "hoc" if file.suffix == ".hoc" else "python"
    if found := unmistakably(file, own):
        raise InputError(f"{file.name} {found}; {FORMATS[own].words} is expected by its name", where=where)
    if spec.biophysics is not None and file.suffix != ".swc":
        raise InputError(f"only a morphology (.swc) needs it; {file.name} sets its own", where="neuron.biophysics")


def _build(spec: ModelSpec, built: LoadedModel) -> list[Path]:
    """Make the sections; returns the files that are known to be read."""
    files = [spec.model, *built.mechanisms.values()]
    if spec.cells:
        built.result, more, of_cells = network.build(spec, built.on_release)
        built.note_definitions(of_cells)
        built.is_network = True
        files += more
    elif spec.model.suffix == ".py":
        builder = python.Builder(spec)
        built.on_release.append(builder.unload)
        shared = builder.takes("rank", "size")  # a builder of networks of its own
        built.is_network = shared
        built.on_other_rank = _is_on_other_rank(spec, shared)
        if not built.on_other_rank:
            built.result = builder.make({"rank": spec.rank, "size": spec.size} if shared else {})
        own = python.imported_siblings(spec.model.parent)
        built.note_definitions(python.hoc_texts([spec.model, *own]))
        files += own
    elif _is_on_other_rank(spec, False):
        built.on_other_rank = True
    elif spec.model.suffix == ".hoc":
        texts = hoc.reachable(spec.model)
        built.on_release.append(lambda: hoc.release(texts))
        built.result, _ = hoc.build(spec)
        built.note_definitions(texts.values())
        files += texts
    else:
        import3d.build(spec)
    return files


def _is_on_other_rank(spec: ModelSpec, shared: bool) -> bool:
    """Whether a model is not that of this rank: one that knows nothing of ranks would be built on each of them."""
    if spec.size == 1 or shared:
        return False
    if spec.helped:
        return spec.rank > 0
    raise InputError(
        f"{spec.model.name} makes one cell, which {spec.size} ranks cannot share: run it without mpiexec, describe "
        "a [network] of such cells, let the function take rank and size, give a site along sections ranks to solve it "
        '(pde.ranks = "all"), or spread runs over ranks with couple sample',
        where=WHERE,
    )


def _check_membrane(spec: ModelSpec) -> None:
    """NEURON finds a diameter of 0 when it first needs an area, and says so over several lines."""
    with capture_messages() as messages, suppress(RuntimeError):
        for section in all_sections():
            for segment in section:
                segment.area()
    if messages.errors:
        flat = re.match(r"(\S+) diameter diam = 0", messages.errors[0])
        what = f"{flat[1]} has no diameter: give every section diam and L" if flat else messages.errors[0]
        raise InputError(f"{spec.model.name}: {what}", where=WHERE)


def _check_built(spec: ModelSpec) -> None:
    if not all_sections():
        what = f"{spec.function}() of {spec.model.name}" if spec.model.suffix == ".py" else spec.model.name
        raise InputError(
            f"{what} left no section behind; return the cell, or its sections, from "
            "the function (NEURON deletes a section that nothing refers to)",
            where=WHERE,
        )
    switch_off_cvode(spec.model.name, spec.cvode_off)


def _clamp(spec: ModelSpec, built: LoadedModel) -> None:
    """The current clamps of the experiment."""
    clamps = []
    for i, current in enumerate(spec.currents):
        try:
            clamp = h.IClamp(find_membrane(current.segment))
        except InputError as error:
            raise error.at(current.key or f"neuron.current[{i}].at") from None
        clamp.delay, clamp.dur, clamp.amp = current.start, current.duration, current.amplitude
        clamps.append(clamp)
    built.on_release.append(clamps.clear)


def initial_voltage(spec: ModelSpec) -> float:
    """mV at t = 0: as given, or else what the model set."""
    if spec.v_init is not None:
        return spec.v_init
    return float(h.v_init) if _knows("v_init") else _V_INIT


def _knows(name: str) -> bool:
    """Whether a global of NEURON's standard run library exists: it does if the model has loaded that."""
    return hasattr(h, name)


def _globals() -> dict[str, float]:
    """Globals by which a model says how it wants to be run."""
    return {n: float(getattr(h, n)) for n in ("celsius", "dt", "v_init", "tstop", "secondorder") if _knows(n)}


def _set_globals(spec: ModelSpec) -> None:
    h.dt = spec.dt
    if spec.celsius is not None:
        h.celsius = spec.celsius
