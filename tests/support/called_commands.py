"""Every command, and what is in the folder in which tests call them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from support.command_line import couple
from support.doc_pages import generated_pages
from support.our_files import write_a_posterior
from support.paths import ROOT
from support.small_dbd_training import TRAINING, place_files
from support.writing_commands import BOX

BOX_FEATURES = '[features]\ntop = { of = "box.A", measure = "peak" }\n'

SKY = """
[experiment]
name = "sky"
duration = "2 ms"
exchange = "0.5 ms"
[chemistry]
species.Ca = { contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
reactions = [{ equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" }]
initial.Ca = "1 uM"
initial.B = "10 uM"
[[site]]
name = "a"
engine = "ode"
geometry.sphere = { diameter = "0.5 um" }
[[site]]
name = "b"
engine = "ode"
geometry.sphere = { diameter = "0.6 um" }
[[link]]
from = "a.Ca"
to = "b.Ca"
through = { conductance = "0.01 um^3/ms" }
[[drive]]
to = "a.Ca"
influx = { times = "0 2 ms", rate = "100 /ms" }
"""

INFERENCE = """
[infer]
name = "line"
method = "abc"
simulator = "model.py:simulate"
simulations = 200
[prior]
a = "uniform 0 .. 1 mV"
[features]
x = "mV"
[observation]
values = { x = 0.5 }
"""


def place(folder: Path) -> Path:
    """What the calls of every day name: experiments, half a run, a whole one, an ensemble, a matrix, a pool."""
    for name, text in {"box.toml": BOX, "sky.toml": SKY, "features.toml": BOX_FEATURES}.items():
        (folder / name).write_text(text)
    (folder / "chain.csv").write_text("C,O\n0.9,0.1\n0.2,0.8\n")
    shutil.copy(ROOT / "tests" / "support" / "pools" / "decay.mod", folder / "pool.mod")
    run = ("run", str(folder / "box.toml"), "--quiet", "--no-figure", "--out")
    assert couple(*run, str(folder / "half"), "--until", "1.5 ms") == 0
    assert couple(*run, str(folder / "drawn")) == 0
    sample = ("sample", str(folder / "box.toml"), "--runs", "2", "--jobs", "1", "--quiet", "--out")
    assert couple(*sample, str(folder / "many")) == 0
    return folder


def place_more(folder: Path) -> Path:
    """And a training, a posterior, patterns, an inference."""
    place_files(folder)
    quick = TRAINING.replace('closure = ["P"]\n', "").replace("steps = 12", "steps = 4").replace("= 5", "= 3")
    (folder / "train.toml").write_text(quick)
    train = ("train", str(folder / "train.toml"), "--quiet", "--no-figure", "--out", str(folder / "trained"))
    assert couple(*train) == 0
    write_a_posterior(folder / "posterior.h5")
    np.save(folder / "patterns.npy", (np.random.default_rng(1).random((300, 4)) < 0.2).astype(np.uint8))
    (folder / "patterns.toml").write_text(
        '[population]\nname = "p"\nmodels = ["independent", "coupling"]\nsplits = 2\n[data]\narray = "patterns.npy"\n'
    )
    (folder / "line.toml").write_text(INFERENCE)
    (folder / "model.py").write_text("def simulate(theta, seed):\n    return [float(theta[0])]\n")
    return folder


def commands() -> Iterator[tuple[str, Any]]:
    """Name → command, of all that can be called."""
    for name, command in generated_pages().command_tree().items():
        if not getattr(command, "commands", None):
            yield name, command
