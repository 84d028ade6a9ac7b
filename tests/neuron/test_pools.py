"""Calcium pools read as chemistry: what `couple import-pool` makes of MOD files and models, and that it is the same."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from adapters.neuron.mechanisms import nmodl
from adapters.neuron.pools.blocks import PooledSegments, pool_blocks
from adapters.neuron.pools.law import pool_law
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.spike_trains import spike_times
from support.command_line import couple
from support.paths import SUPPORT

POOLS, PUBLISHED = SUPPORT / "pools", SUPPORT / "published" / "mod"


def test_depth_tau_gamma_and_rest_are_those_of_the_file() -> None:
    found = pool_law((POOLS / "decay.mod").read_text(), "decay.mod", {"decay": 100.0, "minCai": 2e-4})
    assert found.depth == pytest.approx(0.1, rel=1e-9)
    assert found.gamma == pytest.approx(0.05, rel=1e-9)
    assert found.matrix == pytest.approx(np.array([[-1 / 100]]), rel=1e-9)
    assert found.rest == pytest.approx([2e-4], rel=1e-9)
    assert not found.one_way


def test_two_compartments_exchange_what_one_loses() -> None:
    found = pool_law((POOLS / "core.mod").read_text(), "core.mod")
    through = 0.02 * 2 / (0.2 + 1.5)
    expected = np.array([[-through / 0.2, through / 0.2], [through / 1.5, -through / 1.5 - 1 / 60]])
    assert found.states == ("shell", "core")
    assert found.depth == pytest.approx(0.2, rel=1e-9)
    assert found.matrix == pytest.approx(expected, rel=1e-9)
    assert found.rest == pytest.approx([1e-4, 1e-4], rel=1e-9)
    assert found.one_way


PUMPED = """
NEURON { SUFFIX x USEION ca READ ica WRITE cai }
STATE { cai }
BREAKPOINT { SOLVE s METHOD cnexp }
DERIVATIVE s { cai' = -ica - RATE }
"""


BUFFERED = """
NEURON { SUFFIX x USEION ca READ ica WRITE cai }
STATE { cai }
INITIAL { cai = 1e-4 b = 1 }
BREAKPOINT { SOLVE s METHOD sparse }
KINETIC s { ~ cai << (-ica)
~ cai + b <-> b (1, 2)
}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PUMPED.replace("RATE", "cai/(cai + 0.001)"), "not linear"),
        (PUMPED.replace("RATE", "kpump*cai"), 'nothing says what "kpump" is'),
        (PUMPED.replace("-ica - RATE", "ica"), "does not enter cai alone"),
        (PUMPED.replace("DERIVATIVE s {", "PROCEDURE s() {"), "solves a PROCEDURE block"),
        (PUMPED.replace("RATE", "ica/diam"), 'what "diam" is; it is that of a segment'),
        ("STATE { b }" + BUFFERED, "not linear"),
        (BUFFERED.replace("b (1, 2)", "3.5b (1, 2)"), '"3.5b" is not read'),
        (PUMPED.replace("READ ica WRITE cai", "READ cai WRITE ica"), "writes no concentration"),
        (PUMPED.replace("WRITE cai", "WRITE cai, ica"), "carries a current besides"),
        (PUMPED.replace("RATE", "system(1)"), 'unknown name "system"'),
        (PUMPED.replace("RATE }", "RATE"), "never closed"),
    ],
)  # fmt: skip
def test_what_is_no_pool_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        pool_law(text, "x.mod")


