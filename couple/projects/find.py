"""What is meant by the name of an experiment: a file, a folder with one, or an example."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from couple.base.errors import InputError
from couple.base.regular_file import read_regular, real_path
from couple.projects.examples import examples_folder

Kind = Literal["experiment", "train", "infer", "population"]
"""By its table: [experiment], [train], [infer] or [population]."""

WORDS = {
    "experiment": "experiment",
    "train": "training",
    "infer": "inference",
    "population": "comparison of populations",
}


def find_file(given: Path, kind: Kind) -> Path:
    """The file of this kind that is meant; what is neither a folder nor in the examples is the file that it names.

    Raises InputError if a folder holds none, or several.
    """
    if given.is_dir():
        return _in_folder(given, kind)
    if given.exists() or given.is_absolute() or ".." in given.parts:
        return given
    packaged = examples_folder() / given
    if packaged.is_dir() and len(given.parts) == 1:
        return _in_folder(packaged, kind)
    return packaged if packaged.is_file() else given


def _in_folder(folder: Path, kind: Kind) -> Path:
    """The one after which the folder is called, or its only one."""
    found, word = _files(folder, kind), WORDS[kind]
    named = folder / f"{real_path(folder).name}.toml"
    if named in found:
        return named
    if not found:
        raise InputError(f"{folder} is a folder without {word} (a .toml file with [{kind}])")
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise InputError(f"{folder} is a folder of {len(found)} files with [{kind}], name one: {names}")
    return found[0]


def _files(folder: Path, kind: Kind) -> list[Path]:
    found = []
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(read_regular(path).decode("utf-8-sig"))
        except (OSError, ValueError):
            continue  # what is wrong with it is said when it is named
        if isinstance(content.get(kind), dict):
            found.append(path)
    return found
