"""MOD files of users: found, compiled into the cache, loaded, and their names reported."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.hoc.messages import capture_messages
from adapters.neuron.mechanisms import nmodl
from adapters.neuron.mechanisms.builtin import MOD_FILES, channel_path, without_compiler
from adapters.neuron.mechanisms.given import with_given
from adapters.neuron.mechanisms.history import hidden_memories
from adapters.neuron.mechanisms.source import with_ranges, without_comments
from couple.base.errors import InputError, nearest
from couple.base.formats import instead_of, unmistakably
from couple.base.regular_file import real_path
from couple.storage.scratch import scratch_folder

WHERE = "neuron.mechanisms"

_TAKEN = re.compile(r"user defined name already exists: (\w+)")
_NAME = re.compile(r"\b(?:SUFFIX|POINT_PROCESS|ARTIFICIAL_CELL)\s+(\w+)")


def load(paths: Sequence[Path], given: Mapping[str, tuple[str, str]] = {}) -> dict[str, Path]:
    """Compile and load MOD files (or folders of them) before the model is built: mechanism → file.

    given: mechanisms that can be given the concentration of an ion alone → (ion, key that says so). Raises InputError
    in one line: nothing there, a name that NEURON has already, no compiler, an error in a file.
    """
    files = mod_files(paths)
    names = _names(files)
    for name, (_, where) in given.items():
        if name not in names:
            raise InputError(
                f'"{name}" is in no file of neuron.mechanisms, from which it would be compiled; {nearest(name, names)}',
                where=where,
            )
    with scratch_folder("mod") if names else nullcontext(Path()) as folder:
        used = {name: _to_compile(file, given.get(name), folder) for name, file in names.items()}
        present = loaded()
        missing = {n: f for n, f in used.items() if not _is_loaded(n, f, present, names[n], given=n in given)}
        if missing:
            made = any(file.parent == folder for file in missing.values())
            headers = {h for f in files for kind in nmodl.HEADERS for h in f.parent.glob(kind)} if made else set()
            _load([*sorted(missing.values(), key=lambda f: f.name), *sorted(headers)])
    return names


def load_before_ours(paths: Sequence[Path], given: Mapping[str, tuple[str, str]] = {}) -> None:
    """Load MOD files as `load` does, with the numbers that NEURON alone gives their mechanisms; then ours.

    Raises InputError if this process has mechanisms of couple, or of another model, already.
    """
    names = load(paths, given)
    channel_path()
    numbers = _numbers()
    ours = min((numbers[file.stem] for file in MOD_FILES.glob("*.mod") if file.stem in numbers), default=0)
    late = next((name for name in names if numbers[name] > ours > 0), None)
    if late is not None:
        raise InputError(
            f"a SaveState file is read, in which {late} has another number than in this process, that has run another "
            "model before: run this experiment in a process of its own",
            where=WHERE,
        )


def _numbers() -> dict[str, int]:
    """Mechanism → the number by which NEURON's saved states mean it, in this process."""
    return {name: int(kinds.internal_type()) for name, kinds in _selected_in_turn()}


def _selected_in_turn() -> Iterator[tuple[str, Any]]:
    """Name of each mechanism, point process and artificial cell, and the MechanismType in which it is selected."""
    for kind in (0, 1):
        kinds, name = h.MechanismType(kind), h.ref("")
        for i in range(int(kinds.count())):
            kinds.select(i)
            kinds.selected(name)
            yield str(name[0]), kinds


def _to_compile(file: Path, given: tuple[str, str] | None, folder: Path) -> Path:
    """The file to compile: as it is, or made from it, where what the mechanism carries over has to be seen from outside
    to be saved, or where it can be given a concentration.
    """
    text = _text(file)
    wanted = with_ranges(text, hidden_memories(text))
    if given is not None:
        wanted = with_given(wanted, given[0], file, given[1])
    if wanted == text:
        return file
    made = folder / file.name
    made.write_text(wanted, encoding="utf-8")
    _made_from[_text(made).strip()] = _text(file).strip()
    return made


