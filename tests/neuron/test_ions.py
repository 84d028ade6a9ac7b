"""Ions of any name and valence between NEURON and sites: charge, concentration, reversal potential, who may write."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.coupling import charge_over_window as charge
from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import nmodl
from couple.base.errors import InputError
from couple.base.units import ELEMENTARY_CHARGES_PER_FC, IONS_PER_MM_UM3
from couple.components.attachments import Attachments, IonSegments
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.wiring import wire
from support.neuron_models import IONS, PASSIVE, attach, fresh, loop, spec

RT_F = 1e3 * 8.31446261815324 * (273.15 + 34) / 96485.33212


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    path = tmp_path / "cell.py"
    path.write_text(IONS)
    return path


@pytest.mark.parametrize("compiler", [True, False])
def test_charge_concentration_and_reversal_of_every_ion(cell: Path, tmp_path: Path, compiler: bool) -> None:
    charges, recorded, inside, again, path = fresh("ions", cell, tmp_path / "out", compiler=compiler)
    assert path == "KSChan" or compiler
    assert np.abs(recorded).max(axis=0).min() > 1e-4
    np.testing.assert_allclose(charges, recorded, rtol=1e-12, atol=1e-12 * np.abs(recorded).max())
    windows = np.arange(100)
    expected = [1e-4 * (1 + windows % 5), 100 + windows % 7, 10 + windows % 3, 0.1 + 0.01 * (windows % 4), 0.2]
    outside, valence = [2.0, 2.5, 140.0, 3.0, 3.0], [2, 1, 1, 2, 2]
    for k in range(5):
        np.testing.assert_array_equal(inside[:, k, 0], expected[k])
        nernst = RT_F / valence[k] * np.log(outside[k] / inside[:, k, 0])
        np.testing.assert_allclose(inside[:, k, 1], nernst, rtol=1e-9)
    assert again, "a restored model goes on otherwise"


def test_the_sum_for_any_ion_is_that_for_calcium(cell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = loop(attach(cell), range(100))
    monkeypatch.setattr(charge, "CALCIUM", "")
    assert np.array_equal(loop(attach(cell), range(100)), own)
    assert np.ptp(own[:, 2]) > 0


def test_another_writer_is_refused_by_name(tmp_path: Path) -> None:
    from neuron import rxd

    (tmp_path / "cell.py").write_text(PASSIVE)
    loaded = load_model(spec(tmp_path / "cell.py"))
    region = rxd.Region(list(h.allsec()), nrn_region="i")
    sodium = rxd.Species(region, name="na", charge=1, initial=10)
    with pytest.raises(InputError, match=r'"rxd" in head writes nai.*region of na'):
        loaded.attach(Attachments((), (), (), others=(IonSegments("na", ("head(0.5)",)),)))
    del sodium, region


KDYN = """
NEURON { SUFFIX test_kdyn USEION k READ ik WRITE ki }
ASSIGNED { ik }
STATE { ki }
BREAKPOINT { SOLVE change METHOD cnexp }
DERIVATIVE change { ki' = -ik }
"""


def test_a_mechanism_that_writes_potassium_is_named(cell: Path, tmp_path: Path) -> None:
    """It stands in the way of ki alone; where it may stay, chemistry can have sodium."""
    (tmp_path / "kdyn.mod").write_text(KDYN)
    compiler = nmodl.nrnivmodl()
    assert compiler is not None
    subprocess.run([compiler], cwd=tmp_path, capture_output=True, check=False)
    cell.write_text(IONS.replace("add_zz(head);", "add_zz(head); head.insert('test_kdyn');"))
    answer = fresh("writer", cell, tmp_path / "out", next(tmp_path.glob("*/libnrnmech.*")))
    assert answer == [
        'neuron.cai_writers: mechanism "test_kdyn" in head writes ki, which couple owns in coupled segments: '
        'set neuron.cai_writers = "remove" to take it out, or "ignore" to overrule what it writes into ki',
        "attached",
    ]


def test_no_initial_concentration_is_nerons_own(cell: Path) -> None:
    made = attach(cell, others=(IonSegments("na", ("head(0.5)",)),))
    assert made.read("nai").tolist() == [h.nai0_na_ion]
    with pytest.raises(InputError, match="1 initial concentrations are given for 2 na segments"):
        attach(cell, others=(IonSegments("na", ("head(0.1)", "head(0.9)"), (1.0,)),))


# -- from the experiment file ------------------------------------------------------------------------------------------

LINKS = [
    *({"from": f"neuron.i{ion}", "to": f"head.{ion.capitalize()}"} for ion in ("ca", "k", "na", "zz")),
    *({"from": f"head.{ion.capitalize()}", "to": f"neuron.{ion}i"} for ion in ("ca", "k", "na", "zz")),
]


def experiment(cell: Path, *more: dict[str, Any], links: list[dict[str, Any]] = LINKS, **changes: Any) -> Experiment:
    content: dict[str, Any] = {
        "experiment": {"name": "ions", "duration": "20 ms", "exchange": "0.1 ms", "max_debt": 10**9},
        "neuron": {"model": f"{cell.name}:build", "dt": "0.025 ms", "celsius": 34.0, "v_init": "-65 mV"},
        "chemistry": {
            "species": {name: {"contains": {name: 1}} for name in ("Ca", "K", "Na", "Zz")},
            "initial": {"Ca": "0.1 uM", "K": "100 mM", "Na": "10 mM"},
        },
        "site": [{"name": "head", "segment": "head(0.5)", "engine": "ode"}],
        "link": [*links, *more],
        "record": {"every": "0.1 ms"},
        **changes,
    }
    return Experiment.parse(content, path=cell.with_name("ions.toml"))


@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_every_ion_of_a_closed_loop_is_accounted_for(cell: Path, tmp_path: Path, engine: str) -> None:
    site = [{"name": "head", "segment": "head(0.5)", "engine": engine}]
    run = Simulation.new(experiment(cell, site=site), tmp_path / "out")
    model, (chemistry,) = run.system.electrics, run.system.engines
    assert model is not None
    start, volume = chemistry.read("counts")[0].copy(), chemistry.sites[0].geometry.volume
    ports = {"Ca": ("charge", 2), "K": ("charge_k", 1), "Na": ("charge_na", 1), "Zz": ("charge_zz", 2)}
    crossed = dict.fromkeys(ports, 0.0)
    for _ in range(200):
        run.step()
        for i, (name, (port, valence)) in enumerate(ports.items()):
            crossed[name] += float(model.read(port)[0]) * ELEMENTARY_CHARGES_PER_FC / valence
            handed = float(model.read(f"{name.lower()}i")[0])
            least = max(chemistry.read("counts")[0, i], 0.5)
            assert handed == pytest.approx(least / (IONS_PER_MM_UM3 * volume), rel=1e-12)
    ledger = run.orchestrator.ledger()
    assert ledger.max_imbalance <= (0 if engine == "ssa" else 1e-9 * start.max())
    for i, (link, name) in enumerate(zip(ledger.links, ports, strict=True)):
        assert abs(link.sent - crossed[name]) < 1e-6 * max(1, abs(crossed[name]))
        held = float(chemistry.read("counts")[0, i])
        assert held - start[i] == pytest.approx(link.sent - link.carried + link.owed, abs=1e-9 * max(start[i], 1))
    # Potassium leaves and the others enter; control: with the valence of calcium half as much would have crossed.
    assert crossed["K"] < -100 and crossed["Na"] > 100 and crossed["Ca"] > 10
    assert ledger.floored.keys() <= {"head.Zz -> neuron.zzi"}


def test_an_empty_site_hands_over_half_an_ion(cell: Path, tmp_path: Path) -> None:
    run = Simulation.new(experiment(cell, links=[{"from": "head.Zz", "to": "neuron.zzi"}]), tmp_path / "out")
    run.step()
    volume = run.system.engines[0].sites[0].geometry.volume
    assert run.system.electrics is not None
    assert run.system.electrics.read("zzi")[0] == pytest.approx(0.5 / (IONS_PER_MM_UM3 * volume), rel=1e-12)
    assert run.orchestrator.ledger().floored == {"head.Zz -> neuron.zzi": 1}


def test_recorded_and_replayed(cell: Path, tmp_path: Path) -> None:
    record = {"every": "0.1 ms", "variables": ["charge", "nai", "counts"], "species": "all"}
    made = experiment(cell, record=record)
    Simulation.new(made, tmp_path / "first").run()
    with h5py.File(tmp_path / "first" / "results.h5") as file:
        assert set(file["neuron"]) == {"charge", "charge_k", "charge_na", "charge_zz", "nai"}
        first = file["head/counts"][:, 0]
    source = made.source | {"drive": [], "link": [], "record": {"every": "0.1 ms", "species": "all"}}
    del source["neuron"]
    source["site"] = [{**source["site"][0], "geometry": {"cylinder": {"diameter": "1 um", "length": f"{1 / 3} um"}}}]
    del source["site"][0]["segment"]
    source["drive"] = [
        {"to": f"head.{name}", "replay": f"first/results.h5:neuron.i{name.lower()}"} for name in ("Ca", "K", "Na")
    ]
    Simulation.new(Experiment.parse(source, path=tmp_path / "again.toml"), tmp_path / "second").run()
    with h5py.File(tmp_path / "second" / "results.h5") as file:
        again = file["head/counts"][:, 0]
    assert again.shape == first.shape
    moved, expected = (counts[:, :3] - counts[0, :3] for counts in (again, first))
    np.testing.assert_allclose(moved, expected, rtol=0, atol=1e-9 * first.max())
    assert np.abs(first[-1, :3] - first[0, :3]).min() > 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"more": {"from": "neuron.icl", "to": "head.K"}}, r"link\[8\].*neuron\.icl.*ca, k, na, zz"),
        ({"more": {"from": "head.K", "to": "neuron.ko"}}, r"link\[8\].*neuron\.ko.*cannot"),
        ({"more": {"from": "neuron.ik", "to": "head.Na"}}, r"link\[8\].*neuron\.ik.*counts twice"),
        ({"links": [{"from": "head.K", "to": "neuron.ki", "conductance": "10 pS"}]}, r"link\[0\].*concentration of k"),
        ({"record": {"variables": ["cli"]}}, r"record\.variables\[0\].*\"cli\""),
        ({"record": {"variables": ["meanz"]}}, r"record\.variables.*\"meanz\" is not recorded"),
    ],
)
def test_bad_input(cell: Path, changes: dict[str, Any], says: str) -> None:
    more = [changes.pop("more")] if "more" in changes else []
    with pytest.raises(InputError, match=says):
        wire(experiment(cell, *more, **changes))


def test_describe_names_the_valence_by_its_number(cell: Path) -> None:
    lines = wire(experiment(cell)).describe
    assert any("neuron.ik -> head.K" in line and "6241.51 ions/fC" in line for line in lines)
    assert any("neuron.izz -> head.Zz" in line and "3120.75 ions/fC" in line for line in lines)
