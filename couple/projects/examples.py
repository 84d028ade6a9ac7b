"""The examples that come with the package, in a checkout as in a wheel."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from couple.base.errors import InputError, RunError, nearest

HERE = Path(__file__).parent
HIDDEN = ("__pycache__", "results", ".*")
"""What is made where examples are run, and not copied."""


LONG = 120
"""Characters of a title from which on it ends at its first colon."""


@dataclass(frozen=True)
class Example:
    """One folder of examples. title: its first words. files: experiments and trainings in it, the main one first."""

    folder: Path
    title: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Of its folder, by which it is called."""
        return self.folder.name


def examples_folder() -> Path:
    """Where the examples lie. Raises RunError if this installation has none."""
    for folder in (HERE / "example_files", HERE.parents[1] / "examples"):
        if (folder / "spine" / "spine.toml").is_file():
            return folder
    raise RunError("this installation of couple has no examples: install the wheel, or run in a checkout")


@cache
def examples() -> dict[str, Example]:
    """All, by name."""
    found = {}
    for folder in sorted(p for p in examples_folder().iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
        own = f"{folder.name}.toml"
        files = tuple(sorted(folder.glob("*.toml"), key=lambda p: (p.name != own, p.name)))
        texts = [*(f for f in files if f.name == own), *sorted(folder.glob("README.md")), *files, *folder.glob("*.py")]
        found[folder.name] = Example(folder, _title(texts[0]) if texts else "", files)
    return found


def example(name: str) -> Example:
    """The one of this name. Raises InputError that names the nearest."""
    if name not in examples():
        raise InputError(f'no example "{name}"; {nearest(name, examples())} (couple examples lists them)')
    return examples()[name]


def _title(file: Path) -> str:
    """The sentence with which a file begins."""
    lines: list[str] = []
    for line in file.read_text().splitlines():
        line = line.strip().lstrip("#").strip()
        if line.startswith(("%%", '"""')) or (not line and not lines):
            continue
        if not line:
            break
        lines.append(line)
    sentence = re.split(r"(?<=[a-z)])(?<! al)(?<! fig)\. ", " ".join(lines))[0]
    return (sentence if len(sentence) <= LONG else sentence.partition(": ")[0]).rstrip(".:")


def needed(wanted: Example) -> Iterator[Example]:
    """An example, and those whose files its files name: chemistry, models, experiments to learn from."""
    seen, waiting = set(), [wanted.name]
    while waiting:
        if (name := waiting.pop()) in seen:
            continue
        seen.add(name)
        yield (one := example(name))
        texts = "\n".join(
            p.read_text() for p in one.folder.iterdir() if p.suffix in (".toml", ".py", ".md", ".hoc", ".ipynb")
        )
        named = re.findall(r"\.\./(\w+)/", texts) + re.findall(r'HERE\.parent / "(\w+)"', texts)
        waiting += [n for n in dict.fromkeys(named) if n in examples()]


def _is_there(one: Example, folder: Path) -> bool:
    """Whether all files of an example have a place in its folder in `folder`."""
    names = [p.relative_to(one.folder) for p in one.folder.glob("*.toml")]
    return (folder / one.name).is_dir() and all((folder / one.name / name).is_file() for name in names)


def copy_examples(wanted: Example, folder: Path) -> list[Path]:
    """Copy an example, and what it needs, into `folder`; the copies, its own first. What it needs and was copied
    before, whatever has become of it, is left as it is.

    Raises InputError, before anything is written, if one of them would replace something.
    """
    targets = {one: folder / one.name for one in needed(wanted) if one == wanted or not _is_there(one, folder)}
    for target in targets.values():
        if target.exists():
            raise InputError(f"{target} exists: nothing is replaced; give another folder with --to")
    for one, target in targets.items():
        shutil.copytree(one.folder, target, ignore=shutil.ignore_patterns(*HIDDEN))
    return list(targets.values())
