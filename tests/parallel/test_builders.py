"""Networks that the user's own function builds, given rank and size: any number of ranks, also on resuming."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.neuron.state.unmovable import hidden
from couple import Experiment, Simulation
from support.mpi_runs import needs_mpiexec, ranks

pytestmark = needs_mpiexec

BUILDER = """
from neuron import h
from adapters.neuron import insert_cav

pc = h.ParallelContext()

class Cell:
    def __init__(self, gid):
        self.gid = gid
        self.soma = h.Section(name="soma", cell=self)
        self.soma.L = self.soma.diam = 20
        self.soma.insert("hh")
        self.heads = []
        for name in "abc":
            head = h.Section(name=name, cell=self)
            head.L = head.diam = 0.5
            insert_cav(head, 1e-4)
            head.connect(self.soma)
            self.heads.append(head)
        self.ampa = h.ExpSyn(self.soma(0.5))
        pc.set_gid2node(gid, int(pc.id()))
        pc.cell(gid, h.NetCon(self.soma(0.5)._ref_v, None, sec=self.soma))  # nothing keeps the detector

    def __repr__(self):
        return f"cell{self.gid}"

class Other:  # named by its gid alone: Python shows where it lies
    def __init__(self, gid):
        self.trunk = h.Section(name="trunk", cell=self)
        self.trunk.L, self.trunk.diam = 30, 10
        self.trunk.insert("hh")
        self.gaba = h.Exp2Syn(self.trunk(0.5))
        pc.set_gid2node(gid, int(pc.id()))
        self.detector = h.NetCon(self.trunk(1)._ref_v, None, sec=self.trunk)
        self.detector.threshold = -20
        pc.cell(gid, self.detector)

def build(rank, size):
    kept = [Cell(gid) for gid in range(rank, 5, size)] + ([Other(10)] if rank == size - 1 else [])
    for cell in kept[: len(range(rank, 5, size))]:
        cell.inputs = [pc.gid_connect(source, cell.ampa) for source in ((cell.gid - 1) % 5, 10)]
        for k, connection in enumerate(cell.inputs):
            connection.delay, connection.weight[0] = 2 + k, 0.03
        cell.inputs[1].active(cell.gid != 3)
        cell.train = h.NetStim()
        cell.train.number, cell.train.interval, cell.train.noise, cell.train.start = 1e9, 4, 1, 0.5
        cell.train.noiseFromRandom123(STREAM, 7, 0)
        cell.drive = h.NetCon(cell.train, cell.ampa)
        cell.drive.delay, cell.drive.weight[0] = 0.5, 0.02
    if rank == size - 1:
        kept[-1].inputs = [pc.gid_connect(source, kept[-1].gaba) for source in range(3)]
        for connection in kept[-1].inputs:
            connection.delay, connection.weight[0] = 1.5, 0.02
    MORE
    return kept
"""

RING = """
[experiment]
name = "ring"
duration = "16 ms"
exchange = "0.1 ms"

[neuron]
model = "ring.py:build"
dt = "0.025 ms"
celsius = 20.0
v_init = "-65 mV"

