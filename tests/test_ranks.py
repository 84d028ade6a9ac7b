"""Runs over many ranks: answers that do not depend on their number, and failures that end all of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from couple.results import Results

MPIEXEC = Path(sys.executable).parent / "mpiexec"
pytestmark = pytest.mark.skipif(not MPIEXEC.exists(), reason="no mpiexec beside this Python: uv sync --extra fem")

CELL = (Path(__file__).parent.parent / "examples" / "network" / "cell.py").read_text()
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ranks")
    (made / "cell.py").write_text(CELL)
    (made / "network.toml").write_text(NETWORK)
    return made


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """The run of one process."""
    out = folder / "alone"
    ranks(1, "run", "network.toml", "--out", out, folder=folder)
    return out


def command(n: int, *arguments: object, program: tuple[str, ...] = ("-m", "couple.cli")) -> list[str]:
    launch = [str(MPIEXEC), "-n", str(n)] if n > 1 else []
    quiet = ["--quiet", "--no-figure"] if arguments[0] in ("run", "resume") and "--json" not in arguments else []
    return [*launch, sys.executable, *program, *map(str, arguments), *quiet]


def ranks(n: int, *arguments: object, folder: Path, code: int = 0, **more: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(n, *arguments, **more), capture_output=True, text=True, cwd=folder, timeout=300, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def content(out: Path) -> dict[str, Any]:
    """Every dataset and its attributes, and the books."""
    found: dict[str, Any] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
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


@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.acceptance), 4])
def test_the_number_of_ranks_changes_nothing(folder: Path, alone: Path, n: int) -> None:
    """Spikes, voltages, ions, site records, books, names and their order, to the bit."""
    out = folder / f"ranks{n}"
    ranks(n, "run", "network.toml", "--out", out, folder=folder)
    assert len(list(out.glob("rank*.h5"))) == n
    assert_same(alone, out)
    with h5py.File(out / "results.h5") as file:
        assert file["ssa/counts"].is_virtual and len(file["spikes/time"]) >= 8
        assert len(set(file["spikes/cell"])) > 2


def test_control_another_seed_is_seen(folder: Path, alone: Path) -> None:
    out = folder / "other"
    ranks(2, "run", "network.toml", "--set", "experiment.seed=2", "--out", out, folder=folder)
    a, b = content(alone), content(out)
    assert a["spikes/time"] != b["spikes/time"] and a["ssa/counts"] != b["ssa/counts"]


def test_resuming_with_as_many_ranks_is_exact(folder: Path, alone: Path) -> None:
    """Stopped at windows that are no multiple of the delays, with spikes on their way."""
    out = folder / "resumed"
    ranks(2, "run", "network.toml", "--out", out, "--until", "4.3 ms", folder=folder)
    done = ranks(2, "resume", out, "--until", "9.6 ms", "--json", folder=folder)
    assert json.loads(done.stdout)["status"] == "partial"  # rank 0 alone speaks, and NEURON says nothing
    ranks(2, "resume", out, folder=folder)
    assert_same(alone, out)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 3), pytest.param(2, 4, marks=pytest.mark.acceptance)])
def test_resuming_with_another_number_of_ranks(folder: Path, alone: Path, before: int, after: int) -> None:
    """Spikes on their way arrive, trains go on; twice, so that what was moved is saved and moved again."""
    out = folder / f"moved{before}{after}"
    ranks(before, "run", "network.toml", "--out", out, "--until", "5.3 ms", folder=folder)
    ranks(after, "resume", out, "--until", "8 ms", folder=folder)
    ranks(before, "resume", out, folder=folder)
    assert len(list(out.glob("rank*.h5"))) == (before if before > 1 else 0)
    with h5py.File(alone / "results.h5") as a, h5py.File(out / "results.h5") as b:
        for name in ("time", "spikes/time", "spikes/cell", "ssa/counts", "ssa/influx", "ssa/means"):
            assert np.array_equal(a[name], b[name]), name
        assert list(a["neuron/v"].attrs["segment"]) == list(b["neuron/v"].attrs["segment"])
        assert np.abs(a["neuron/v"][()] - b["neuron/v"][()]).max() <= 1e-9
        assert (a["spikes/time"][()] > 5.3).any()


FAULT = """
import errno, os, sys
from couple import checkpoint
from couple.cli import main
from couple.errors import RunError
from couple.orchestrator import Orchestrator

