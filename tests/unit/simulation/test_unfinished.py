"""`couple show` of a folder whose run has not ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from couple import Experiment, Simulation
from couple.simulation.results.unfinished import unfinished
from support.command_line import couple

BOX = {
    "experiment": {"name": "box", "duration": "4 ms", "exchange": "1 ms"},
    "chemistry": {
        "species": {"A": {}},
        "reactions": [{"equation": "A -> 0", "forward": "1 /ms"}],
        "initial": {"A": {"count": 100}},
    },
    "site": [{"name": "head", "engine": "ssa", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    "checkpoint": {"every": "2 ms"},
}


def test_it_runs_it_was_stopped_it_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    simulation = Simulation.new(Experiment.build(**BOX), out)
    assert unfinished(out) == {"status": "running"}
    simulation.run(until=2.0)
    (out / "results.h5").unlink()
    expected = {"status": "stopped", "name": "box", "time_unit": "ms", "saved": 2.0, "end": 4.0}
    assert unfinished(out) == expected
    assert couple("show", str(out)) == 0
    assert f"coupleresume{out}" in "".join(capsys.readouterr().out.split())  # lines are as wide as the terminal
    assert couple("show", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out) == expected
    Simulation.resumed(out).run()
    assert unfinished(out) is None and unfinished(tmp_path) is None
