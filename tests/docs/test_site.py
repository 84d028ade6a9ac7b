"""The site builds without a warning, and its pages do what they say: their commands are typed, one by one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.doc_pages import DOCS, blocks
from support.paths import ROOT

pytestmark = pytest.mark.acceptance

TYPED = [
    "tutorials/first_spine",
    "tutorials/hoc_model",
    "tutorials/morphology",
    "tutorials/reduced_model",
    "howto/install",
    "howto/adaptive",
    "howto/results",
    "howto/many_runs",
    "howto/compare",
    "howto/python",
    "howto/meshes",
    "howto/plasticity",
    "howto/reduced_models",
]
"""Pages whose blocks `sh` and `python` are carried out in an empty folder; those in `bash` need what is not here."""


def run(words: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("page", TYPED)
def test_what_a_page_says_can_be_typed(page: str, tmp_path: Path) -> None:
    for block in blocks(DOCS / f"{page}.md"):
        if block.language == "python":
            assert run([sys.executable, "-c", block.body], tmp_path)
        elif block.language == "sh":
            for line in block.body.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                assert words[0] == "couple", "a block in sh is of our commands"
                run([sys.executable, "-m", *words], tmp_path)
        elif block.language == "toml" and block.title:
            (tmp_path / block.title).write_text(block.body)


def test_no_other_page_has_blocks_that_could_be_typed() -> None:
    there = {str(p.relative_to(DOCS)).removesuffix(".md") for p in DOCS.rglob("*.md")}
    others = {p for p in there if any(b.language in ("sh", "python") for b in blocks(DOCS / f"{p}.md"))}
    assert others == {*TYPED}


def test_the_site_builds_strictly_and_fetches_nothing(tmp_path: Path) -> None:
    """A link to nowhere, or to no anchor, is a warning, and a warning an error."""
    words = ["build", "-f", ".mkdocs.yml", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    words = [sys.executable, "-m", "mkdocs", *words]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(
            r'(?:<script[^>]*src|<link[^>]*rel="stylesheet"[^>]*href|<img[^>]*src)="(.*?)"', page.read_text()
        )
        assert loaded and not [one for one in loaded if "//" in one], page
