"""Concentrations that the chemistry, the model's pool and single mechanisms each have for themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.neuron import insert_cav
from adapters.neuron.coupling.ownership import ownership
from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import nmodl
from adapters.neuron.mechanisms.given import with_given
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.in_fork import in_fork
from support.paths import SUPPORT

MOD = SUPPORT / "published" / "mod"

CELL = """
load_file("stdrun.hoc")
create soma
soma { L = 20  diam = 20  insert hh  insert hva  insert pool  insert kslow }
objref c
soma c = new IClamp(0.5)
c.del = 1
c.dur = 1e9
c.amp = 0.3
celsius = 20
v_init = -65
"""

ALL = {"from": "s.Ca", "to": "neuron.cai"}
NAMED = {**ALL, "mechanisms": ["kslow"]}

campaign = pytest.mark.acceptance
compiled = pytest.mark.skipif(nmodl.nrnivmodl() is None, reason="MOD files need a compiler")


def simulation(folder: Path, *links: dict[str, Any], more: str = "", tau: float = 20, **keys: Any) -> Simulation:
    """Of a cell whose site has a decay time `tau` ms, as its pool has 20. keys: of [neuron]."""
    folder.mkdir()
    (folder / "cell.hoc").write_text(CELL + more)
    site = {"name": "s", "segment": "soma(0.5)", "geometry": {"shell": {"depth": "0.1 um"}}, "engine": "ode"}
    removed = {"equation": "Ca <-> Ca_out", "forward": f"{1e3 / tau} /s", "backward": f"{100 / tau} uM/s"}
    experiment = Experiment.parse(
        {
            "experiment": {"name": "own", "duration": "40 ms", "exchange": "0.025 ms"},
            "neuron": {"model": str(folder / "cell.hoc"), "mechanisms": str(MOD), "dt": "0.025 ms", **keys},
            "chemistry": {
                "species": {"Ca": {"contains": {"Ca": 1}}},
                "reservoirs": ["Ca_out"],
                "reactions": [removed],
                "initial": {"Ca": "0.1 uM"},
            },
            "site": [site],
            "link": [{"from": "neuron.ica", "to": "s.Ca"}, *links],
            "record": {"every": "0.025 ms", "voltages": ["soma(0.5)"], "ranges": ["soma(0.5).z_kslow"]},
        }
    )
    return Simulation.new(experiment, folder / "out")


def course(made: Simulation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """V, the segment's cai, and the gate of kslow."""
    made.run()
    assert made.folder is not None
    with h5py.File(made.folder / "results.h5") as file:
        return tuple(file[f"neuron/{name}"][:, 0] for name in ("v", "cai", "range_z_kslow"))  # type: ignore[return-value]


def described(made: Simulation, start: str) -> str:
    return next(line for line in made.system.describe if line.startswith(start))


@campaign
@compiled
@in_fork
def test_a_named_mechanism_alone_reads_the_chemistry(tmp_path: Path) -> None:
    """Its pool goes on for all others: a site as fast as it changes nothing, a faster one kslow alone."""
    v, cai, z = course(simulation(tmp_path / "same", NAMED))
    quick = simulation(tmp_path / "quick", NAMED, tau=2)
    assert "kslow: the chemistry's instead" in described(quick, "cai of soma")
    assert described(quick, "eca of").endswith("as without couple")
    _, cai_quick, z_quick = course(quick)
    # Afterwards: of the mechanism that was loaded for these, all instances read the model's again.
    alone = course(simulation(tmp_path / "alone"))
    assert np.abs(v - alone[0]).max() < 0.2
    assert np.abs(cai / alone[1] - 1).max() < 2e-3
    assert np.abs(z - alone[2]).max() < 0.01
    assert np.abs(z_quick - alone[2]).max() > 0.1
    # The pool of a cell that fires more has more: it is the model's own all the same.
    assert cai_quick.max() > 1.2 * cai.max()


@campaign
@compiled
@in_fork
def test_a_pool_that_is_emulated_goes_on_as_alone(tmp_path: Path) -> None:
    """Where V is held its calcium is, to the bit, that of the model alone, whatever the chemistry hands over."""
    held = "objref e\nsoma { gbar_kslow = 0  e = new SEClamp(0.5)  e.dur1 = 1e9  e.amp1 = 0 }\nsoma eca = 100\n"
    keys = {"cai_writers": "emulate", "eca": "keep"}
    style = 'soma ion_style("ca_ion", 3, 1, 0, 0, 0)\n'
    alone = simulation(tmp_path / "alone", more=held + style)
    _, cai, _ = course(alone)
    emulated = simulation(tmp_path / "emulated", ALL, more=held + style, tau=2, **keys)
    assert "what pool writes is not read" in described(emulated, "cai of soma")
    course(emulated)
    name = next(n for n in dir(h) if n.startswith("couple_own_ca_"))
    assert h.List(name).o(0).own == cai[-1] != emulated.system.electrics.read("cai")[0]  # type: ignore[union-attr]