[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
reactions = [{ equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" }]
initial.Ca = "0.1 uM"
initial.B = { total = "50 uM", at = "steady" }

[record]
every = "0.5 ms"

[checkpoint]
every = "8.7 ms"
"""
for head, engine in (("a", "ssa"), ("b", "ode"), ("c", "surrogate")):
    RING += f'''
[[site]]
name = "{head}_*"
place = {{ on = "cell*.{head}" }}
engine = "{engine}"
[[link]]
from = "neuron.ica"
to = "{head}_*.Ca"
[[link]]
from = "{head}_*.Ca"
to = "neuron.cai"
'''


def write_ring(folder: Path, *, stream: str = "cell.gid", more: str = "") -> Path:
    (folder / "ring.py").write_text(BUILDER.replace("STREAM", stream).replace("MORE", more))
    (folder / "ring.toml").write_text(RING)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, and two, to the end; the checkpoint is of 8.7 ms, with spikes on their way."""
    made = write_ring(tmp_path_factory.mktemp("ring"))
    ranks(1, "run", "ring.toml", "--out", "alone", folder=made)
    ranks(2, "run", "ring.toml", "--out", "two", folder=made)
    return made


def by_name(out: Path) -> dict[str, Any]:
    """Spikes, records of every site, and voltages by segment: the order of a builder's cells is its own."""
    with h5py.File(out / "results.h5") as file:
        found = {name: file[name][()] for name in ("time", "spikes/time", "spikes/cell")}
        for engine in ("ssa", "ode", "surrogate"):
            for name in ("counts", "influx"):
                data = file[f"{engine}/{name}"]
                found |= {f"{site} {name}": data[:, k] for k, site in enumerate(map(str, data.attrs["site"]))}
        v = file["neuron/v"]
        return found | {f"v {name}": v[:, k] for k, name in enumerate(map(str, v.attrs["segment"]))}


def assert_alike(folder: Path, out: str, mv: float) -> None:
    """Spikes and molecules of whole-ion engines to the bit, voltages to `mv`, amounts in real numbers accordingly."""
    a, b = by_name(folder / "alone"), by_name(folder / out)
    assert a.keys() == b.keys() and len(a) == 3 + 5 * 3 * 2 + 15
    exact = [name for name in a if name.startswith(("time", "spikes", "a_")) and "influx" not in name]
    assert [name for name in exact if not np.array_equal(a[name], b[name])] == []
    voltages = [name for name in a if name.startswith("v ")]
    assert max(np.abs(a[name] - b[name]).max() for name in voltages) <= mv
    rest = [name for name in a if name not in exact and name not in voltages]
    assert max(np.abs(a[name] - b[name]).max() / max(np.abs(a[name]).max(), 1) for name in rest) <= 1e-9 * (mv > 0)
    assert (a["spikes/time"] > 8.7).any() and len(set(a["spikes/cell"])) == 6


def test_the_number_of_ranks_changes_nothing(folder: Path) -> None:
    assert_alike(folder, "two", 0.0)


@pytest.mark.parametrize("after", [1, *(pytest.param(n, marks=pytest.mark.acceptance) for n in (3, 4))])
def test_resuming_with_another_number_of_ranks(folder: Path, after: int) -> None:
    """Cells by gid, sites of three engines, spikes and trains on their way, connections that are off."""
    out = f"to{after}"
    shutil.copytree(folder / "two", folder / out)
    ranks(after, "resume", out, folder=folder)
    assert_alike(folder, out, 1e-9)


def refusal(folder: Path) -> str:
    """What is said when one process is to go on with what two have begun."""
    ranks(2, "run", "ring.toml", "--out", "part", "--until", "5 ms", folder=folder)
    done = ranks(1, "resume", "part", folder=folder, code=2)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "resume with as many ranks" in lines[0], done.stderr
    return lines[0]


@pytest.mark.acceptance
def test_streams_numbered_by_rank_are_not_moved(tmp_path: Path) -> None:
    assert "number its streams by gid, not by rank" in refusal(write_ring(tmp_path, stream="rank"))


@pytest.mark.acceptance
def test_sections_of_one_name_are_not_moved(tmp_path: Path) -> None:
    assert "two of lonely(0.5)" in refusal(write_ring(tmp_path, more="kept.append(h.Section(name='lonely'))"))


DIRECT = "kept[0].more = h.NetCon(kept[0].heads[0](0.5)._ref_v, kept[0].ampa, sec=kept[0].heads[0])"
OTHER = """
    kept[0].more = h.NetCon(kept[0].soma(0.5)._ref_m_hh, None, sec=kept[0].soma)
    pc.set_gid2node(20, rank)
    pc.cell(20, kept[0].more)
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("", ""),
        (DIRECT, "a NetCon from cell0.a(0.5) to ExpSyn[0] has no gid"),
        (OTHER, "the spikes of gid 20 are not those of a voltage"),
        ("kept[0].more = h.IntFire1()", "IntFire1 has a state"),
        ("kept[0].more = pc.gid_connect(0, kept[0].train)", "NetStim[0] is driven by cells"),
    ],
)
def test_what_has_a_history_elsewhere_is_not_moved(tmp_path: Path, more: str, says: str) -> None:
    """A checkpoint says so, and those who want to move it."""
    write_ring(tmp_path, more=more)
    text = RING[: RING.index("[[site]]")] + '[[site]]\nname = "a_*"\nplace = { on = "cell*.a" }\nengine = "ode"\n'
    (tmp_path / "ring.toml").write_text(text)
    simulation = Simulation.in_memory(Experiment.load(tmp_path / "ring.toml"))
    electrics = simulation.system.electrics
    assert electrics is not None
    stuck = str(electrics.save()["stuck"])
    assert stuck.startswith(says) and bool(stuck) == bool(says), stuck


def test_mechanisms_with_a_history_are_known_by_their_source() -> None:
    assert "POINTER" in hidden("NEURON { BBCOREPOINTER rng }")
    assert "POINTER" in hidden("NEURON { POINTER p }\nVERBATIM\nint x;\nENDVERBATIM")
    assert "WATCH" in hidden("NET_RECEIVE (w) { WATCH (v > 0) 1 }")
    assert hidden("NEURON { POINTER vpre : VERBATIM\n }\nCOMMENT\nWATCH\nENDCOMMENT") == ""
