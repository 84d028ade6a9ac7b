"""The files that a model consists of: those that it names, those that Python was seen to open, and, where names are
computed, all that lie beside it and could be meant.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from adapters.neuron.hoc import source_text
from couple.base.regular_file import real_path

_TEXTS = (".py", ".hoc", ".ses", ".oc")
_NOT_OF_THE_MODEL = (".toml", ".h5", ".png", ".pdf", ".svg", ".log")
_COULD_BE_MEANT = (".hoc", ".oc", ".ses", ".py", ".mod", ".swc", ".asc", ".nrn", ".dat", ".txt", ".csv")
_OUTPUT = ("results.h5", "checkpoint.h5", "ensemble.h5", "sampling.json")
_MOST = 64 * 2**20
_MOST_ENTRIES = 10_000
"""In a folder with those in it; of a larger one only what lies in it itself."""

_READERS = ("load_file", "xopen", "ropen", "input", "nrn_load_dll", "File")
_HDF5_READERS = ("File", "read_hdf", "open_file", "Dataset")
"""Of h5py, pandas, tables and netCDF4, which open files themselves; they may as well write them."""


def files_of_model(begin: Iterable[Path], opened: Iterable[Path], folder: Path) -> list[Path]:
    """All files of a model, absolute.

    begin: those that are known. opened: that Python was seen to open. folder: of the model, in which it is built.
    """
    found: dict[Path, None] = {}
    queue = [real_path(f) for f in [*begin, *opened]]
    computed = False
    while queue:
        path = queue.pop(0)
        if path in found or not path.is_file() or path.stat().st_size > _MOST:
            continue
        found[path] = None
        if path.suffix in _TEXTS:
            names, unknown = _names_in(path, folder)
            queue += [real_path(f) for f in names]
            computed |= unknown
    if computed:
        written = {name for path in found if path.suffix in _TEXTS for name in _written(path)}
        found |= dict.fromkeys(real_path(f) for f in could_be_meant(folder) if f.name not in written)
    return list(found)


def could_be_meant(folder: Path) -> list[Path]:
    """Files in a folder, and in those in it, that a model could read by a computed name; none of results."""
    inside = list(islice(_walk(folder), _MOST_ENTRIES + 1))
    if len(inside) > _MOST_ENTRIES:
        inside = [path for path in folder.iterdir() if path.is_file()]
    return sorted(p for p in inside if p.suffix.lower() in _COULD_BE_MEANT and p.stat().st_size <= _MOST)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        if any(name in names for name in _OUTPUT):
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")) and f not in ("results", "x86_64"))
        yield from (Path(place) / name for name in names if not name.startswith(".") and (Path(place) / name).is_file())


def _names_in(path: Path, folder: Path) -> tuple[list[Path], bool]:
    """Files that a text names, and whether it reads others by names that it computes."""
    text = path.read_text(encoding="utf-8", errors="replace")
    places = dict.fromkeys((path.parent, folder))
    named = [file for place in places for file in source_text.named_files(text, place)]
    named = [file for file in named if file.suffix not in _NOT_OF_THE_MODEL]
    if path.suffix != ".py":
        return named, _computes_in_hoc(text, places)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return named, False
    found, computed = _read_in_python(tree, places)
    spoken = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [*named, *found], computed or any(_computes_in_hoc(text, places) for text in spoken)  # h("xopen(path)")


# -- HOC ---------------------------------------------------------------------------------------------------------------

_CALL = re.compile(rf"\b(?:{'|'.join(_READERS)})\s*\(\s*(?:\d\s*,\s*)?([^()\n,]*)")


def _computes_in_hoc(text: str, places: Iterable[Path]) -> bool:
    """Whether a name is neither a literal nor a strdef that is only given literal names of files that are there."""
    text = source_text.without_comments(text)
    for match in _CALL.finditer(text):
        name = match[1].strip()
        if not name or name.startswith('"') or not re.fullmatch(r"[A-Za-z_][\w.$]*", name):
            continue
        given = re.findall(rf'\b{re.escape(name)}\s*=\s*"([^"\n]*)"', text)
        if not given or re.search(rf"\bsprint\s*\(\s*{re.escape(name)}\b", text):
            return True
        if not all(any((place / g).is_file() for place in places) for g in given):
            return True
    return False


def _written(path: Path) -> list[str]:
    """Names of files that a text writes, as far as it says them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [Path(m).name for m in re.findall(r"\b(?:wopen|aopen)\s*\(\s*[\"']([^\"'\n]+)", text)]


# -- Python ------------------------------------------------------------------------------------------------------------


def _read_in_python(tree: ast.AST, places: Iterable[Path]) -> tuple[list[Path], bool]:
    """Files that NEURON is told to read, and whether some are told by names that the text does not give."""
    given: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    given.setdefault(target.id, []).append(node.value)
    found: list[Path] = []
    computed = False
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in (*_READERS, *_HDF5_READERS) or _writes(node):
            continue
        for argument in node.args[:2]:
            files = [f for text in _texts(argument, given) for f in _ending_with(text, places)]
            found += files
            # what is in quotes but is not there is for NEURON to miss
            computed |= node.func.attr in _READERS and not isinstance(argument, ast.Constant) and not files
    return found, computed


def _writes(call: ast.Call) -> bool:
    """Whether a call opens a file to write: its mode, in order or by name, is not that of reading."""
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def _texts(value: ast.expr, given: dict[str, list[ast.expr]]) -> list[str]:
    """All texts that an expression is made of, with those of the variables in it."""
    values = [value, *(e for node in ast.walk(value) if isinstance(node, ast.Name) for e in given.get(node.id, []))]
    nodes = (node for one in values for node in ast.walk(one))
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and "." in n.value]


def _ending_with(text: str, places: Iterable[Path]) -> list[Path]:
    """Files in or below the places whose path ends as the text does."""
    parts = Path(text.lstrip("/\\")).parts
    if not parts or "\x00" in text:
        return []
    below = (file for place in places for file in islice(_walk(place), _MOST_ENTRIES))
    return [file for file in below if file.parts[-len(parts) :] == parts]
