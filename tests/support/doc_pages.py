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
    """The blocks of a page, in order, without those of files that it includes."""
    return blocks_of(page.read_text(), str(page.relative_to(ROOT)))


def blocks_of(text: str, name: str) -> list[CodeBlock]:
    """The blocks of a text, in order."""
    return [CodeBlock(name, m["language"], m["title"] or "", textwrap.dedent(m["body"])) for m in FENCE.finditer(text)]


def all_blocks() -> list[CodeBlock]:
    """Of all pages: those that are written by hand, what they include, and those that are made."""
    shown = dict.fromkeys(path for page in pages() for path in included(page) if path.suffix == ".md")
    shown.pop(EXAMPLES / "tutorial" / "README.md")  # lines to add to files; tests/examples/test_tutorial.py adds them
    by_hand = [block for page in (*pages(), *shown) for block in blocks(page)]
    return [*by_hand, *(block for name, text in generated_pages().pages().items() for block in blocks_of(text, name))]


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
