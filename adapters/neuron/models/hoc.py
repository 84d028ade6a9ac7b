"""Models written in HOC: a file as a whole, or a template in it.

NEURON takes a template once per process and for ever, and load_file reads a file once per process, by its base name.
A model that is built again (a second run in the same process) therefore gets copies of its files in which templates
that are known are blank and load_file is xopen; line numbers and names stay.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from adapters.neuron.hoc import source_text
from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages, with_advice
from adapters.neuron.hoc.python_exit import python_exits
from adapters.neuron.hoc.quit import forbid_quit, has_quit, is_quit, quit_error
from adapters.neuron.hoc.sections import all_sections
from adapters.neuron.hoc.source_text import Load
from couple.base.errors import InputError, nearest
from couple.base.regular_file import real_path
from couple.components.model_spec import ModelSpec
from couple.storage.scratch import scratch_folder

WHERE = "neuron.model"


class UnfinishedTemplateError(InputError):
    """An error inside a template: NEURON keeps its sections, and crashes if they are deleted."""


_templates: dict[str, str] = {}
"""Templates that NEURON has from models: name → definition."""

_OF_LIBRARY = "cvode"
"""An object that NEURON's run library makes when it is read, once per process, and needs; models declare it as well."""

_read: set[str] = set()
"""Base names of files that NEURON has read."""

_made: dict[tuple[Path, str, str], list[str]] = {}
"""Sections of each model as it was first built, to notice if a repetition differs."""


def build(spec: ModelSpec) -> tuple[Any, dict[Path, str]]:
    """Execute the file, make the template's instance, and return both it and the texts of all files read.

    Raises InputError in one line for whatever HOC does not like.
    """
    files = load(spec)
    known = [name for source in files.values() for name in source_text.templates(source)]
    cell = instance(spec) if spec.function else None
    if not all_sections() and known and not spec.function:
        raise InputError(
            f"{spec.model.name} leaves no section behind, but defines a template: "
            f'write model = "{spec.model.name}:{known[-1]}"',
            where=WHERE,
        )
    _refuse_different(spec, "\n".join(files.values()))
    return cell, files


def load(spec: ModelSpec) -> dict[Path, str]:
    """Execute the file; returns the texts of all files read. Raises as `build`."""
    files = reachable(spec.model)
    known = {name: text for source in files.values() for name, text in source_text.templates(source).items()}
    if spec.function and spec.function not in known and not hasattr(h, spec.function):
        raise InputError(
            f'{spec.model.name} has no template "{spec.function}"; {nearest(spec.function, known)}', where=WHERE
        )
    _refuse_changed(known)
    if not forbid_quit() and any(source_text.quits(text) for text in files.values()):
        raise quit_error(files)
    again = bool(known.keys() & _templates.keys()) or bool({p.name for p in files} & _read)
    place: AbstractContextManager[Path | None] = scratch_folder("hoc") if again else contextlib.nullcontext()
    with contextlib.chdir(spec.model.parent), place as copies:
        try:
            if copies is not None:
                copy = _Copies(files, copies).of(real_path(spec.model))
                _guarded(lambda: h.xopen(str(copy)), spec.model.name, files)
            else:
                _guarded(lambda: h.load_file(1, spec.model.name), spec.model.name, files)
        except InputError as error:
            raise _unfinished(error, files) from None
        _templates.update(known)
        _read.update(p.name for p in files)
    return files


def release(files: dict[Path, str]) -> None:
    """Let go of every object that the files declared: sections, synapses and event sources would stay."""
    for text in files.values():
        for declaration in source_text.objects(text):
            if declaration == _OF_LIBRARY:
                continue
            # Declared again it refers to nothing. Where the name is now something else, NEURON refuses, and rightly.
            with capture_messages(), contextlib.suppress(RuntimeError):
                h(f"objref {declaration}")


def reachable(main: Path) -> dict[Path, str]:
    """The file and all files of the user that it loads by literal names, each with its text."""
    found: dict[Path, str] = {}
    queue = [real_path(main)]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        try:
            found[path] = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise InputError(f"{path.name} cannot be read: {error.strerror}", where=WHERE) from None
        files = [_file(load, path.parent, main.parent) for load in source_text.loads(found[path])]
        queue += [f for f in files if f is not None]
    return found


