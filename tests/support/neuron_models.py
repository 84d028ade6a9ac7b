"""Models and runs shared by the tests of adapters/neuron; also a script, for what needs a fresh NEURON.

python -m support.neuron_models RUN MODEL.py OUT.pickle [STATE.pickle]
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from couple.base.errors import InputError
from couple.components.attachments import Attachments, Conductance, IonSegments
from couple.components.model_spec import ModelSpec
from support.paths import EXAMPLES, TESTS
from support.warm import python

DT = 0.025
SPINE = EXAMPLES / "spine" / "cell.py"

CALCIUM = """
from neuron import h
from adapters.neuron import insert_cav

def build():
    cell = [h.Section(name=name) for name in ("soma", "head")]
    soma, head = cell
    soma.L = soma.diam = 10
    head.L = head.diam = 1
    head.nseg = 3
    head.connect(soma(1))
    for section in cell:
        section.insert("hh")
        for segment in section:
            segment.hh.gnabar = 0.3
    insert_cav(head, 1e-3)
    stimulus = h.IClamp(soma(0.5))
    stimulus.delay, stimulus.dur, stimulus.amp = 2, 40, 0.1
    return cell, stimulus
"""

PASSIVE = """
from neuron import h

def build():
    head = h.Section(name="head")
    head.L = head.diam = 1
    head.insert("pas")
    for segment in head:
        segment.pas.g, segment.pas.e = 1e-3, -60
    return head
"""

# Sodium, potassium, calcium, and a divalent ion that nobody else knows.
IONS = (
    CALCIUM.replace("return cell", "add_zz(head); return cell")
    + """
leak = []

def add_zz(section):
    h.ion_register("zz", 2)
    if not hasattr(h, "zz_leak"):
        leak.append(h.KSChan())
        leak[0].name("zz_leak")
        leak[0].ion("zz")
        leak[0].iv_type(0)
        leak[0].gmax(1e-4)
    section.insert("zz_leak")
    for segment in section:
        segment.zzo = 3
"""
)

# Everything at once that a checkpoint could forget.
RICH = """
from neuron import h
from adapters.neuron import NMDA, insert_cav

class Cell:
    def __init__(self):
        self.soma = h.Section(name="soma", cell=self)
        self.head = h.Section(name="head", cell=self)
        self.soma.L = self.soma.diam = 12
        self.head.L = self.head.diam = 1
        self.head.connect(self.soma(1))
        for section in (self.soma, self.head):
            section.insert("hh")
            section(0.5).hh.gnabar = 0.3
        insert_cav(self.head, 1e-3)
        self.sk = sk_channel()
        self.head.insert("sk_test")
        self.head(0.5).sk_test.gmax = 1e-4
        self.noisy = h.NetStim()
        self.noisy.interval, self.noisy.number, self.noisy.start, self.noisy.noise = 3, 1e9, 0, 1
        self.noisy.noiseFromRandom123(1, 2, 3)
        self.legacy = h.NetStim()
        self.legacy.interval, self.legacy.number, self.legacy.start, self.legacy.noise = 4, 1e9, 0, 1
        self.random = h.Random()
        self.random.Random123(5, 6, 7)
        self.random.negexp(1)
        self.legacy.noiseFromRandom(self.random)
        self.ampa = h.Exp2Syn(self.head(0.5))
        self.ampa.tau2 = 3
        self.nmda = NMDA(self.head(0.5))
        self.inputs = [h.NetCon(self.noisy, self.ampa), h.NetCon(self.legacy, self.ampa)]
        for connection in self.inputs:
            connection.delay, connection.weight[0] = 7.3, 2e-4
        self.nmda.connect(self.noisy, 5.2, 1e-4)
        self.nmda.connect(self.soma(0.5), 4.0, 1e-4)
        self.clamp = h.IClamp(self.soma(0.5))
        self.clamp.delay, self.clamp.dur, self.clamp.amp = 5, 100, 0.08
        self.wave = h.Vector([0.01 * (i % 7) for i in range(1000)])
        self.second = h.IClamp(self.soma(0.5))
        self.second.dur = 1e9
        self.wave.play(self.second._ref_amp, 0.1)

