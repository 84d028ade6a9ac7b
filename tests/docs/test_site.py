"""The site builds without a warning, and its pages do what they say: their commands are typed, one by one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.doc_pages import DOCS, blocks
from support.paths import EXAMPLES, ROOT
from support.typed_pages import Typist

pytestmark = pytest.mark.acceptance

TYPED = {
    "tutorials/first_spine": (),
    "tutorials/hoc_model": (),
    "tutorials/morphology": (),
    "tutorials/reduced_model": (),
    "howto/install": (0,),
    "howto/adaptive": (),
    "howto/results": (2,),
    "howto/many_runs": (),
    "howto/compare": (),
    "howto/python": (),
    "howto/meshes": (),
    "howto/plasticity": (),
    "howto/reduced_models": (),
    "reproduced": (),
}
"""Page → those of its blocks in sh, bash and python that are not carried out in an empty folder: setting up a checkout
is what the README says, and CI does; a way through ssh needs another machine."""


def typed(page: str) -> list[int]:
    """The places, among the blocks of a page, of those that are typed."""
    found = [k for k, b in enumerate(blocks(DOCS / f"{page}.md")) if b.language in ("sh", "bash", "python")]
    return [k for n, k in enumerate(found) if n not in TYPED.get(page, ())]


@pytest.mark.parametrize("page", TYPED)
def test_what_a_page_says_can_be_typed(page: str, tmp_path: Path) -> None:
    typist, wanted = Typist(tmp_path), typed(page)
    for k, block in enumerate(blocks(DOCS / f"{page}.md")):
        if k in wanted or block.language in ("toml", "text"):
            typist.type(block)


def test_what_the_readme_says_can_be_typed(tmp_path: Path) -> None:
    """In a checkout; the tests themselves are not run by one of them."""
    (tmp_path / "examples").symlink_to(EXAMPLES)
    start, more, tests = blocks(ROOT / "README.md")
    assert tests.body == "uv run pytest\n"
    typist = Typist(tmp_path)
    typist.line(start.body.splitlines()[1].removeprefix("python3 -m ").split())
    assert {p.name for p in (tmp_path / "results" / "spine-001").iterdir()} >= {"results.h5", "figure.png"}
    typist.type(more)


def test_no_other_page_has_blocks_that_could_be_typed() -> None:
    there = {str(p.relative_to(DOCS)).removesuffix(".md") for p in DOCS.rglob("*.md")}
    others = {p for p in there if any(b.language in ("sh", "bash", "python") for b in blocks(DOCS / f"{p}.md"))}
    assert others == {*TYPED, "tutorials/cluster"}


def test_the_script_for_slurm_runs_and_goes_on(tmp_path: Path) -> None:
    """With an srun that starts one process, and a module system that has nothing to load."""
    places = {"bin/srun": 'shift\nexec "$@"', "bin/module": "true", "couple/.venv/bin/activate": ""}
    places["bin/couple"] = f'exec {sys.executable} -m couple "$@"'
    for place, script in places.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / place).chmod(0o755)
    work = tmp_path / "work"
    shutil.copytree(EXAMPLES / "network", work)
    file = work / "network.toml"
    file.write_text(re.sub(r'^duration = ".*"', 'duration = "5 ms"', file.read_text(), flags=re.M))
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    for _ in range(2):
        words = ["bash", "-e", str(EXAMPLES / "cluster" / "run.slurm")]
        done = subprocess.run(words, cwd=work, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (work / "results" / "network" / "results.h5").is_file()


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