def test_laws_in_other_words() -> None:
    phi = """
    NEURON { SUFFIX x USEION ca READ ica WRITE cai RANGE phi, beta }
    PARAMETER { phi = 2 beta = 0.05 (/ms) }
    STATE { cai (mM) }
    INITIAL { cai = 0 }
    BREAKPOINT { SOLVE s METHOD cnexp }
    DERIVATIVE s { cai' = -phi*ica - beta*cai }
    """
    drive = """
    NEURON { SUFFIX y USEION cal READ ical, cali WRITE cali VALENCE 2 }
    UNITS { FARADAY = (faraday) (10000 coulomb) }
    PARAMETER { depth = .1 (um) taur = 200 (ms) cainf = 2.4e-4 (mM) }
    STATE { ca (mM) }
    INITIAL { ca = cainf }
    BREAKPOINT { SOLVE state METHOD derivimplicit }
    DERIVATIVE state {
      channel(ical)
      ca' = flow + (cainf - ca)/taur
      cali = ca
    }
    PROCEDURE channel(i (mA/cm2)) {
      flow = - i/(2 * FARADAY * depth)
      if (flow <= 0.) { flow = 0. } else { flow = flow*1 }
    }
    """
    found = pool_law(phi, "x.mod")
    assert found.depth == pytest.approx(1e4 / (2 * 96485.3321233 * 2), rel=1e-9)
    assert found.rest == pytest.approx([0.0], abs=1e-15)
    other = pool_law(drive, "y.mod")
    assert (other.ion, other.currents, other.states) == ("cal", ("cal",), ("ca",))
    assert other.depth == pytest.approx(0.1, rel=1e-9)
    assert other.one_way


SHELL = """
NEURON { SUFFIX x USEION ca READ ica WRITE cai }
UNITS { F = (faraday) (coulomb) }
PARAMETER { part = 0.02  depth = 1e-4 (cm)  tau = 70 (ms)  rest = 5e-5 (mM) }
STATE { cai }
INITIAL { cai = rest }
BREAKPOINT { SOLVE s METHOD cnexp }
DERIVATIVE s { cai' = -part*ica/(2*F*depth) - (cai - rest)/tau }
"""


def test_depth_and_free_fraction_are_told_apart_by_what_they_do() -> None:
    found = pool_law(SHELL, "x.mod")
    assert (found.depth, found.gamma) == pytest.approx((1.0, 0.02), rel=1e-9)
    whole = pool_law(SHELL.replace("/(2*F*depth)", "*4e4/(2*F*diam)"), "x.mod", {"diam": 2.0})
    assert (whole.depth, whole.gamma) == pytest.approx((0.5, 0.02), rel=1e-9)
    nearly = pool_law(SHELL.replace("part = 0.02", "part = 0.999"), "x.mod")
    assert (nearly.depth, nearly.gamma) == pytest.approx((1 / 0.999, 1.0), rel=1e-9)


def test_functions_of_the_file_are_called() -> None:
    called = "rate(-part*flow(2*ica)/(2*F*depth), cai - lowest())"
    functions = """
    FUNCTION rate(in, c) { if (flow(in) < 1e9) { rate = in - c/tau } else { rate = 0 } }
    FUNCTION flow(i (mA/cm2)) (mA/cm2) { flow = i/2 }
    FUNCTION lowest() { lowest = rest }
    """
    text = SHELL.replace("-part*ica/(2*F*depth) - (cai - rest)/tau", called) + functions
    assert pool_law(text, "x.mod").key == pool_law(SHELL, "x.mod").key


def test_shells_of_a_kinetic_block() -> None:
    diam, d, removal = 2.0, 0.2, 0.05
    found = pool_law((POOLS / "radial.mod").read_text(), "radial.mod", {"diam": diam})
    outer = 1 - np.arange(4) / 4
    volume = diam**2 * np.pi * (outer**2 - (outer - 1 / 4) ** 2) / 4
    through = 4 * d * np.pi * outer[1:]
    expected = -removal * np.eye(4)
    for i in range(3):
        for a, b in ((i, i + 1), (i + 1, i)):
            expected[a, b] += through[i] / volume[a]
            expected[a, a] -= through[i] / volume[a]
    assert found.states == ("ca__0", "ca__1", "ca__2", "ca__3")
    assert found.matrix == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert found.rest == pytest.approx([1e-4] * 4, rel=1e-6)
    assert found.depth == pytest.approx(volume[0] / (np.pi * diam), rel=1e-9)
    assert "species.Ca_ca_3" in pool_blocks([PooledSegments(found, "x", ("soma",))], "ode")