def sk_channel():
    channel = h.KSChan()
    channel.name("sk_test")
    channel.ion("k")
    channel.iv_type(0)
    channel.gmax(0)
    closed = channel.add_ksstate(None, "C")
    opened = channel.add_ksstate(closed.gate(), "O")
    closed.frac(0)
    opened.frac(1)
    channel.add_transition(closed.index(), opened.index())
    channel.trans(closed, opened).type(3, "cai")
    channel.trans(closed, opened).set_f(0, 1, h.Vector([200.0]))
    channel.trans(closed, opened).set_f(1, 1, h.Vector([0.08]))
    return channel

def build():
    return Cell()
"""


def spec(model: Path, **changes: Any) -> ModelSpec:
    return ModelSpec(**{"model": model, "function": "build", "dt": DT, "celsius": 34.0, "v_init": -65.0, **changes})


def attach(model: Path, **changes: Any) -> Any:
    """The stepping component of a model with a section "head", coupled in all ways."""
    loaded = load_model(spec(model))
    settings: dict[str, Any] = {
        "calcium": ("head(0.5)",),
        "conductances": (Conductance("SK", "head(0.5)"),),
        "voltages": ("head(0.5)", "soma(0.5)"),
        "cai": (1e-4,),
    }
    return loaded.attach(Attachments(**{**settings, **changes}))


def loop(cell: Any, windows: range, ticks: int = 4) -> np.ndarray:
    """Outputs after each window, with a feedback that makes later windows depend on all earlier ones."""
    rows = []
    for _ in windows:
        cell.advance(ticks)
        charge, v = cell.read("charge"), cell.read("v")
        cell.write("cai", 0.98 * cell.read("cai") + 1e-3 * np.maximum(charge, 0) + 2e-6)
        cell.write("g", 1e-4 * np.abs(np.sin(v[0])))
        rows.append(np.concatenate([v, charge, cell.read("cai")]))
    return np.array(rows)


def fresh(run: str, model: Path, out: Path, *more: Path, compiler: bool = True) -> Any:
    """What `run` returns in a process of its own."""
    environment = {**os.environ, "COUPLE_NO_COMPILER": "" if compiler else "1"}
    environment["PYTHONPATH"] = str(TESTS)
    command = python("-m", "support.neuron_models", run, model, out, *more)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return pickle.loads(out.read_bytes())


def run_through(model: Path) -> Any:
    """300 windows; a parameter changes at 100, a state is taken at 150."""
    cell = attach(model)
    first = loop(cell, range(100))
    _change_parameter()
    middle = loop(cell, range(100, 150))
    state, ports = cell.save(), cell.memory.copy()
    return np.concatenate([first, middle, loop(cell, range(150, 300))]), state, ports, cell.channel_path


def run_rows(model: Path) -> Any:
    """200 windows."""
    return loop(attach(model), range(200))


def _change_parameter() -> None:
    soma = next(section for section in h.allsec() if section.name().endswith("soma"))
    soma(0.5).hh.gkbar = 0.03
    next(iter(h.List("NetCon"))).delay = 6.1


def run_resumed(model: Path, state_file: Path) -> Any:
    _, state, ports, _ = pickle.loads(state_file.read_bytes())
    cell = attach(model)
    cell.restore(state)
    cell.memory[:] = ports
    return loop(cell, range(150, 300))


def run_resumed_and_control(model: Path, state_file: Path) -> Any:
    """What `run_resumed` returns, then what it returns without the random streams of the state."""
    found = run_resumed(model, state_file)
    whole, state, *rest = pickle.loads(state_file.read_bytes())
    broken = {**state, "streams": np.asarray(state["streams"]) + [0, 0, 0, 1]}
    state_file.write_bytes(pickle.dumps((whole, broken, *rest)))
    return found, run_resumed(model, state_file)


def run_charge(model: Path) -> Any:
    """Charge of each window, and the same from NEURON's own recording of ica."""
    cell = attach(model)
    head = next(section for section in h.allsec() if section.name() == "head")
    recording = h.Vector().record(head(0.5)._ref_ica)
    h.finitialize(-65)
    charges = []
    for i in range(200):
        cell.advance(4)
        charges.append(float(cell.read("charge")[0]))
        cell.write("cai", 1e-4 * (1 + i % 5))
    recorded = -np.array(recording)[1:].reshape(200, 4).sum(axis=1) * DT * head(0.5).area() * 10
    return np.array(charges), recorded, cell.channel_path