@campaign
@compiled
@in_fork
def test_what_another_ion_is_written_by_can_stay_or_go(tmp_path: Path) -> None:
    """Of an ion of any name: held against its writer to the bit of what the chemistry says."""
    pool2 = (MOD / "pool.mod").read_text().replace("SUFFIX pool", "SUFFIX pool2").replace("USEION ca", "USEION Ca")
    pool2 = pool2.replace("ica", "iCa").replace("cai", "Cai").replace("RANGE depth", "VALENCE 2  RANGE depth")
    (tmp_path / "pool2.mod").write_text(pool2)
    reader = "NEURON { SUFFIX seen2 USEION Ca READ Cai VALENCE 2 RANGE c, solved }\nASSIGNED { Cai c solved }\n"
    reader += "INITIAL { c = Cai }\nBREAKPOINT { SOLVE look  c = Cai }\nPROCEDURE look() { solved = Cai }\n"
    (tmp_path / "seen2.mod").write_text(reader)
    links = [{"from": "neuron.iCa", "to": "s.Ca"}, {"from": "s.Ca", "to": "neuron.Cai"}]
    more = "soma { insert cat2  insert pool2  insert seen2 }\n"
    folders = [str(MOD), str(tmp_path / "pool2.mod"), str(tmp_path / "seen2.mod")]
    with pytest.raises(InputError, match='"pool2" in soma writes Cai'):
        simulation(tmp_path / "refused", *links, more=more, mechanisms=folders)
    made = simulation(tmp_path / "ignored", *links, more=more, mechanisms=folders, cai_writers="ignore")
    handed = 0.0
    for _ in range(40):
        handed = float(made.system.electrics.read("Cai")[0])  # type: ignore[union-attr]
        made.step()
        assert h.soma(0.5).seen2.solved == handed
    assert handed > 2e-4
    gone = simulation(tmp_path / "removed", *links, more=more, mechanisms=folders, cai_writers="remove")
    assert not h.soma.has_membrane("pool2")
    assert "pool2 taken out of soma" in " ".join(gone.system.describe)


@campaign
@compiled
@in_fork
def test_calcium_that_no_link_takes_up_is_told_with_its_share(tmp_path: Path) -> None:
    made = simulation(tmp_path / "two", more="soma insert cat2\n")
    made.run()
    assert made.folder is not None
    with h5py.File(made.folder / "results.h5") as file:
        ca, past = (np.abs(file[f"neuron/{name}"][:]).sum() for name in ("charge", "charge_Ca"))
    with Results(made.folder) as results:
        assert results.calcium_not_linked() == {"Ca": pytest.approx(past / (past + ca), rel=1e-12)}
    assert 0.1 < past / (past + ca) < 1
    assert any("in the summary of the run" in warning for warning in made.system.plan.warnings)


READER = """
NEURON { SUFFIX x USEION ca READ cai, eca USEION k READ ek WRITE ik RANGE g }
INITIAL { g = f(cai) }
BREAKPOINT { SOLVE s METHOD cnexp  ik = g*cai : cai stays here
}
DERIVATIVE s { g' = -g*cai }
FUNCTION f(cai (mM)) { f = 2*cai }
PROCEDURE own() { LOCAL cai
  cai = 3 }
"""


def test_readings_of_a_concentration_are_replaced_where_they_are_the_ions() -> None:
    text = with_given(READER, "ca", Path("x.mod"), "link[0].mechanisms")
    given = "(cai + couple_has_cai*(couple_cai - cai))"
    assert f"g = f({given})" in text
    assert f"ik = g*{given} : cai stays here" in text
    assert f"g' = -g*{given}" in text
    assert "f = 2*cai }" in text
    assert "  cai = 3 }" in text
    assert "USEION ca READ cai, eca USEION k" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NEURON { SUFFIX x USEION ca READ ica WRITE cai }", "writes cai"),
        ("NEURON { SUFFIX x USEION ca READ eca USEION cal READ cali }", "does not read cai"),
        ("NEURON { SUFFIX x USEION ca READ cai }\nVERBATIM\nx = _ion_cai;\nENDVERBATIM", "in VERBATIM or TABLE"),
        ("NEURON { SUFFIX x USEION ca READ cai }\nPROCEDURE r() { TABLE a DEPEND cai FROM 0 TO 1 WITH 9 }", "TABLE"),
    ],
)
def test_what_cannot_be_given_a_concentration_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_given(text, "ca", Path("x.mod"), "link[0].mechanisms")


def test_channels_of_ours_read_as_those_of_a_model() -> None:
    section = h.Section(name="one")
    insert_cav(section, 1e-4)
    concentration, reversal = ownership("ca", [section(0.5)])[0]
    assert concentration == "constant, read by nothing" and reversal.endswith("read by couple_cav")