def mod_files(paths: Sequence[Path]) -> list[Path]:
    """All MOD files that the paths mean. Raises InputError for a path without any."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.mod"))
            if not found:
                raise InputError(f'the folder "{path}" holds no .mod file', where=WHERE)
            files += found
        elif path.is_file() and path.suffix == ".mod":
            if other := unmistakably(path, "mod"):
                raise InputError(f'"{path.name}" {other}; give .mod files, or folders of them', where=WHERE)
            files.append(path)
        elif path.exists():
            other = instead_of(path, "mod") or "is not a MOD file"
            raise InputError(f'"{path.name}" {other}; give .mod files, or folders of them', where=WHERE)
        else:
            there = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise InputError(f'there is no file or folder "{path}"; {nearest(path.name, there)}', where=WHERE)
    return list(dict.fromkeys(real_path(f) for f in files))


def _names(files: Sequence[Path]) -> dict[str, Path]:
    names: dict[str, Path] = {}
    for file in files:
        match = _NAME.search(without_comments(_text(file)))
        name = match[1] if match else file.stem
        if name == "nothing":
            name = file.stem  # SUFFIX nothing: functions for HOC, no mechanism
        if name in names:
            raise InputError(f'"{name}" is defined in {names[name].name} and in {file.name}; rename one', where=WHERE)
        names[name] = file
    return names


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def loaded() -> dict[str, str]:
    """Mechanisms, point processes and artificial cells that NEURON has, each with the text of its MOD file or ""."""
    return {name: str(kinds.code() or "") for name, kinds in _selected_in_turn()}


_made_from: dict[str, str] = {}
"""Text of a mechanism as it is compiled → that of its MOD file, as which it serves."""


def _is_loaded(name: str, file: Path, present: dict[str, str], original: Path, *, given: bool) -> bool:
    """Whether NEURON has this very mechanism already. Raises InputError if it has another of the name.

    given: whether it has to be one that can be given a concentration.
    """
    if name not in present:
        return False
    there, plain = present[name].strip(), _text(original).strip()
    if there == _text(file).strip():
        return True
    if plain in (there, _made_from.get(there)):
        if not given:
            return True
        raise InputError(
            f'mechanism "{name}" of {original.name} was loaded before in this process as it is, and cannot be given a '
            "concentration of its own any more: run this experiment in a process of its own",
            where=WHERE,
        )
    if name in {f.stem for f in MOD_FILES.glob("*.mod")}:
        whose = "that is one of couple's own"
    elif name in _built_in:
        whose = "that is one of NEURON's own"
    else:
        whose = (
            "another one of that name was loaded before in this process, by a model or from a compiled folder such as "
            "x86_64/ where NEURON was started"
        )
    raise InputError(f'mechanism "{name}" of {file.name}: {whose}; rename its SUFFIX', where=WHERE)


_built_in = frozenset(loaded())
"""What NEURON has before anything of ours or of a model is loaded."""


def _load(files: Sequence[Path]) -> None:
    try:
        if without_compiler():
            raise nmodl.NoCompilerError("COUPLE_NO_COMPILER is set")
        library = nmodl.library(files, "model")
    except nmodl.NoCompilerError as error:
        shown = ", ".join(f.name for f in files[:5]) + (", ..." if len(files) > 5 else "")
        raise InputError(
            f"the MOD files of this model ({shown}) need a C++ compiler: {error}. Install one "
            "(apt install g++, or on macOS xcode-select --install)",
            where=WHERE,
        ) from None
    except nmodl.CompilationError as error:
        raise InputError(f"nrnivmodl failed: {error.line}", where=WHERE) from None
    reason = _unopened(library, files) or _unloaded(library, files)
    if reason:
        raise InputError(f"NEURON could not load the compiled mechanisms: {reason}", where=WHERE)


def _unopened(library: Path, files: Sequence[Path]) -> str:
    """Why the system cannot open a library of these files; "" if it can. NEURON would say it past Python."""
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        missing = re.search(r"undefined symbol: (?:_Z(\d+))?(\w+)", str(error))
        if missing is None:
            return f"{error}; remove {library} to build it anew"
        name = missing[2][: int(missing[1])] if missing[1] else missing[2]
        return f"{name}{_mentioning(name, files)} is nowhere: neither in NEURON nor in one of the MOD files"
    return ""


def _unloaded(library: Path, files: Sequence[Path]) -> str:
    """Load a library of these files into NEURON; why that has failed, "" if it has not."""
    with capture_messages() as messages:
        try:
            if h.nrn_load_dll(str(library)) == 1.0:
                return ""
        except RuntimeError:
            pass
        said, taken = messages.errors, _TAKEN.search(" ".join(messages.errors))
        messages.clear()
    if taken:
        return f"NEURON has something called {taken[1]} already: rename it{_mentioning(taken[1], files)}"
    return said[0] if said else f"it cannot be opened; remove {library} to build it anew"


def _mentioning(name: str, files: Sequence[Path]) -> str:
    """Which files have a name: " in a.mod, b.mod"."""
    found = [file.name for file in files if re.search(rf"\b{re.escape(name)}\b", _text(file))]
    return f" in {', '.join(found)}" if found else ""
