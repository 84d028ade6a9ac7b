"""Experiments that between them read a file of every kind, without and with NEURON; each in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from support.paths import EXAMPLES

RUN = """
[experiment]
name = "{name}"
duration = "2 ms"
exchange = "0.1 ms"
[record]
every = "1 ms"
"""

SITES = """
[chemistry]
file = "chemistry.toml"
[[site]]
name = "lattice"
engine = "lattice"
lattice = { spacing = "20 nm", mask = "cells.npy" }
[[site]]
name = "gridded"
engine = "gridded"
gridded = { spacing = "50 nm", mask = "data/voxels.npy" }
[[site]]
name = "adaptive"
engine = "adaptive"
adaptive = { engines = ["surrogate", "ssa"], rule = "rules.py:choose" }
surrogate.models = { SK = "learned/sk.h5" }
geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }
[[site]]
name = "reduced"
engine = "surrogate"
surrogate.models = ["learned/again.h5"]
geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }
[[drive]]
to = "adaptive.Ca"
replay = "earlier.h5:neuron.ica"
"""

CHEMISTRY = """
file = "parts/channels.toml"
initial.Ca = "0.1 uM"
initial.SK_C1 = { count = 20, at = "steady" }
"""

CHANNELS = """
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.SK_C1 = { on = "membrane" }
species.SK_C2 = { on = "membrane", contains = { Ca = 1 } }
species.SK_C3 = { on = "membrane", contains = { Ca = 2 } }
species.SK_C4 = { on = "membrane", contains = { Ca = 3 } }
species.SK_O1 = { on = "membrane", contains = { Ca = 2 } }
species.SK_O2 = { on = "membrane", contains = { Ca = 3 } }
observables.SK_open = ["SK_O1", "SK_O2"]
reactions = [
  { equation = "Ca + SK_C1 <-> SK_C2", forward = "200 /uM/s", backward = "80 /s" },
  { equation = "Ca + SK_C2 <-> SK_C3", forward = "160 /uM/s", backward = "80 /s" },
  { equation = "Ca + SK_C3 <-> SK_C4", forward = "80 /uM/s", backward = "200 /s" },
  { equation = "SK_C3 <-> SK_O1", forward = "160 /s", backward = "1000 /s" },
  { equation = "SK_C4 <-> SK_O2", forward = "1200 /s", backward = "100 /s" },
]
"""

RULES = """
from pathlib import Path
LIMIT = float((Path(__file__).parent / ("lim" + "it.csv")).read_text())
def choose(now):
    return "ssa"
"""

SITE_FILES = {
    "sites.toml": "experiment",
    "chemistry.toml": "chemistry",
    "parts/channels.toml": "chemistry",
    "cells.npy": "mask",
    "data/voxels.npy": "mask",
    "rules.py": "rule",
    "limit.csv": "model",
    "learned/sk.h5": "learned model",
    "learned/again.h5": "learned model",
    "earlier.h5": "replay",
}
"""File → role."""


def sites(folder: Path) -> Path:
    """The experiment without NEURON, and all that it reads."""
    texts = {
        "sites.toml": RUN.format(name="sites") + SITES,
        "chemistry.toml": CHEMISTRY,
        "parts/channels.toml": CHANNELS,
        "rules.py": RULES,
        "limit.csv": "3.5\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    for name in ("data", "learned"):
        (folder / name).mkdir()
    np.save(folder / "cells.npy", np.ones((6, 6, 6), dtype=bool))
    np.save(folder / "data" / "voxels.npy", np.ones((3, 3, 3), dtype=bool))
    for name in ("sk.h5", "again.h5"):
        shutil.copy(EXAMPLES / "sk" / "sk.h5", folder / "learned" / name)
    with h5py.File(folder / "earlier.h5", "w") as file:
        file["time"] = np.arange(4.0)
        file["neuron/charge"] = np.full((4, 1), 0.01)
        file["neuron/charge"].attrs["segment"] = ["head(0.5)"]
    return folder / "sites.toml"


CELL = """
from neuron import h
import numpy as np
import geometry
import h5py
import json
import os

def build(table):
    with h5py.File("stored.h5") as file:
        assert file["x"][0] == 1
    with h5py.File("written.h5", "w") as file:
        file["x"] = [1.0]
    h.load_file("named.hoc")
    with open(os.path.join(os.path.dirname(__file__), "par" + "ams" + ".json")) as file:
        L = json.load(file)["L"]
    here = os.path.dirname(os.path.abspath(__file__))
    h.load_file(os.path.join(here, "deep", "joined.hoc"))
    head = h.Section(name="head")
    head.L, head.diam = L, geometry.DIAM * float(np.loadtxt(table))
    return head
"""

HOC_MAIN = """
strdef kind, path
kind = "one"
sprint(path, "cell_%s.hoc", kind)
xopen(path)
"""

MODEL_FILES = {
    "cells.toml": "experiment",
    "model/cell.py": "model",
    "model/geometry.py": "model",
    "model/named.hoc": "model",
    "model/loaded_by_it.ses": "model",
    "model/deep/joined.hoc": "model",
    "model/params.json": "model",
    "model/table.txt": "model",
    "model/stored.h5": "model",
}


def cells(folder: Path) -> Path:
    """An experiment with a model in Python that reads others in every way; and what it reads."""
    texts = {
        "cells.toml": RUN.format(name="cells")
        + '[neuron]\nmodel = "model/cell.py:build"\ndt = "0.025 ms"\narguments = { table = "table.txt" }\n'
        + '[chemistry]\nspecies.Ca = { contains = { Ca = 1 } }\ninitial.Ca = "1 uM"\n'
        + '[[site]]\nname = "head"\nsegment = "head(0.5)"\nengine = "ode"\n',
        "model/cell.py": CELL,
        "model/geometry.py": "DIAM = 1.0\n",
        "model/named.hoc": 'load_file("loaded_by_it.ses")\n',
        "model/loaded_by_it.ses": "objref nothing_at_all\n",
        "model/deep/joined.hoc": "joined_was_read = 1\n",
        "model/params.json": '{"L": 1.5}\n',
        "model/table.txt": "1.25\n",
        "model/stranger.hoc": "stranger_was_read = 1\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)
    with h5py.File(folder / "model" / "stored.h5", "w") as file:
        file["x"] = [1.0]
    return folder / "cells.toml"
