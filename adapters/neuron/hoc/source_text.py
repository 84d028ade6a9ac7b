"""What the text of a HOC file says about itself: templates, files that it loads, objects, procedures.

NEURON has no way to ask for these; a full parser is not needed, HOC being regular enough in these statements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_COMMENT_OR_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TEMPLATE = re.compile(r"\bbegintemplate\s+([A-Za-z_]\w*).*?\bendtemplate\s+\1\b", re.DOTALL)
_LOAD = re.compile(r'\b(load_file|xopen)\s*\(\s*(?:(\d)\s*,\s*)?"([^"\n]+)"\s*\)')
_OBJECTS = re.compile(r"^\s*(?:objref|objectvar)\s+([^\n{}]+)", re.MULTILINE)


def without_comments(text: str) -> str:
    """The text with comments turned into spaces; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith('"') else spaces(match[0])

    return _COMMENT_OR_STRING.sub(blank, text)


def spaces(text: str) -> str:
    """As many characters and lines as `text` has, all blank."""
    return re.sub(r"[^\n]", " ", text)


def templates(text: str) -> dict[str, str]:
    """Templates that a file defines: name → definition, without comments."""
    return {m[1]: m[0] for m in _TEMPLATE.finditer(without_comments(text))}


def inside_template(text: str, line: int) -> bool:
    """Whether a line (from 1) lies in a template, or in one that never ends."""
    before = "\n".join(without_comments(text).splitlines()[:line])
    begun = [m.start() for m in re.finditer(r"\bbegintemplate\b", before)]
    return bool(begun) and "endtemplate" not in before[begun[-1] :].rpartition("\n")[0]


def without_templates(text: str) -> str:
    """The text outside of templates, without comments; lines stay where they are."""
    return _TEMPLATE.sub(lambda m: spaces(m[0]), without_comments(text))


@dataclass(frozen=True)
class Load:
    """A load_file or xopen of a literal name. again: whether the file is executed even if it was before."""

    name: str
    again: bool


def loads(text: str) -> list[Load]:
    """Files that are loaded by literal names, in order."""
    return [_load(m) for m in _LOAD.finditer(without_comments(text))]


def _load(match: re.Match[str]) -> Load:
    return Load(match[3], match[1] == "xopen" or match[2] not in (None, "0"))


def with_loads_replaced(text: str, replacement: Callable[[Load], str | None]) -> str:
    """The text without comments, each load being what `replacement` makes of it (None leaves it as it is)."""
    return _LOAD.sub(lambda m: replacement(_load(m)) or m[0], without_comments(text))


def objects(text: str) -> list[str]:
    """Object references declared outside of templates, with sizes: ["cell", "list[3]"]."""
    found = []
    for match in _OBJECTS.finditer(without_templates(text)):
        found += [name.strip() for name in match[1].split("//")[0].split(",") if name.strip()]
    return list(dict.fromkeys(found))


def defines(text: str, procedure: str) -> bool:
    """Whether the file defines `proc procedure()` outside of templates."""
    return re.search(rf"\bproc\s+{procedure}\s*\(", without_templates(text)) is not None


def quits(text: str) -> list[int]:
    """Lines with a quit(), in a procedure, in a statement that is given as a text, or outside; h.quit() in Python."""
    bare = without_comments(text)
    return [bare.count("\n", 0, match.start()) + 1 for match in re.finditer(r"(?<![.\w])(?:h\.)?quit\s*\(\s*\)", bare)]


def named_files(text: str, folder: Path) -> list[Path]:
    """Files that a text names in quotes, by paths relative to `folder`."""
    strings = [m[1] or m[2] for m in re.finditer(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'", text)]
    found = []
    for name in dict.fromkeys(s for s in strings if "." in s):
        file = folder / name
        try:
            if file.is_file():
                found.append(file)
        except (OSError, ValueError):
            continue
    return found