kind, step = sys.argv[1], Orchestrator.step

def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")

def faulty(self):
    if self.window == 60 and os.environ["PMI_RANK"] == "1":
        print("FAULT", flush=True)
        if kind == "raise":
            raise RunError("nothing goes any more")
        if kind == "bug":
            raise ZeroDivisionError("a bug")
        if kind == "kill":
            os.kill(os.getpid(), 9)
        checkpoint.settle = full
    step(self)

Orchestrator.step = faulty
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raise", "error: rank 1: t = 6 ms: nothing goes any more"),
        ("bug", "error: rank 1: a bug"),
        ("kill", "KILLED BY SIGNAL: 9|EXIT CODE: 9"),
        ("disk", "error: rank 1: .*: cannot be written: No space left on device"),
    ],
)
def test_a_fault_of_one_rank_ends_all(folder: Path, alone: Path, kind: str, says: str) -> None:
    """Not zero, soon, with the message of that rank; the last checkpoint goes on to the same end."""
    (folder / "fault.py").write_text(FAULT)
    out = folder / kind
    line = command(2, kind, "run", "network.toml", "--out", out, "--quiet", "--no-figure", program=("fault.py",))
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert running.stdout is not None and "FAULT" in running.stdout.readline()
    begun = time.monotonic()
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode != 0 and time.monotonic() - begun < 10
    assert re.search(says, stdout + stderr), stdout + stderr
    assert not (out / "summary.json").exists()
    ranks(2, "resume", out, folder=folder)
    assert_same(alone, out)


def test_sigterm_and_walltime_leave_a_checkpoint(folder: Path, alone: Path) -> None:
    """As schedulers send it; all ranks stop after the same window."""
    long = ("--set", "experiment.duration=10 s", "--set", "record.every=1 ms")
    out = folder / "term"
    line = command(2, "run", "network.toml", *long, "--out", out)
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    while not (out / "checkpoint.h5").exists() and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    _, stderr = running.communicate(timeout=60)
    assert running.returncode != 0 and time.monotonic() - begun < 10
    assert stderr.count("stopped by SIGTERM") == 1 and "couple resume" in stderr
    with h5py.File(out / "results.h5") as file:
        assert file.attrs["status"] == "interrupted"
    before = (out / "checkpoint.h5").read_bytes()
    done = ranks(2, "resume", out, "--walltime", "1 ms", folder=folder, code=130)
    assert done.stderr.count("stopped by --walltime") == 1 and (out / "checkpoint.h5").read_bytes() != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("network.population.0.model=gone.py:f",), "network.population[0].model"),
        (("spine.0.cells=X",), 'no population or cell "X"'),
        (("network.connection.2.delay=0.01 ms",), "network.connection[2].delay: 0.01 ms is shorter than neuron.dt"),
        (("site.shaft.segment=dendrite(0.5)",), "site[1].segment"),  # wrong on one rank alone: only that has the cell
        (("network.population.0.count=1", "network.population.1.count=1"), "inputs"),
    ],
)
def test_an_error_in_the_input_is_one_line(folder: Path, change: tuple[str, ...], says: str) -> None:
    overrides = [part for one in change for part in ("--set", one)]
    done = ranks(3, "run", "network.toml", *overrides, "--out", "none", folder=folder, code=2)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error: ") and says in lines[0], done.stderr
    assert not (folder / "none").exists() or not any((folder / "none").iterdir())


