"""What a kernel's module depends on is found in its text, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from couple.cache.sources import forget, source_digest, sources
from support.paths import ROOT

TREE = {
    "__init__.py": "",
    "kernel.py": "import os\nfrom . import near\nfrom tree.inner.far import (\n    K,\n    g,\n)\nimport tree.late\n",
    "near.py": "if TYPE_CHECKING:\n    from tree.types import T\nelse:\n    import tree.other\n",
    "inner/__init__.py": "from tree import unrelated\nC = 1\n",
    "inner/far.py": "def f():\n    from .deep import x\n    from tree.inner import C\n",
    "inner/deep.py": "from tree import kernel  # a circle\n",
    "late.py": "try:\n    from tree import missing\nexcept ImportError:\n    from tree import fallback\n",
    **dict.fromkeys(("types.py", "other.py", "unrelated.py", "fallback.py", "alone.py"), "x = 1\n"),
}
USED = {"kernel.py", "near.py", "other.py", "inner/far.py", "inner/deep.py", "late.py", "fallback.py", "__init__.py"}
USED |= {"inner/__init__.py", "unrelated.py"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the path."""
    for name, text in TREE.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "tree"


def digest(tree: Path) -> str:
    """Of the kernel, as a new process sees it."""
    forget()
    return source_digest("tree.kernel", tree / "kernel.py")


@pytest.mark.parametrize("name", TREE)
def test_a_change_of_what_is_used_changes_the_digest(tree: Path, name: str) -> None:
    before = digest(tree)
    assert digest(tree) == before
    (tree / name).write_text(TREE[name] + "# changed\n")
    assert (digest(tree) != before) == (name in USED)


def test_equal_trees_share_a_digest_wherever_they_lie(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(tree)
    (tmp_path / "moved").mkdir()
    tree.rename(tmp_path / "moved/tree")
    monkeypatch.syspath_prepend(tmp_path / "moved")
    assert digest(tmp_path / "moved/tree") == before


def test_every_kernel_of_ours_depends_on_little() -> None:
    """An edit compiles its users again, and not everything."""
    found = sources("couple.rng.binomial", ROOT / "couple/rng/binomial.py")
    assert {path.name for path in found} == {"binomial.py", "streams.py", "arrays.py", "kernels.py"}
