"""Published figures: each is made again with its numbers, and one that is off is told."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from couple.base import registry
from couple.base.errors import InputError
from reducers.reproduce.exponential_decay import Bumped
from reducers.reproduce.figure import GROUP, PublishedFigure, Reproduced, Row
from reducers.reproduce.making import make
from support.command_line import couple

QUICK = "sk-gating"
"""Needs no runs."""


@pytest.mark.parametrize(
    "name",
    [n if n == QUICK else pytest.param(n, marks=pytest.mark.acceptance) for n in registry.names(GROUP)],
)
def test_it_is_as_published(name: str, tmp_path: Path) -> None:
    rows = make(name, registry.load(GROUP, name), tmp_path, lambda text: None)
    compared = [row for row in rows if row.published is not None]
    assert len(compared) >= 2 and all(row.agrees for row in compared), [row for row in rows if not row.agrees]
    assert len(json.loads((tmp_path / f"{name}.json").read_text())["rows"]) == len(rows)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def off(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    import matplotlib.pyplot as plt

    return Reproduced([Row("a number", 1.02, 1.0, allowed=0.01), Row("another", 3.0)], plt.figure())


def test_a_number_that_is_off_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    registry.register(GROUP, "wrong", PublishedFigure("nothing", "nowhere", 0.1, off))
    assert couple("reproduce", "wrong", "--out", str(tmp_path)) == 1
    said = capsys.readouterr()
    assert "OFF" in said.out and "1 of 2 are off: a number" in said.err
    assert couple("reproduce", "wrong", "--out", str(tmp_path), "--json") == 1
    assert [row["agrees"] for row in json.loads(capsys.readouterr().out)["rows"]] == [False, None]
    assert couple("reproduce", "wrnog") == 2
    assert 'did you mean "wrong"?' in capsys.readouterr().err


def test_rows_allow_for_digits_and_for_chance() -> None:
    assert Row("a", 1.01, 1.0, allowed=0.02).agrees and not Row("a", 1.03, 1.0, allowed=0.02).agrees
    assert Row("a", 1.3, 1.0, error=0.1, bound=3.5).agrees and not Row("a", 1.4, 1.0, error=0.1, bound=3.5).agrees
    assert Row("a", 1.0).agrees is None and Row("a", np.nan, 1.0, allowed=9).agrees is False


def test_all_are_listed_with_their_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("reproduce") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in registry.names(GROUP)) and "149:034107" in said


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        make(QUICK, registry.load(GROUP, QUICK), tmp_path / "file", lambda text: None)


def test_the_law_with_a_bump_has_its_slope() -> None:
    nu, weights, h = np.linspace(0.5, 1.5, 21)[:, None], np.full((21, 1), 2.0), 1e-6
    law = Bumped(0.3)
    slope = weights * (law.rates(nu + h) - law.rates(nu - h)) / (2 * h)
    np.testing.assert_allclose(law.vjp(nu, weights), slope, rtol=1e-7, atol=1e-7)
    assert abs(Bumped(0.0).vjp(nu, weights) - slope).max() > 1, "the control: no bump"