def test_one_cell_is_not_shared_and_too_many_ranks_are_refused(folder: Path, tmp_path: Path) -> None:
    example = Path(__file__).parent.parent / "examples" / "spine" / "spine.toml"
    done = ranks(2, "run", example, "--set", "site.head.engine=ode", "--out", tmp_path / "x", folder=folder, code=2)
    assert "makes one cell, which 2 ranks cannot share" in done.stderr and done.stderr.count("error:") == 1
    few = ("network.population.0.count=2", "network.population.1.count=1", "network.connection.0.inputs=1")
    overrides = [part for one in few for part in ("--set", one)]
    done = ranks(4, "run", "network.toml", *overrides, "--out", tmp_path / "y", folder=folder, code=2)
    assert "3 cells for 4 ranks" in done.stderr


SITES = """
[experiment]
name = "sites"
duration = "5 ms"
exchange = "0.1 ms"

[chemistry]
species.A = { D = "10 um^2/s" }
species.B = {}
reactions = [{ equation = "0 -> A", forward = "1e-3 mM/ms" }, { equation = "A -> B", forward = "0.1 /ms" }]

[record]
species = "all"

[checkpoint]
every = "2 ms"
"""


def test_sites_without_neuron_are_shared(tmp_path: Path) -> None:
    """Joined sites stay together; drives find their sites wherever these are."""
    text = SITES
    for name, engine in (("a", "ssa"), ("b", "ssa"), ("c", "ode"), ("d", "ssa"), ("e", "ode"), ("f", "langevin")):
        text += f'[[site]]\nname = "{name}"\nengine = "{engine}"\ngeometry.sphere = {{ diameter = "1 um" }}\n'
    text += '[[link]]\nfrom = "a.A"\nto = "d.A"\nthrough = { diameter = "0.1 um", length = "1 um" }\n'
    text += '[[drive]]\nto = "b.A"\ninflux = { times = "0 2 ms", rate = "490 /ms" }\n'
    (tmp_path / "sites.toml").write_text(text)
    ranks(1, "run", "sites.toml", "--out", "alone", folder=tmp_path)
    ranks(3, "run", "sites.toml", "--out", "shared", folder=tmp_path)
    assert_same(tmp_path / "alone", tmp_path / "shared")
    done = ranks(2, "show", "shared", folder=tmp_path)
    assert done.stdout.count("status") == 1  # what is not spread is the work of one
    ranks(1, "plot", "shared", "--out", "figure.png", folder=tmp_path)


BUILDER = """
from neuron import h

pc = h.ParallelContext()

class Cell:
    def __init__(self, gid):
        self.gid = gid
        self.soma = h.Section(name="soma", cell=self)
        self.soma.L = self.soma.diam = 20
        self.soma.insert("hh")
        self.ampa = h.ExpSyn(self.soma(0.5))
        self.detector = h.NetCon(self.soma(0.5)._ref_v, None, sec=self.soma)
        pc.set_gid2node(gid, int(pc.id()))
        pc.cell(gid, self.detector)

    def __repr__(self):
        return f"cell{self.gid}"

def build(rank, size):
    cells = [Cell(gid) for gid in range(rank, 5, size)]
    for cell in cells:
        cell.input = pc.gid_connect((cell.gid - 1) % 5, cell.ampa)
        cell.input.delay, cell.input.weight[0] = 2, 0.1
        if cell.gid == 0:
            cell.start = h.NetStim()
            cell.start.number, cell.start.start = 1, 1
            cell.first = h.NetCon(cell.start, cell.ampa)
            cell.first.delay, cell.first.weight[0] = 0, 0.1
    return cells
"""


def test_a_builder_that_takes_rank_and_size(tmp_path: Path) -> None:
    """A ring of five cells, dealt out by the user's own function."""
    (tmp_path / "ring.py").write_text(BUILDER)
    text = SITES.replace(
        "[chemistry]", '[neuron]\nmodel = "ring.py:build"\ndt = "0.025 ms"\nv_init = "-65 mV"\n[chemistry]'
    )
    text = text.replace('"5 ms"', '"20 ms"')
    text += '[[site]]\nname = "site_*"\nplace = { on = "cell*.soma" }\nengine = "ssa"\n'
    text += '[[site]]\nname = "last"\nsegment = "cell4.soma(0.5)"\nengine = "ode"\n'
    (tmp_path / "ring.toml").write_text(text)
    for n in (1, 2, 3):
        ranks(n, "run", "ring.toml", "--out", f"ring{n}", folder=tmp_path)
    found = [content(tmp_path / f"ring{n}") for n in (1, 2, 3)]
    assert found[0]["spikes/time"] == found[1]["spikes/time"] == found[2]["spikes/time"]
    assert found[0]["spikes/cell"] == found[1]["spikes/cell"] == found[2]["spikes/cell"]
    with h5py.File(tmp_path / "ring1" / "results.h5") as one, h5py.File(tmp_path / "ring3" / "results.h5") as three:
        assert len(one["spikes/time"]) >= 4
        for k, name in enumerate(map(str, one["ssa/counts"].attrs["site"])):
            there = [*map(str, three["ssa/counts"].attrs["site"])].index(name)
            assert np.array_equal(one["ssa/counts"][:, k], three["ssa/counts"][:, there])


