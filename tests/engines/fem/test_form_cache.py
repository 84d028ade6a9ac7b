"""Compiled forms are loaded from whole folders of ours, and compiled anew where they are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.fem.mesh.library import form_cache
from adapters.fem.mesh.library.dolfinx_import import MPI, dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled, compiled_expression
from support.cache_damage import DAMAGES, spoil

pytestmark = pytest.mark.skipif(form_cache.compiler() is None, reason="no C compiler here")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "forms"


@pytest.fixture(scope="module")
def mesh() -> Any:
    """[0, 1] in two cells."""
    return dolfinx.mesh.create_unit_interval(MPI.COMM_SELF, 2)


def length(mesh: Any) -> float:
    """By a form: 1."""
    return float(dolfinx.fem.assemble_scalar(compiled(dolfinx.fem.Constant(mesh, 1.0) * ufl.dx(domain=mesh))))


def folders(cache: Path) -> list[Path]:
    """Entries of the cache."""
    return [path for path in cache.iterdir() if path.is_dir()]


def test_forms_and_expressions_are_kept_and_found(cache: Path, mesh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    space = dolfinx.fem.functionspace(mesh, ("Lagrange", 1))
    made = dolfinx.fem.Function(space)
    x, points = ufl.SpatialCoordinate(mesh)[0], space.element.interpolation_points
    for _ in range(2):
        assert length(mesh) == 1.0
        made.interpolate(compiled_expression(2 * x, points))
        assert np.sort(made.x.array).tolist() == [0.0, 1.0, 2.0]
        assert len(folders(cache)) == 2
        monkeypatch.setenv("CC", "no-such-compiler")


def test_a_damaged_form_is_compiled_anew(cache: Path, mesh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All damages that the cache is tested with; a copy of the first form stands for what the compiler makes."""
    assert length(mesh) == 1.0
    (entry,) = folders(cache)
    copy, runs = Path(shutil.copytree(entry, cache.parent / "copy")), []
    (copy / "SHA256SUMS").unlink()
    form = dolfinx.fem.form

    def from_copy(what: Any, jit_options: Any, **rest: Any) -> Any:
        if jit_options["cache_dir"].endswith(".new"):
            runs.append(what)
            shutil.copytree(copy, jit_options["cache_dir"], dirs_exist_ok=True)
        return form(what, jit_options=jit_options, **rest)

    monkeypatch.setattr(dolfinx.fem, "form", from_copy)
    for how in DAMAGES:
        if "owner" in how and os.geteuid() != 0:
            continue
        runs.clear()
        spoil(entry, how)
        assert length(mesh) == 1.0 and len(runs) == 1, how
        assert length(mesh) == 1.0 and len(runs) == 1, how
        shutil.rmtree(cache / "elsewhere", ignore_errors=True)
        (cache / "elsewhere").unlink(missing_ok=True)
