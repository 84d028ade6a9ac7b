"""Runs that take too long, or hang within a window: stopped, kept with their reason, and no harm to the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.cli.main import main
from couple.ensemble import Ensemble, sample
from couple.ensemble.folder import PARTS, Specification, read_part
from couple.ensemble.sampler import Sampler
from couple.ensemble.workers import make_runs
from couple.experiment import Experiment
from support.ensembles import birth_death

HANGING = """
import time

def choose(now):
    if now.counts["A"] > 70 and now.time > 0.9:
        time.sleep(600)  # within a window: nothing but the end of its process stops it
    return "ode"
"""
LIMIT = 4.0
"""Seconds of wall-clock time: a hundred times what a run takes whose kernels are there."""


def hanging(folder: Path) -> Experiment:
    """Hangs after 1 ms where it begins with more than 70 molecules."""
    (folder / "rules.py").write_text(HANGING)
    content: dict[str, Any] = birth_death("5 ms").source
    site = {**content["site"][0], "engine": "adaptive"}
    site["adaptive"] = {"engines": ["ode", "ssa"], "rule": "rules.py:choose"}
    path = folder / "experiment.toml"
    return Experiment.parse({**content, "site": [site]}, path=path)


def test_a_run_that_hangs_is_ended_and_the_rest_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two points the first hangs; the other is, to the bit, what it is alone and without a limit."""
    key, experiment = "chemistry.initial.A.count", hanging(tmp_path)
    with sample(experiment, 1, 3, tmp_path / "alone", vary={key: "50"}, jobs=1) as alone:
        assert alone.failures == {}
        expected = alone["box.A"][0]
    with sample(experiment, 1, 3, tmp_path / "out", vary={key: "100 50"}, jobs=1, limit=LIMIT) as made:
        assert made.status == "complete" and made.failures == {0: "stopped at its limit of 4 s"}
        assert np.isnan(made["box.A"][0]).all() and np.array_equal(made["box.A"][1], expected)
    assert Specification.read(tmp_path / "out").limit == LIMIT
    with pytest.raises(SystemExit) as end:
        main(["show", str(tmp_path / "out")])
    assert end.value.code == 0
    assert "1 of 2 runs; run 0: stopped at its limit of 4 s" in " ".join(capsys.readouterr().out.split())


def test_a_run_that_takes_long_stops_between_windows(tmp_path: Path) -> None:
    """In its own process, which goes on; without a limit the same run ends."""
    slow = birth_death("60 s").changed("record.every=10 s")
    sampler = Sampler(slow)
    for limit, reason in ((0.02, "stopped at its limit of 0.02 s"), (None, "")):
        (tmp_path / str(limit) / PARTS).mkdir(parents=True)
        part = make_runs(sampler, (0,), Specification(slow, 3, 1, limit=limit), tmp_path / str(limit))
        assert json.loads(str(read_part(part.path)["failures"])) == [reason]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("60", '"60" has no unit'),
        ("5 mV", '"mV" is not a unit of time'),
        ("0 s", "give a time above 0"),
        ("-1 s", "above 0"),
    ],
)
def test_a_limit_is_a_time(limit: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[experiment]\nname = "x"\nduration = "1 ms"\nexchange = "1 ms"\n[chemistry]\nspecies.A = {}\n'
                    '[[site]]\nname = "a"\nengine = "ode"\ngeometry.sphere = { diameter = "1 um" }\n')  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(["sample", str(path), "--runs", "2", f"--limit={limit}", "--out", str(tmp_path / "out")])
    assert end.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_limit_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inf s: give a time above 0"):
        sample(birth_death("1 ms"), 1, 1, tmp_path / "out", limit=float("inf"))
    sample(birth_death("1 ms"), 1, 1, tmp_path / "out", jobs=1).close()
    with Ensemble(tmp_path / "out") as made:
        assert "failure" not in made.file and made.failures == {}