def _file(load: Load, *folders: Path) -> Path | None:
    """The user's file that a load means; None for NEURON's own library, or if there is none."""
    for folder in folders:
        if (folder / load.name).is_file():
            return real_path(folder / load.name)
    return None


def instance(spec: ModelSpec) -> Any:
    """One cell of the template, after `load`."""
    if not isinstance(spec.arguments, Sequence):
        raise InputError("a HOC template takes them in order: arguments = [10, 2.5]", where="neuron.arguments")
    for value in spec.arguments:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise InputError(f"{value!r}: HOC takes numbers and text", where="neuron.arguments")
    name = f"new {spec.function}({', '.join(map(repr, spec.arguments))})"
    with contextlib.chdir(spec.model.parent):
        return _guarded(lambda: getattr(h, spec.function)(*spec.arguments), f"{spec.model.name}: {name}")


def _guarded(call: Callable[[], Any], doing: str, texts: Mapping[Path, str] | None = None) -> Any:
    """Run HOC of the files with these texts; its errors, also those that it survives, become one InputError.

    Raises RunError where it quits.
    """
    with capture_messages() as messages:
        try:
            result = call()
            failure = ""
        except (RuntimeError, TypeError, ValueError) as error:
            result, failure = None, str(error).removeprefix("hocobj_call error: ")
        if python_exits.called:
            messages.clear()  # a traceback, where HOC goes on
    said = [*messages.errors, failure]
    if has_quit(said):
        place = re.search(r"\((\S+:\d+)\)$", next(filter(is_quit, said), ""))
        raise quit_error(texts or {}, place[1] if place else "")
    missing = [m for m in messages.errors if m.startswith("Couldn't find")]
    if failure or missing:
        # The first message is the cause, others follow from it; but a missing file is survived, and comes first.
        message = (missing or messages.errors or [failure])[0]
        raise InputError(f"{doing} failed: {with_advice(message)}", where=WHERE)
    return result


def _unfinished(error: InputError, files: dict[Path, str]) -> InputError:
    """The error as it is, or as UnfinishedTemplateError if its place may be inside a template."""
    match = re.search(r"\((\S+):(\d+)\)", error.message)
    places = [(text, int(match[2])) for path, text in files.items() if match and path.name == match[1]]
    if any(source_text.inside_template(text, line) for text, line in places) or (
        not places and any("begintemplate" in text for text in files.values())
    ):
        return UnfinishedTemplateError(error.message, where=error.where)
    return error


def _refuse_changed(known: dict[str, str]) -> None:
    for name, text in known.items():
        if _templates.get(name, text) != text:
            raise InputError(
                f'template "{name}" was defined otherwise by a model loaded before, and NEURON takes a template once '
                "per process: start a new process",
                where=WHERE,
            )


def _refuse_different(spec: ModelSpec, texts: str) -> None:
    """A repetition that leaves sections out (a file loaded by a computed name) must not pass for the model."""
    names = [s.name().rsplit(".", 1)[-1] for s in all_sections()]
    first = _made.setdefault((real_path(spec.model), f"{spec.function}{spec.arguments}", texts), names)
    if first != names:
        raise InputError(
            f"{spec.model.name} has {len(names)} sections where it had {len(first)} when first loaded in this process "
            "(load_file reads a file once per process); start a new process, or put the cell into a template",
            where=WHERE,
        )


class _Copies:
    """Copies of HOC files for another execution in the same process."""

    def __init__(self, files: dict[Path, str], folder: Path) -> None:
        self._files, self._folder = files, folder
        self._made: dict[Path, Path] = {}

    def of(self, path: Path) -> Path:
        """The copy of a file, under the same name."""
        if path not in self._made:
            place = self._folder / str(len(self._made))
            place.mkdir()
            self._made[path] = place / path.name
            text = self._files[path]
            for name, definition in source_text.templates(text).items():
                if name in _templates:
                    text = source_text.without_comments(text).replace(definition, source_text.spaces(definition))
            self._made[path].write_text(source_text.with_loads_replaced(text, lambda load: self._load(load, path)))
        return self._made[path]

    def _load(self, load: Load, inside: Path) -> str | None:
        file = _file(load, inside.parent, next(iter(self._files)).parent)
        if file is None:
            return None
        if file in self._made and not load.again:
            return "1"
        return f'xopen("{self.of(file)}")'
