"""A dendrite of finite elements that several ranks solve, in the closed loop: the results of one rank."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.wiring import wire
from support.warm import python

MPIEXEC = Path(sys.executable).parent / "mpiexec"
pytestmark = pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside this Python: uv sync --extra fem")

CELL = """
from neuron import h
from adapters.neuron import insert_cav


class Cell:
    def __init__(self, thin=1.0):
        names = ("soma", "trunk", "left", "right")
        soma, trunk, left, right = self.sections = [h.Section(name=name) for name in names]
        soma.L = soma.diam = 10
        soma.insert("hh")
        for branch, parent, length, diameter, n in (
            (trunk, soma(1), 8, 1.0, 8), (left, trunk(1), 6, 0.6 * thin, 6), (right, trunk(0.5), 5, 0.4, 5)
        ):
            branch.connect(parent)
            branch.L, branch.diam, branch.nseg, branch.Ra = length, diameter, n, 150
            branch.insert("pas")
            for segment in branch:
                segment.pas.g, segment.pas.e = 3e-4, -65
        insert_cav(left, 2e-3)
"""

TEXT = """
[experiment]
name = "shared"
duration = "2.5 ms"
exchange = "0.1 ms"

[neuron]
{model}
dt = "0.025 ms"
celsius = 20.0
v_init = "-65 mV"