def test_without_mpiexec_mpi4py_is_not_imported(folder: Path, alone: Path) -> None:
    code = (
        "import sys; from couple import Experiment, Simulation;"
        "Simulation.in_memory(Experiment.load('network.toml')).step(); print('mpi4py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert done.stdout.strip().endswith("False")


def test_a_wrong_mpiexec_is_refused(folder: Path) -> None:
    """Ranks of another MPI, as its environment shows them, that mpi4py knows nothing of."""
    environment = {**os.environ, "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
    done = subprocess.run(
        command(1, "run", "network.toml", "--out", "wrong"),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 1 and "each believes to be alone" in done.stderr and "Traceback" not in done.stderr


def test_an_ensemble_is_spread_over_ranks(folder: Path) -> None:
    """The same runs as those of one process, by the same command; an error in the input is said once."""
    arguments = ("sample", "network.toml", "--runs", 3, "--until", "1 ms", "--quiet")
    ranks(2, *arguments, "--out", "spread", folder=folder)
    ranks(1, *arguments, "--out", "here", "--jobs", 1, folder=folder)
    with h5py.File(folder / "spread/ensemble.h5") as a, h5py.File(folder / "here/ensemble.h5") as b:
        for name in ("run", "seed", "ssa/counts", "neuron/v", "E_2_shaft/counts"):
            assert np.array_equal(a[name], b[name])
    done = ranks(2, *arguments, "--out", "none", "--set", "site.shaft.segment=x(0.5)", folder=folder, code=2)
    assert done.stderr.count("error:") == 1


def test_spikes_have_the_names_of_their_cells(alone: Path) -> None:
    with Results(alone) as results:
        times, cells = results.spikes()
        assert sum(len(found) for found in cells.values()) == len(times) >= 8
        assert {*cells} <= {*(f"E_{i}" for i in range(4)), "I_0", "I_1"}
        upward = results["neuron.E_3.soma(0.5)"]
        assert ((upward[1:] > 0) & (upward[:-1] <= 0)).any() == ("E_3" in cells)


EXAMPLE = Path(__file__).parent.parent / "examples" / "network" / "network.toml"


def test_check_shows_what_each_rank_has(folder: Path) -> None:
    """The example, shared evenly; said once."""
    done = ranks(2, "check", EXAMPLE, folder=folder)
    for k in range(2):
        assert done.stdout.count(f"rank {k}: 50 cells, 800 sites, ") == 1
    assert done.stdout.count("balance: the slowest of 2 ranks") == 1


def test_the_doctor_looks_at_the_ranks(folder: Path) -> None:
    done = subprocess.run(command(3, "doctor"), capture_output=True, text=True, cwd=folder, check=False)
    assert done.stdout.count("3 on 1 machine(s)") == 1 and "NEURON ranks" in done.stdout
    crowded = len(os.sched_getaffinity(0)) < 3
    assert ("3 ranks on" in done.stdout) == crowded


@pytest.mark.acceptance
def test_the_example_does_not_depend_on_the_number_of_ranks(tmp_path: Path) -> None:
    for n in (1, 2, 3, 4):
        ranks(n, "run", EXAMPLE, "--out", f"{n}", folder=tmp_path)
        assert_same(tmp_path / "1", tmp_path / f"{n}")
