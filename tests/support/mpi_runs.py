"""What the tests of runs over many ranks share: a small network, mpiexec, and the content of results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from support.paths import EXAMPLES
from support.small_sites import small_sites
from support.warm import python

MPIEXEC = Path(sys.executable).parent / "mpiexec"
needs_mpiexec = pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside this Python: uv sync --extra fem")

CELL = (EXAMPLES / "network" / "cell.py").read_text()
NETWORK = """
[experiment]
name = "network"
duration = "12 ms"
exchange = "0.1 ms"

[neuron]
dt = "0.025 ms"
celsius = 20.0
v_init = "-65 mV"

[[network.population]]
name = "E"
model = "cell.py:excitatory"
count = 4

[[network.population]]
name = "I"
model = "cell.py:inhibitory"
count = 2

[[network.connection]]
from = "E"
to = "E"
inputs = 2
at = "spine_*.head"
AMPA = "2 nS"
NMDA = "0.5 nS"
delay = "1.3 .. 3 ms"

[[network.connection]]
from = "E"
to = "I"
probability = 0.8
AMPA = "20 nS"
delay = "1.5 ms"

[[network.connection]]
from = "I"
to = "E"
inputs = 1
GABA = "5 nS"
delay = "1 ms"

[[network.stimulus]]
to = "E"
count = 3
at = ["spine_*.head", "soma"]
rate = "1 /ms"
AMPA = "4 nS"

[[spine]]
name = "spine"
cells = "E"
place = { on = "dend", count = 3 }
head = { diameter = "0.5 um", length = "0.5 um", channels.couple_cav = { gmax = "5e-5 S/cm^2" } }
neck = { diameter = "0.15 um", length = { mean = "0.8 um", sd = "0.2 um" } }

[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
species.K = { on = "membrane" }
species.KO = { on = "membrane", contains = { Ca = 1 } }
observables.open = ["KO"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca + K <-> KO", forward = "1e8 /M/s", backward = "100 /s" },
]
initial.Ca = "0.1 uM"
initial.B = "50 uM"
initial.K = "30 /um^2"

[[site]]
name = "spine_*"
cells = "E"
place = { on = "spine_*.head" }
engine = "ssa"

[[site]]
name = "shaft"
cells = "E_2"
segment = "dend(0.5)"
engine = "ode"

[[link]]
from = "neuron.ica"
to = "E_*_spine_*.Ca"
[[link]]
from = "E_*_spine_*.Ca"
to = "neuron.cai"
[[link]]
from = "E_*.open"
to = "neuron.SK"
conductance = "10 pS"

[record]
every = "0.5 ms"
voltages = ["E_*.soma(0.5)", "I_1.soma(0.5)"]

[checkpoint]
every = "3.7 ms"
"""


def write_network(folder: Path) -> Path:
    """The network and its cells as files in a folder."""
    (folder / "cell.py").write_text(CELL)
    (folder / "network.toml").write_text(NETWORK)
    return folder


def write_sites(folder: Path) -> None:
    """Six sites of three engines, two of them joined, one driven."""
    engines = {"a": "ssa", "b": "ssa", "c": "ode", "d": "ssa", "e": "ode", "f": "langevin"}
    text = small_sites(engines, ("a", "d"), "b", "5 ms") + '[checkpoint]\nevery = "2 ms"\n'
    (folder / "sites.toml").write_text(text)


def command(n: int, *arguments: object, program: tuple[str, ...] = ("-m", "couple"), cold: bool = False) -> list[str]:
    """The command line of n ranks. cold: of Python as users start it, which imports everything on each rank.

    The exit code of a job that a rank aborts is that of a cold one: others are killed before a client can hand it on.
    """
    launch = [str(MPIEXEC), "-n", str(n)] if n > 1 else []
    quiet = ["--quiet", "--no-figure"] if arguments[0] in ("run", "resume") and "--json" not in arguments else []
    start = [sys.executable, *program] if cold else python(*program)
    return [*launch, *start, *map(str, arguments), *quiet]


def ranks(n: int, *arguments: object, folder: Path, code: int = 0, **more: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(n, *arguments, **more), capture_output=True, text=True, cwd=folder, timeout=300, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def content(out: Path) -> dict[str, Any]:
    """Every dataset and its attributes, and the books; not the shape of the model, which only one process writes."""
    found: dict[str, Any] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("morphology/"):
            found[name] = item[()].tobytes(), {k: np.asarray(v).tolist() for k, v in item.attrs.items()}

    with h5py.File(out / "results.h5") as file:
        file.visititems(visit)
        for group in ("ssa", "ode", "neuron", "spikes"):
            if group in file:
                found[group] = {k: np.asarray(v).tolist() for k, v in file[group].attrs.items()}
        books = {k: json.loads(v) for k, v in file["ledger"].attrs.items()}
    for key in ("links", "sites"):
        books[key] = sorted(json.dumps(entry) for entry in books[key])
    return found | {"ledger": books}


def assert_same(first: Path, second: Path) -> None:
    a, b = content(first), content(second)
    assert a.keys() == b.keys()
    assert [k for k in a if a[k] != b[k]] == []
