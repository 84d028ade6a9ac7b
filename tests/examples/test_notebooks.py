"""The notebooks that come with couple: every cell runs, and what ends one shows itself."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couple.analysis.plot.picture import Picture
from couple.projects.examples import copy_examples, example
from couple.simulation.notebook import live_progress
from reducers.inference.density.file import read_posterior
from support.our_files import write_a_posterior
from support.paths import EXAMPLES

BOOKS = sorted((EXAMPLES / "notebooks").glob("*.ipynb"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where notebooks run: a copy of them, beside the examples that they use."""
    copy_examples(example("notebooks"), tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path / "notebooks"


def shown(book: Path) -> Iterator[str]:
    """What the last lines of cells show, as they are carried out in turn: HTML, or "picture"."""
    names: dict[str, Any] = {}
    for cell in json.loads(book.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, book.name, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), book.name, "eval"), names)
            if value is not None:
                yield "picture" if isinstance(value, Picture) else value._repr_html_()


def test_they_are_kept_without_outputs() -> None:
    assert len(BOOKS) == 2
    assert not [c for b in BOOKS for c in json.loads(b.read_text())["cells"] if c.get("outputs")], "keep no outputs"


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_every_cell_runs(book: Path, folder: Path) -> None:
    seen = [*shown(folder / book.name)]
    pages = [page for page in seen if page != "picture"]
    assert pages and all(page.startswith("<") and "<t" in page for page in pages)
    assert "picture" in seen


def test_a_posterior_shows_its_parameters(tmp_path: Path) -> None:
    write_a_posterior(tmp_path / "posterior.h5")
    page = read_posterior(tmp_path / "posterior.h5")._repr_html_()
    assert "<td>abc</td>" in page and "<td>a</td>" in page and "<td>mV</td>" in page


def test_no_bar_outside_of_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert live_progress("box", "ms") is None


@pytest.mark.acceptance
@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_jupyter_runs_them(book: Path, folder: Path) -> None:
    """In a kernel of its own, as Jupyter starts it: a run has a bar that reaches its end."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    made = nbformat.read(folder / book.name, as_version=4)
    nbclient.NotebookClient(made, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [out for cell in made.cells for out in cell.get("outputs", ())]
    assert not [out for out in outputs if out["output_type"] == "error"]
    pages = ["".join(out["data"]["text/html"]) for out in outputs if "text/html" in out.get("data", {})]
    assert pages
    if book.stem == "one_spine":
        assert any("<td>60 of 60 ms</td>" in page for page in pages)
