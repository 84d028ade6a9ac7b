"""The pages of the documentation and the blocks of code in them."""

from __future__ import annotations

import functools
import importlib.util
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from support.paths import EXAMPLES, ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^ *```$", re.M | re.S
)
INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.M)


@dataclass(frozen=True)
class CodeBlock:
    """A block of code. page: where it stands, relative to the root. title: of a file that it is."""

    page: str
    language: str
    title: str
    body: str


def pages() -> list[Path]:
    """Those that are written by hand, and the README."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path) -> list[CodeBlock]:
    """The blocks of a page, in order; those of files that it includes are tested with these."""
    name = str(page.relative_to(ROOT))
    return [
        CodeBlock(name, m["language"], m["title"] or "", textwrap.dedent(m["body"]))
        for m in FENCE.finditer(page.read_text())
    ]


def included(page: Path) -> Iterator[Path]:
    """Files of which a page shows the content."""
    for name in INCLUDED.findall(page.read_text()):
        yield EXAMPLES / name.partition(":")[0]


@functools.cache
def generated_pages() -> ModuleType:
    """The module that makes the pages which are not written by hand."""
    spec = importlib.util.spec_from_file_location("generated_pages", DOCS / "generated_pages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
