"""Cells in a row are counted, or refused before an array of them is asked for; whole sites say so in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.budget import cells_along
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring import wire


def test_a_row_is_covered() -> None:
    assert [cells_along(1.0, h) for h in (0.25, 0.3, 5.0)] == [4, 4, 1]
    assert cells_along(1.0 + 1e-12, 0.25, 1e-9) == 4


@pytest.mark.parametrize("cell", ["1e-320 um", "1e-150 um", "1e-20 um"])
@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("gridded", {"spacing": ...}),
        ("lattice", {"spacing": ...}),
        ("lattice", {"spacing": ..., "boundary": "periodic"}),
    ],
)
def test_absurdly_small_cells_are_refused(tmp_path: Path, engine: str, options: dict[str, Any], cell: str) -> None:
    given = {key: cell if value is ... else value for key, value in options.items()}
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"species": {"Ca": {"D": "10 um^2/s"}}},
        "site": [{"name": "s", "engine": engine, "geometry": {"box": {"size": "1 1 1 um"}}, engine: given}],
    }
    with pytest.raises(InputError, match=r"nm gives (inf|1e\+\d+) cells along 1 um: take a larger one"):
        wire(Experiment.parse(source, path=tmp_path / "x.toml"))
