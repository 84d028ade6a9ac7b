"""Figures look as somebody found them good: each kind beside the picture that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from support.golden_figures import GOLDEN, difference, draw_all, reduced

pytestmark = pytest.mark.acceptance

ALLOWED = 6.0
"""Of 255, rms: what 64 colours and another renderer of text make; curves that are gone make more (the control)."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return draw_all(tmp_path_factory.mktemp("figures"))


def test_each_kind_is_as_it_was(drawn: Mapping[str, Path]) -> None:
    assert {path.stem for path in GOLDEN.glob("*.png")} == drawn.keys()
    apart = {name: difference(reduced(path), reduced(GOLDEN / f"{name}.png")) for name, path in drawn.items()}
    off = {name: round(value, 1) for name, value in apart.items() if value > ALLOWED}
    assert not off, f"{off}; if they are right: uv run python tests/support/golden_figures.py"


def test_a_figure_without_its_curves_is_found(drawn: Mapping[str, Path]) -> None:
    """The control: whatever has a colour taken out, every picture is off."""
    for name, path in drawn.items():
        whole = reduced(path)
        coloured = np.ptp(whole, axis=2) > 40
        bare = np.where(coloured[:, :, None], 255.0, whole)
        assert difference(bare, reduced(GOLDEN / f"{name}.png")) > ALLOWED, name