def test_the_blocks_are_an_experiment(tmp_path: Path) -> None:
    """What is printed for a file is read as it is, of several pools with species of their own."""
    laws = [pool_law((POOLS / f"{name}.mod").read_text(), name) for name in ("decay", "core")]
    text = pool_blocks([PooledSegments(found, found.name, ("soma",)) for found in laws], "ode")
    head = (
        '[experiment]\nname = "x"\nduration = "1 ms"\nexchange = "0.1 ms"\n[neuron]\nmodel = "c.hoc"\ndt = "0.1 ms"\n'
    )
    (tmp_path / "c.hoc").write_text("create soma\n")
    (tmp_path / "x.toml").write_text(head + text)
    experiment = Experiment.load(tmp_path / "x.toml")
    network = experiment.network()
    assert list(network.names) == ["Ca_1", "Ca_2", "Ca_2_core"]
    assert [link.free_fraction for link in experiment.link] == [0.05, 1.0, 1.0, 1.0]


CELL = """
load_file("stdrun.hoc")
create soma, dend
connect dend(0), soma(1)
soma { L = 20  diam = 20  insert hh  insert hva  insert POOL  insert kslow  VALUES }
dend { L = 50  diam = 2  nseg = 3  insert pas  insert hva  insert POOL  gbar_hva = 0.0005 }
objref c
soma c = new IClamp(0.5)
c.del = 5
c.dur = 1e9
c.amp = 0.55
celsius = 20
v_init = -65
"""


@pytest.mark.acceptance
@pytest.mark.skipif(nmodl.nrnivmodl() is None, reason="MOD files need a compiler")
@pytest.mark.parametrize(
    ("pool", "values"),
    [
        ("decaying", "gbar_hva = 0.006  gbar_kslow = 0.0005"),
        ("cored", "gbar_hva = 0.001  gbar_kslow = 0.001"),
    ],
)
def test_sites_reproduce_the_pool_of_a_model(
    pool: str, values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cai within 1 % and spikes within 0.2 ms over 500 ms; a control whose depth is 5 % off is further away."""
    monkeypatch.chdir(tmp_path)
    Path("cell.hoc").write_text(CELL.replace("POOL", pool).replace("VALUES", values))
    mods = [flag for folder in (POOLS, PUBLISHED) for flag in ("--mechanisms", str(folder))]
    assert not couple("import-pool", "*", "--model", "cell.hoc", *mods, "--out", "site.toml")
    alone, cai = course("site.toml", ["neuron.cai_writers=refuse"], listening=True)
    spikes, handed = course("site.toml", [])
    assert len(alone) > 10
    assert np.abs(spikes - alone).max() < 0.2
    assert np.abs(handed / cai - 1).max() < 0.01
    depth = Experiment.load("site.toml").site[0].geometry
    assert depth is not None and depth.shell is not None
    off, other = course("site.toml", [f"site.0.geometry.shell.depth={1.05 * depth.shell.depth:.9g} um"])
    assert len(off) != len(alone) or np.abs(off - alone).max() > 0.2 or np.abs(other / cai - 1).max() > 0.01


def course(file: str, changes: list[str], *, listening: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of the soma, ms, and cai of all segments at every step, mM. listening: nothing is handed over."""
    experiment = Experiment.load(file, [*changes, "experiment.exchange=0.025 ms", "record.every=0.025 ms"])
    if listening:
        kept = tuple(link for link in experiment.link if link.source.startswith("neuron."))
        experiment = experiment.model_copy(update={"link": kept})
    out = Path(f"out{len([*Path().glob('out*')])}")
    Simulation.new(experiment, out).run()
    with h5py.File(out / "results.h5") as found:
        v, cai, time = found["neuron/v"][:, 0], found["neuron/cai"][:], found["time"][:]
    return spike_times(v, time, -20.0), cai