[chemistry]
species.Ca = {{ D = "220 um^2/s", contains = {{ Ca = 1 }} }}
species.B = {{ D = "20 um^2/s" }}
species.CaB = {{ D = "20 um^2/s", contains = {{ Ca = 1 }} }}
species.R = {{}}
species.CaR = {{ contains = {{ Ca = 1 }} }}
species.P = {{ on = "membrane" }}
species.CaP = {{ on = "membrane", contains = {{ Ca = 1 }} }}
reservoirs = ["Ca_out"]
observables.pumping = ["CaP"]
reactions = [
  {{ equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" }},
  {{ equation = "Ca + R <-> CaR", forward = "1e8 /M/s", backward = "100 /s" }},
  {{ equation = "Ca + P <-> CaP", forward = "1.5e8 /M/s", backward = "15 /s" }},
  {{ equation = "CaP -> P + Ca_out", forward = "12 /s" }},
  {{ equation = "P + Ca_out -> P + Ca", forward = "6.667 /s" }},
]
initial.Ca = "0.1 uM"
initial.B = {{ total = "40 uM", at = "steady" }}
initial.R = {{ total = "30 uM", at = "steady" }}
initial.P = {{ total = "500 /um^2", at = "steady" }}

[[spine]]
name = "spine"
{cells}
place = {{ on = ["left(0.3)", "right(0.9)"], count = 2, spread = "even" }}
head = {{ diameter = "0.5 um", length = "0.5 um", channels.couple_cav = {{ gmax = "7.4e-4 S/cm^2" }} }}
neck = {{ diameter = "0.15 um", length = "0.6 um" }}

[[site]]
name = "shaft"
{cells}
sections = ["trunk", "left", "right"]
engine = "pde"
pde.resolution = "0.25 um"

[[site]]
name = "spine_*"
{cells}
place = {{ on = "spine_*.head" }}
engine = "ssa"

[[link]]
from = "neuron.ica"
to = "*.Ca"
[[link]]
from = "*.Ca"
to = "neuron.cai"
[[link]]
from = "*shaft.pumping"
to = "neuron.KCa"
conductance = "0.001 pS"

[record]
species = "all"
every = "0.5 ms"

[checkpoint]
every = "1 ms"
"""

ONE = """
[[neuron.current]]
at = "soma(0.5)"
start = "0 ms"
duration = "1 ms"
amplitude = "0.5 nA"

[[link]]
from = "spine_*.Ca"
to = "shaft.Ca"
through = "spine_*.neck"
"""

MANY = """
[[network.population]]
name = "E"
model = "cell.py:Cell"
count = 3

[[network.connection]]
from = "E"
to = "E"
inputs = 1
at = "soma"
AMPA = "20 nS"
delay = "0.5 ms"

[[network.stimulus]]
to = "E"
count = 1
at = ["soma"]
rate = "2 /ms"
AMPA = "30 nS"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shared")
    (made / "cell.py").write_text(CELL)
    (made / "one.toml").write_text(TEXT.format(model='model = "cell.py:Cell"', cells="") + ONE)
    (made / "many.toml").write_text(TEXT.format(model="", cells='cells = "E"') + MANY)
    return made


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """The run of one process, which is not asked to share."""
    return run(folder, 1, "one.toml", "alone")


@pytest.fixture(scope="module")
def two(folder: Path) -> Path:
    return run(folder, 2, "one.toml", "two", 'site.shaft.pde.ranks="all"')


def couple(folder: Path, n: int, *arguments: object, code: int = 0, program: tuple[str, ...] = ("-m", "couple")) -> str:
    """What it says on stderr."""
    launch = [str(MPIEXEC), "-n", str(n)] if n > 1 else []
    start = python("-m", "couple") if program == ("-m", "couple") else [sys.executable, *program]  # that aborts
    line = [*launch, *start, *map(str, arguments), "--quiet", "--no-figure"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr + done.stdout


def run(folder: Path, n: int, file: str, out: str, *changes: str, until: float | None = None) -> Path:
    """One rank alone is this process."""
    if n == 1:
        Simulation.new(Experiment.load(folder / file, changes), folder / out).run(until=until)
        return folder / out
    overrides = [part for change in changes for part in ("--set", change)]
    end = [] if until is None else ["--until", f"{until} ms"]
    couple(folder, n, "run", file, *overrides, "--out", out, *end)
    return folder / out


def resume(folder: Path, n: int, out: str) -> Path:
    if n == 1:
        Simulation.resumed(folder / out).run()
    else:
        couple(folder, n, "resume", out)
    return folder / out


def rows(out: Path) -> dict[str, Any]:
    """Every dataset but the shape of the model, which only one process writes."""
    found: dict[str, Any] = {}
    with h5py.File(out / "results.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return {name: values for name, values in found.items() if not name.startswith("morphology/")}


def difference(first: Path, second: Path) -> float:
    """The largest, of the largest value of its dataset; what is whole has to be the same."""
    a, b = rows(first), rows(second)
    assert a.keys() == b.keys()
    whole = [name for name in a if name.startswith(("ssa/", "time", "spikes/cell"))]
    assert [name for name in whole if not np.array_equal(a[name], b[name])] == []
    return max(float(abs(a[k] - b[k]).max() / abs(a[k]).max()) for k in a.keys() - {*whole} if abs(a[k]).max() > 0)


def assert_no_ion_is_lost(out: Path) -> None:
    """Exactly in whole molecules, by rounding in the field."""
    with h5py.File(out / "results.h5") as file:
        sites = json.loads(file["ledger"].attrs["sites"])
    for entry in sites:
        moved = max(entry["held_at_start"], abs(entry["received"]))
        assert abs(entry["imbalance"]) <= (1e-9 * moved if "shaft" in entry["site"] else 0.0), entry


@pytest.mark.parametrize(("n", "asked"), [(3, "[2]"), pytest.param(4, "all", marks=pytest.mark.acceptance)])
def test_the_number_of_ranks_changes_rounding_alone(folder: Path, alone: Path, n: int, asked: str) -> None:
    """All ranks, and a team of two in a job of three."""
    value = asked if asked.startswith("[") else f'"{asked}"'
    out = run(folder, n, "one.toml", f"ranks{n}", f"site.shaft.pde.ranks={value}")
    assert difference(alone, out) < 1e-10
    assert_no_ion_is_lost(out)
    found = rows(out)
    assert np.ptp(found["shaft/counts_along"][:, :, 0]) > 10 and np.ptp(found["neuron/v"]) > 50
    assert found["ssa/influx"].any() and found["shaft/influx_feet"].any()


def test_two_ranks_agree_and_a_thinner_branch_does_not(folder: Path, alone: Path, two: Path) -> None:
    assert 0 < difference(alone, two) < 1e-10
    assert_no_ion_is_lost(two)
    thin = run(folder, 1, "one.toml", "thin", "neuron.arguments.thin=0.95", until=1.0)
    a, b = rows(alone)["neuron/v"], rows(thin)["neuron/v"]
    assert abs(a[: len(b)] - b).max() > 1e-10 * abs(a).max()


@pytest.fixture(scope="module")
def half(folder: Path) -> Path:
    return run(folder, 2, "one.toml", "half", 'site.shaft.pde.ranks="all"', until=1.3)


@pytest.mark.parametrize(
    ("n", "most"), [(2, 0.0), *(pytest.param(n, 1e-10, marks=pytest.mark.acceptance) for n in (1, 3))]
)
def test_resuming_is_exact_and_goes_on_with_other_ranks(
    folder: Path, two: Path, half: Path, n: int, most: float
) -> None:
    """The state is whole on the rank that has the site: 2 → 2 to the bit, 2 → 1 and 2 → 3 to rounding."""
    shutil.copytree(half, folder / f"half{n}")
    assert difference(two, resume(folder, n, f"half{n}")) <= most


@pytest.mark.acceptance
def test_one_rank_goes_on_as_two(folder: Path, two: Path) -> None:
    run(folder, 1, "one.toml", "one", 'site.shaft.pde.ranks="all"', until=1.3)
    assert difference(two, resume(folder, 2, "one")) <= 1e-10


@pytest.mark.acceptance
def test_teams_of_a_network_overlap(folder: Path) -> None:
    """Three cells on three ranks, each dendrite by its own and the next one; the same spikes."""
    here = run(folder, 1, "many.toml", "many1")
    out = run(folder, 3, "many.toml", "many3", "site.shaft.pde.ranks=2")
    assert difference(here, out) < 1e-10
    assert_no_ion_is_lost(out)
    assert len(rows(out)["spikes/time"]) >= 3


FAULT = """
import sys
from couple.cli.main import main
from couple.base.errors import RunError
from couple.parallel.communicator import world
import adapters.fem.solver.distributed as distributed
from adapters.fem.cable_pde import CableReactionDiffusion

kind, calls, go = sys.argv[1], 0, distributed.RankStepper.run_window

def refuse(self, *arguments):
    raise RunError("nothing goes")

def fail(self, *arguments):
    global calls
    calls += 1
    if calls == 15:
        raise RunError("nothing goes any more")
    return go(self, *arguments)

if kind == "leader":
    CableReactionDiffusion._check_inputs = refuse
elif world().rank == 1:
    distributed.RankStepper.run_window = fail
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("leader", r"error: rank 0: t = 0 ms: nothing goes\n"),  # from the trial of a window on, where it is not said
        pytest.param("helper", r"error: rank 1: t = 1\.\d ms: nothing goes any more", marks=pytest.mark.acceptance),
    ],
)
def test_a_fault_of_one_rank_ends_all(folder: Path, kind: str, says: str) -> None:
    """With the message of that rank, once, before anything hangs."""
    (folder / "fault.py").write_text(FAULT)
    line = ("run", "one.toml", "--set", 'site.shaft.pde.ranks="all"', "--out", kind)
    said = couple(folder, 2, kind, *line, code=1, program=("fault.py",))
    assert said.count("error:") == 1 and re.search(says, said), said
    assert (folder / kind / "checkpoint.h5").exists() == (kind == "helper")


@pytest.mark.acceptance
def test_more_ranks_than_there_are_is_one_line(folder: Path) -> None:
    said = couple(folder, 2, "run", "one.toml", "--set", "site.shaft.pde.ranks=3", "--out", "none", code=2)
    assert said.count("error:") == 1 and "site[0].pde.ranks: asks for 3 ranks and 2 ranks run: mpiexec -n 3" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("site.shaft.pde.ranks=3", "site[0].pde.ranks: asks for 3 ranks and 1 rank runs: mpiexec -n 3"),
        ("site.shaft.pde.ranks=[1]", "site[0].pde.ranks: there is no rank 1 of 1"),
        ("site.shaft.pde.ranks=0", 'site[0].pde.ranks: "all", how many, or a list'),
        ('site.spine_*.pde={ranks="all"}', "site[1].pde.ranks: pde shares only a site along sections"),
        ("site.spine_*.ssa={ranks=2}", 'site[1].ssa: unknown key "ranks"'),
    ],
)
def test_ranks_that_cannot_be_are_refused(folder: Path, change: str, says: str) -> None:
    changes = [change, 'site.spine_*.engine="pde"'] if "spine_*.pde" in change else [change]
    with pytest.raises(InputError) as caught:
        wire(Experiment.load(folder / "one.toml", changes))
    assert says in str(caught.value)
