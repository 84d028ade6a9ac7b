"""Sites that share a segment: charge is split, concentration averaged, conductance added; nobody sees the others."""

from pathlib import Path

import numpy as np
import pytest

from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.wiring import wire
from support.paths import EXAMPLES

SPINE = EXAMPLES / "spine" / "spine.toml"


def sharing(*engines: str, seed: int = 1) -> Experiment:
    """The spine example with several sites in the head, whatever their engines, and links by pattern."""
    source = Experiment.load(SPINE).source
    source["experiment"] |= {"duration": "30 ms", "seed": seed}
    source["site"] = [{"name": f"s{i}", "segment": "head(0.5)", "engine": engine} for i, engine in enumerate(engines)]
    source["link"] = [
        {"from": "neuron.ica", "to": "*.Ca"},
        {"from": "*.Ca", "to": "neuron.cai"},
        {"from": "*.SK_open", "to": "neuron.SK", "conductance": "10 pS"},
    ]
    return Experiment.parse(source, path=SPINE)


def test_charge_concentration_and_conductance_of_a_shared_segment(tmp_path: Path) -> None:
    simulation = Simulation.new(sharing("ssa", "ode", "ssa"), tmp_path / "out")
    cell, engines = simulation.system.electrics, simulation.system.engines
    assert cell is not None and [e.name for e in engines] == ["ssa", "s1"]
    volume = engines[0].sites[0].geometry.volume
    area = engines[0].sites[0].geometry.area
    charge = 0.0
    for _ in range(299):
        simulation.step()
        charge += cell.read("charge")[0]
        free = sum(e.read("counts")[:, 0].sum() for e in engines)
        expected = max(free, 0.5) / (3 * volume * IONS_PER_MM_UM3)
        assert cell.read("cai")[0] == pytest.approx(expected, rel=1e-12)
        opened = sum(e.read("means")[:, 0].sum() for e in engines)
        assert cell.read("g").sum() == pytest.approx(opened * 10 * 1e-4 / area, rel=1e-12)
    links = simulation.orchestrator.ledger().links
    third = charge * 3120.7545 / 3
    assert third > 50
    for link in links:
        assert link.sent == pytest.approx(third, rel=1e-6)
        assert link.sent == pytest.approx(link.received + link.carried - link.owed, abs=1e-6)
    assert simulation.orchestrator.ledger().max_imbalance < 1e-8


def test_cai_is_that_of_the_compartment_in_which_calcium_is(tmp_path: Path) -> None:
    source = sharing("ode", "ssa").source
    source["chemistry"]["compartments"] = {"cytosol": {"share": 0.8}}
    for species in source["chemistry"]["species"].values():
        species.setdefault("on", "cytosol")
    simulation = Simulation.new(Experiment.parse(source, path=SPINE), tmp_path / "out")
    cell, engines = simulation.system.electrics, simulation.system.engines
    assert cell is not None
    inside = 2 * 0.8 * engines[0].sites[0].geometry.volume
    first = cell.read("cai")[0]
    assert first == pytest.approx(1e-4, rel=0.2)  # 0.1 uM, but for whole ions
    for _ in range(20):
        simulation.step()
        free = sum(e.read("counts")[:, 0].sum() for e in engines)
        assert cell.read("cai")[0] == pytest.approx(max(free, 0.5) / (inside * IONS_PER_MM_UM3), rel=1e-12)


def test_a_sites_molecules_do_not_depend_on_other_sites(tmp_path: Path) -> None:
    """Driven alike, a site alone, among others, and in another order does the same to the bit."""
    source = Experiment.load(SPINE).source
    del source["neuron"], source["link"], source["record"]
    source["experiment"] |= {"duration": "5 ms"}
    source["drive"] = [{"to": "*.Ca", "influx": {"times": "0 5 ms", "rate": "300 /ms"}}]
    cylinder = {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}

    def counts(*names: str) -> dict[str, np.ndarray]:
        sites = [{"name": n, "geometry": cylinder, "engine": "ssa"} for n in names]
        simulation = Simulation.new(Experiment.parse(source | {"site": sites}), tmp_path / "-".join(names))
        simulation.run()
        (engine,) = simulation.system.engines
        return dict(zip(names, engine.read("counts").copy(), strict=True))

    alone, among, turned = counts("b"), counts("a", "b", "c"), counts("c", "b", "a")
    for name in among:
        assert np.array_equal(among[name], turned[name])
    assert np.array_equal(alone["b"], among["b"])
    assert not np.array_equal(among["a"], among["b"])  # streams differ: the control


@pytest.mark.parametrize("engine", ["ssa", "ode"])
def test_a_clamp_holds_its_own_site_only(engine: str, tmp_path: Path) -> None:
    source = Experiment.load(SPINE).source
    del source["neuron"], source["link"], source["record"]
    source["experiment"] |= {"duration": "5 ms"}
    cylinder = {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}
    source["site"] = [{"name": n, "geometry": cylinder, "engine": engine} for n in ("a", "b")]
    source["drive"] = [{"to": "a.Ca", "influx": {"times": "0 5 ms", "rate": "300 /ms"}}]

    def of_a(name: str, *drives: dict[str, str]) -> np.ndarray:
        made = Simulation.new(Experiment.parse(source | {"drive": source["drive"] + [*drives]}), tmp_path / name)
        made.run()
        engine = next(e for e in made.system.engines if e.sites[0].name == "a")
        return engine.read("counts")[0].copy()

    assert np.array_equal(of_a("free"), of_a("beside", {"to": "b.Ca", "clamp": "1 uM"}))


def test_the_wiring_is_described_with_units() -> None:
    lines = "\n".join(wire(sharing("ssa", "ode")).describe)
    assert "charge of the window [fC] x 3120.75 ions/fC, 0.5 of the segment" in lines
    assert "s0.Ca + s1.Ca -> neuron.cai" in lines and "half an ion" in lines
    assert "10 pS = 0.00127324 S/cm^2 each, k ion" in lines
