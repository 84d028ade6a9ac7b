"""Calcium of a branched dendrite in the loop against NEURON's own rxd: same cell, same channels, same chemistry."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.forked_cell import CELL

D_CA, D_B, ON, OFF, BUFFER, REST, END = 0.22, 0.02, 30.0, 0.03, 0.01, 1e-4, 8.0
"""µm²/ms, µm²/ms, /mM/ms, /ms, mM, mM, ms."""
MODEL = {"segments": [31, 25, 21], "delay": 0.5, "duration": 4}

RXD = """
import json, sys
par = json.loads(sys.argv[1])
from adapters.neuron.hoc.h import h
from neuron import rxd
from cell import build
h.load_file("stdrun.hoc")
sections, clamp = build(**par["MODEL"])
soma, *dendrite = sections
where = rxd.Region(dendrite, nrn_region="i")
Ca = rxd.Species(where, name="ca", charge=2, d=par["D_CA"], initial=par["REST"])
bound = par["BUFFER"] * par["REST"] / (par["REST"] + par["OFF"] / par["ON"])
B = rxd.Species(where, name="B", d=par["D_B"], initial=par["BUFFER"] - bound)
CaB = rxd.Species(where, name="CaB", d=par["D_B"], initial=bound)
r = rxd.Reaction(Ca + B, CaB, par["ON"], par["OFF"])
h.celsius, h.dt, h.steps_per_ms = 34, 0.0125, 80
h.finitialize(-65)
while h.t < par["END"] - 1e-9:
    h.fadvance()
print(json.dumps({f"{s.name()}({seg.x:g})": seg.cai for s in dendrite for seg in s}))
"""


def ours(folder: Path, wide: float = 0.6) -> dict[str, float]:
    """Segment → cai (mM) at the end, of the coupled run."""
    content: dict[str, Any] = {
        "experiment": {"name": "tree", "duration": f"{END} ms", "exchange": "0.05 ms"},
        "neuron": {
            "model": "cell.py:build", "arguments": {**MODEL, "wide": wide}, "dt": "0.0125 ms", "celsius": 34.0,
            "v_init": "-65 mV",
        },
        "chemistry": {
            "species": {
                "Ca": {"D": f"{D_CA} um^2/ms", "contains": {"Ca": 1}},
                "B": {"D": f"{D_B} um^2/ms"},
                "CaB": {"D": f"{D_B} um^2/ms", "contains": {"Ca": 1}},
            },
            "reactions": [{"equation": "Ca + B <-> CaB", "forward": f"{ON} /mM/ms", "backward": f"{OFF} /ms"}],
            "initial": {"Ca": f"{REST} mM", "B": {"total": f"{BUFFER} mM", "at": "steady"}},
        },
        "site": [{"name": "shaft", "sections": ["trunk", "left", "right"], "engine": "pde"}],
        "link": [{"from": "neuron.ica", "to": "shaft.Ca"}, {"from": "shaft.Ca", "to": "neuron.cai"}],
        "record": {"every": f"{END} ms"},
    }  # fmt: skip
    folder.mkdir()
    (folder / "cell.py").write_text(CELL)
    simulation = Simulation.new(Experiment.parse(content, path=folder / "tree.toml"), folder / "out")
    simulation.run()
    with Results(folder / "out") as results:
        data = results.file["neuron/cai"]
        return dict(zip((str(s) for s in data.attrs["segment"]), np.asarray(data)[-1].tolist(), strict=True))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="NEURON's rxd compiles its reactions")
def test_within_one_percent_of_rxd_in_every_segment(tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text(CELL)
    par = {"D_CA": D_CA, "D_B": D_B, "ON": ON, "OFF": OFF, "BUFFER": BUFFER, "REST": REST, "END": END,
           "MODEL": MODEL}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", RXD, json.dumps(par)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.splitlines()[-1])
    found = ours(tmp_path / "fe")
    assert found.keys() == theirs.keys() and len(found) == 77
    off = np.array([found[s] / theirs[s] - 1 for s in theirs])
    values = np.array(list(theirs.values()))
    print(
        f"largest difference {abs(off).max():.2%}, calcium from {values.min() * 1e3:.3g} to {values.max() * 1e3:.3g} uM"
    )
    assert values.max() > 2 * values.min() and values.max() > 3 * REST, "nothing varies in this test"
    assert (abs(off) < 0.01).all()
    thin = ours(tmp_path / "thin", wide=0.57)
    assert any(abs(thin[s] / theirs[s] - 1) > 0.01 for s in theirs), "a branch that is too thin would pass"
