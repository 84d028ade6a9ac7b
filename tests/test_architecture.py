"""Who may import whom: layers, rooms without circles, nobody's private names, and heavy imports only where used."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from support.imports import arrows, circles, imports_of, private_attributes, show
from support.paths import ROOT

ABOVE = {"couple": {"adapters", "reducers"}, "reducers": {"adapters"}, "adapters": set()}


def texts(folder: str) -> dict[Path, str]:
    """File relative to the root → text."""
    return {path.relative_to(ROOT): path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))}


FILES = {path: text for layer in ABOVE for path, text in texts(layer).items()}
MODULES = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): text for path, text in FILES.items()}
PACKAGES = {".".join(path.parent.parts) for path in FILES if path.name == "__init__.py"}


def module(name: str, _: Collection[str] = PACKAGES) -> str:
    """Every module a room of its own."""
    return name


def folder(name: str, packages: Collection[str] = PACKAGES) -> str:
    """The folder that a module lies in; a package lies in its own."""
    return name if name in packages else name.rpartition(".")[0]


def room(name: str, packages: Collection[str] = PACKAGES) -> str:
    """The folder of the first level, couple.wiring or adapters.fem; the top's own for what lies there."""
    return ".".join(folder(name, packages).split(".")[:2])


@pytest.mark.parametrize("layer", ABOVE)
def test_no_module_imports_a_layer_above_its_own(layer: str) -> None:
    wrong = [
        f"{name}:{line} imports {target}"
        for name, text in MODULES.items()
        for line, target, _ in imports_of(text, folder(name))
        if name.split(".")[0] == layer and target.split(".")[0] in ABOVE[layer]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", [module, folder, room])
def test_there_is_no_circle(kind: Callable[[str], str]) -> None:
    found = circles(arrows(MODULES, PACKAGES), kind)
    assert not found, "\n\n".join(show(circle, kind) for circle in found)


MADE_UP = {
    "top": "",
    "top.a": "",
    "top.a.x": "from top.b import y",
    "top.a.z": "from top.a.x import f",
    "top.b": "",
    "top.b.y": "",
    "top.b.w": "",
    "top.b.deep": "",
    "top.b.deep.v": "",
}
CHANGES = {
    "none": ({}, [], [], []),
    "of modules": ({"top.a.x": "import top.a.z as z"}, ["top.a.x:1", "top.a.z:1"], [], []),
    "of folders, in a function": (
        {"top.b.w": "def g():\n    from top.a import z"},
        [],
        *[["top.a.x:1", "top.b.w:2"]] * 2,
    ),
    "of rooms, for types": (
        {"top.b.deep.v": "if TYPE_CHECKING:\n    from ...a.x import T"},
        *([], [], ["top.a.x:1", "top.b.deep.v:2"]),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_circles_of_a_made_up_tree_are_found(change: str) -> None:
    """The control."""
    packages = {"top", "top.a", "top.b", "top.b.deep"}
    changed, *expected = CHANGES[change]
    made = arrows({**MADE_UP, **changed}, packages)
    for kind, wanted in zip((module, folder, room), expected, strict=True):
        found = circles(made, lambda name, kind=kind: kind(name, packages))
        assert sorted(f"{a.source}:{a.line}" for circle in found for a in circle) == wanted
        assert all(f"{line} imports" in show(circle) for circle in found for line in wanted)


def test_private_names_stay_in_their_folder() -> None:
    wrong = []
    for name, text in MODULES.items():
        used = [i for i in imports_of(text, folder(name)) if i.private] + list(private_attributes(text, MODULES))
        wrong += [
            f"{name}:{line} uses {private} of {target}"
            for line, target, private in used
            if target in MODULES and folder(target) != folder(name)
        ]
    assert not wrong, "\n".join(wrong)


def test_no_test_imports_a_test_or_a_private_name() -> None:
    wrong = []
    for path, text in texts("tests").items():
        for line, target, name in imports_of(text):
            if "tests" in target.split(".") or any(part.startswith("test_") for part in f"{target}.{name}".split(".")):
                wrong.append(f"{path}:{line} imports {name} of {target}")
        used = [i for i in imports_of(text) if i.private] + list(private_attributes(text, MODULES))
        wrong += [f"{path}:{line} uses {private} of {target}" for line, target, private in used if target in MODULES]
    assert not wrong, "\n".join(wrong)


def test_private_names_are_seen() -> None:
    """The control."""
    text = "from couple.base import toml, _units\nfrom couple.base.toml import _a, b\ntoml._c()\nx._d()\ntoml.__doc__"
    assert [i.line for i in imports_of(text) if i.private] == [1, 2]
    assert [i.line for i in private_attributes(text, MODULES)] == [3]


def test_the_core_imports_no_engine_no_neuron_no_matplotlib() -> None:
    modules = [name for name in MODULES if name.startswith("couple") and name != "couple.__main__"]
    heavy = ["adapters", "reducers", "neuron", "matplotlib", "mpi4py", "dolfinx", "gmsh", "libsbml", "xarray"]
    code = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_loads_nothing_that_computes() -> None:
    heavy = ["numpy", "pydantic", "h5py", "scipy", "numba", "pint", "rich.progress"]
    code = f"import sys, couple.cli.main; couple.cli.main.whole_app(); print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


OPENS = re.compile(r"\b(?:h5py\.(?:File|is_hdf5)|(?:np|numpy)\.(?:load|fromfile|memmap|savez\w*)|pickle\.loads?)\(")
"""What parses a binary file, or writes one that is parsed."""


def test_binary_files_are_opened_in_one_room() -> None:
    """couple.files looks at seals, links and sizes first; caches are read from folders that are ours alone."""
    wrong = [
        f"{path}:{number}: {line.strip()}"
        for path, text in FILES.items()
        for number, line in enumerate(text.splitlines(), 1)
        if OPENS.search(line) and path.parts[:2] not in (("couple", "files"), ("couple", "cache"))
    ]
    assert not wrong, "\n".join(wrong)
    assert all(OPENS.search(line) for line in ("h5py.File(x)", "np.load(x)", "a = pickle.loads(b)")), "the control"


def test_the_top_level_is_that_of_the_user() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no checkout")
    rooms = {"couple", "reducers", "adapters", "tests", "examples", "docs"}
    files = {"pyproject.toml", "README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md"}
    found = {line.split("/")[0] for line in done.stdout.splitlines()}
    assert not {name for name in found - rooms - files if not name.startswith(".")}