def run_ions(model: Path) -> Any:
    """Four ions over 100 windows: charge (100, 5), the same recorded, concentration and eX (100, 5, 2), a rollback."""
    others = (
        IonSegments("k", ("head(0.5)",), (100.0,)),
        IonSegments("na", ("head(0.5)",), (12.0,)),
        IonSegments("zz", ("head(0.5)", "head(0.9)"), (0.1, 0.2)),
    )
    cell = attach(model, others=others)
    head = next(section for section in h.allsec() if section.name() == "head")
    places = [
        (ion.ion, head(float(s[5:-1]))) for ion in (IonSegments("ca", ("head(0.5)",)), *others) for s in ion.segments
    ]
    recordings = [h.Vector().record(getattr(segment, f"_ref_i{ion}")) for ion, segment in places]
    h.finitialize(-65)

    def windows(first: int) -> Any:
        charges, inside = [], []
        for i in range(first, first + 50):
            cell.write("cai", 1e-4 * (1 + i % 5))
            cell.write("ki", 100 + i % 7)
            cell.write("nai", 10 + i % 3)
            cell.write("zzi", [0.1 + 0.01 * (i % 4), 0.2])
            cell.advance(4)
            charges.append(np.concatenate([cell.read(p) for p in ("charge", "charge_k", "charge_na", "charge_zz")]))
            inside.append([[getattr(s, f"{ion}i"), getattr(s, f"e{ion}")] for ion, s in places])
        return np.array(charges), np.array(inside)

    first, start = windows(0), cell.save()
    second = windows(50)
    currents = np.array(recordings)[:, 1:].reshape(len(places), 100, 4).sum(axis=2).T
    cell.restore(start)
    again = all(np.array_equal(a, b) for a, b in zip(windows(50), second, strict=True))
    recorded = -currents * DT * head(0.5).area() * 10
    charges, inside = (np.concatenate([a, b]) for a, b in zip(first, second, strict=True))
    return charges, recorded, inside, again, cell.channel_path


def run_writer(model: Path, library: Path) -> list[str]:
    """What attaching ki, then nai, in a model with mechanisms of `library` says."""
    assert h.nrn_load_dll(str(library)) == 1.0
    said = []
    for ion in ("k", "na"):
        try:
            attach(model, others=(IonSegments(ion, ("head(0.5)",)),))
            said.append("attached")
        except InputError as error:
            said.append(str(error))
    return said


def run_spine(model: Path) -> Any:
    """(2000, 4): head and soma voltage, ions, calcium of the example over 200 ms at constant calcium."""
    cell = attach(model)
    rows = []
    for _ in range(2000):
        cell.advance(4)
        rows.append([*cell.read("v"), float(cell.read("charge")[0]) / 3.204353268e-4])
    return np.array(rows), cell.channel_path


if __name__ == "__main__":
    run, model, out, *rest = sys.argv[1:]
    result = globals()[f"run_{run}"](Path(model), *map(Path, rest))
    Path(out).write_bytes(pickle.dumps(result))
