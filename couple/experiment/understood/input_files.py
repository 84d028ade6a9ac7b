"""The one list of all files that an experiment reads: hashed once, stored, and compared by whatever goes on from it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.paths.file_fields import named_files
from couple.base.regular_file import real_path
from couple.base.toml import flatten, read_toml
from couple.experiment.experiment import Experiment

CODE = (".py", ".pyc", ".hoc", ".ses", ".oc", ".nrn", ".mod", ".so", ".dll", ".dylib")
"""Suffixes of files that are code: to read them is to run them."""

FOUND = "model"
"""Role of what a model reads by itself."""


@dataclass(frozen=True)
class InputFile:
    """A file that is read. key: where it is named; of what a model reads by itself, where the model is.

    given: the text there. path: of the file, absolute; links are not followed. role: what it is. code: whether it is
    run. sha256: of its bytes, "" if it cannot be read. content: of what it says; of TOML comments do not count.
    """

    key: str
    given: str
    path: Path
    role: str
    code: bool = False
    sha256: str = ""
    content: str = ""

    @property
    def words(self) -> str:
        """Name and role, for messages."""
        return f"{self.path.name} of the model" if self.role in ("model", "mechanism") else self.path.name

    def hashed(self) -> InputFile:
        """The same as it is on the disk now."""
        sha256, content = _digests(self.path)
        return replace(self, sha256=sha256, content=content)


def files_of(experiment: Experiment, tables: Mapping[str, Any] | None = None) -> list[InputFile]:
    """Files that an experiment and its tables name, in their order; folders of MOD files one by one. Not yet hashed.

    tables: validated options of engines in use, by key ("site[0].lattice").
    """
    found = [input_file(key, given, path, role) for path, (key, given, role) in experiment.read_from.items()]
    named = list(named_files(experiment))
    for key, table in (tables or {}).items():
        named += named_files(table, key)
    for one in named:
        path = experiment.folder / one.path
        inside = sorted(path.glob("*.mod")) if path.is_dir() else [path]
        found += [input_file(one.key, one.given, file, one.role) for file in inside]
    found += list(_in_arguments(experiment))
    return unique(found)


def unique(files: Iterable[InputFile]) -> list[InputFile]:
    """Each file once, as it is named first."""
    found: dict[Path, InputFile] = {}
    for file in files:
        found.setdefault(real_path(file.path), file)
    return list(found.values())


def read_by_model(files: Iterable[Path], key: str) -> Iterator[InputFile]:
    """Files that a model reads by itself. key: of the model."""
    return (input_file(key, "", path, FOUND) for path in files)


def to_json(files: Iterable[InputFile]) -> str:
    """The list as text, which `from_json` reads."""
    return json.dumps([{**asdict(file), "path": str(file.path)} for file in files])


def from_json(text: str) -> tuple[InputFile, ...]:
    """The list that `to_json` wrote. Raises InputError for anything else."""
    try:
        return tuple(InputFile(**{**entry, "path": Path(entry["path"])}) for entry in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"holds no list of input files: {error}") from None


def refuse_changed(then: Iterable[InputFile], since: str, advice: str, where: str) -> None:
    """Raise InputError, in one line with names, keys and `advice`, if files are not what they were.

    since: when that was, as "since this checkpoint". where: of what is to be gone on from.
    """
    changed = [(file, now) for file in then if (now := file.hashed()).content != file.content]
    if changed:
        said = [f"{old.words} {'changed' if now.sha256 else 'is gone'} {since} ({_place(old)})" for old, now in changed]
        raise InputError(f"{_some(said)}: {advice}", where=where)


def refuse_others(then: Iterable[InputFile], now: Iterable[InputFile], since: str, advice: str, where: str) -> None:
    """Raise InputError if other files are read than before: a MOD file more in its folder, or one less."""
    before, after = ({real_path(file.path): file for file in files} for files in (then, now))
    said = [f"{f.words} is read now and was not {since} ({_place(f)})" for p, f in after.items() if p not in before]
    said += [f"{f.words} is read no more {since} ({_place(f)})" for p, f in before.items() if p not in after]
    said += [f"{f.words} changed {since} ({_place(f)})" for p, f in after.items() if _differs(before.get(p), f)]
    if said:
        raise InputError(f"{_some(said)}: {advice}", where=where)


def refuse_edited(experiment: Experiment, advice: str, where: str) -> None:
    """Raise InputError that names the keys if the file of an experiment says something else now; nothing if it is gone,
    which `refuse_changed` says.
    """
    path = experiment.path
    if path is None or not path.is_file():
        return
    said = changed_keys(experiment.original, read_toml(path, "an experiment, a TOML file,"))
    if said:
        raise InputError(f"belongs to another experiment than {path} is now ({said}): {advice}", where=where)


def changed_keys(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first keys in which two contents differ, with both values; "" if they do not."""
    before, after = flatten(json.loads(json.dumps(then))), flatten(json.loads(json.dumps(now, default=str)))
    changed = [k for k in sorted({*before, *after}) if before.get(k) != after.get(k)]
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return "; ".join(f"{k}: {before.get(k, 'absent')} -> {after.get(k, 'absent')}" for k in changed[:5]) + more


def input_file(key: str, given: str, path: Path, role: str) -> InputFile:
    """A file, not yet hashed."""
    return InputFile(key, given, path.absolute(), role, path.suffix.lower() in CODE)


def _differs(old: InputFile | None, new: InputFile) -> bool:
    return old is not None and old.content != new.content


def _in_arguments(experiment: Experiment) -> Iterator[InputFile]:
    """Files that arguments of a model name, relative to the model, in whose folder it is built."""
    cells = () if experiment.circuit is None else experiment.circuit.population
    models = [("neuron", experiment.neuron.model, experiment.neuron.arguments)] if experiment.neuron else []
    models += [(f"network.population[{i}]", cell.model, cell.arguments) for i, cell in enumerate(cells)]
    for key, model, arguments in models:
        folder = (experiment.folder / model).parent
        for name, text in flatten({"": arguments if isinstance(arguments, Mapping) else list(arguments)}).items():
            if isinstance(text, str) and "." in text and "\x00" not in text and _is_file(folder / text):
                yield input_file(f"{key}.arguments{name}", text, folder / text, FOUND)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _digests(path: Path) -> tuple[str, str]:
    """SHA-256 of the bytes of a file, and of what it says: of TOML without comments and spaces; "" if it cannot be."""
    try:
        if not path.is_file():
            return "", ""
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if path.suffix != ".toml":
            return sha256, sha256
        said = json.dumps(tomllib.loads(path.read_text(encoding="utf-8-sig")), default=str)
        return sha256, hashlib.sha256(said.encode()).hexdigest()
    except OSError:
        return "", ""
    except (ValueError, RecursionError):  # no TOML
        return sha256, sha256


def _place(file: InputFile) -> str:
    return f"{file.key}: {file.path}" if file.key else str(file.path)


def _some(said: list[str]) -> str:
    return "; ".join(said[:5]) + (f" and {len(said) - 5} more" if len(said) > 5 else "")
