"""A dendrite as one finite-element site in the loop: NEURON's segments above it, necks that open into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.fem.cable_pde import CableReactionDiffusion
from adapters.fem.field_engine import FieldOptions
from adapters.fem.mesh.dendrite import mesh_dendrite
from couple.analysis.plot import figure, kinds_of
from couple.base.errors import InputError, RunError
from couple.components.engine import EngineSetup, Site
from couple.experiment import Experiment
from couple.geometry.cable import Branch, Cable, Foot
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire
from support.forked_cell import CELL
from support.networks import spine, spine_site
from support.paths import EXAMPLES

NECK = {"diameter": "0.15 um", "length": "0.6 um"}
HEAD = {"diameter": "0.5 um", "length": "0.5 um"}
SHAFT = {"name": "shaft", "sections": ["trunk", "left", "right"], "engine": "pde", "pde": {"resolution": "0.25 um"}}
CHEMISTRY = {
    "species": {
        "Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}},
        "B": {"D": "20 um^2/s"},
        "CaB": {"D": "20 um^2/s", "contains": {"Ca": 1}},
        "P": {"on": "membrane"},
        "CaP": {"on": "membrane", "contains": {"Ca": 1}},
    },
    "reservoirs": ["Ca_out"],
    "observables": {"pumping": ["CaP"]},
    "reactions": [
        {"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"},
        {"equation": "Ca + P <-> CaP", "forward": "1.5e8 /M/s", "backward": "15 /s"},
        {"equation": "CaP -> P + Ca_out", "forward": "12 /s"},
        {"equation": "P + Ca_out -> P + Ca", "forward": "6.667 /s"},
    ],
    "initial": {
        "Ca": "0.1 uM",
        "B": {"total": "40 uM", "at": "steady"},
        "P": {"total": "500 /um^2", "at": "steady"},
    },
}  # fmt: skip


def content(**more: Any) -> dict[str, Any]:
    return {
        "experiment": {"name": "shaft", "duration": "10 ms", "exchange": "0.1 ms", "seed": 1},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "celsius": 34.0, "v_init": "-65 mV"},
        "chemistry": CHEMISTRY,
        "spine": [
            {"name": "spine", "place": {"on": "left(0.3)", "count": 1}, "head": HEAD, "neck": NECK},
            {"name": "twig", "place": {"on": "right(0.9)", "count": 1}, "head": HEAD, "neck": NECK},
        ],
        "site": [
            SHAFT,
            {"name": "a", "segment": "spine_0.head", "engine": "lattice", "lattice": {"spacing": "25 nm"}},
            {"name": "b", "segment": "twig_0.head", "engine": "ode"},
        ],
        "link": [
            {"from": "neuron.ica", "to": "*.Ca"},
            {"from": "*.Ca", "to": "neuron.cai"},
            {"from": "shaft.pumping", "to": "neuron.KCa", "conductance": "0.001 pS"},
            {"from": "a.Ca", "to": "shaft.Ca", "through": "spine_0.neck"},
            {"from": "b.Ca", "to": "shaft.Ca", "through": "twig_0.neck"},
        ],
        **more,
    }  # fmt: skip


def experiment(folder: Path, **more: Any) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    return Experiment.parse(content(**more), path=folder / "shaft.toml")


def shaft_of(simulation: Simulation) -> CableReactionDiffusion:
    (found,) = (e for e in simulation.system.engines if isinstance(e, CableReactionDiffusion))
    return found


def test_the_loop_resolves_segments_and_loses_no_ion(tmp_path: Path) -> None:
    simulation = Simulation.new(experiment(tmp_path), tmp_path / "out")
    simulation.run()
    shaft, ledger = shaft_of(simulation), simulation.orchestrator.ledger()
    for entry in ledger.sites:
        moved = max(entry.held_at_start, abs(entry.received))
        assert abs(entry.imbalance) <= (0 if entry.site == "a" else 1e-9 * moved), entry
    # what segments hold adds up to what the site holds, of every species
    n = len(shaft.network.species)
    np.testing.assert_allclose(shaft.read("counts_along").sum(axis=0), shaft.read("counts")[0, :n], rtol=1e-12)
    with Results(tmp_path / "out") as results:
        assert results.micromolar("shaft", "Ca").max() > 0.2
        file = results.file
        names = [str(s) for s in file["shaft/counts_along"].attrs["segment"]]
        species = [str(s) for s in file["shaft/counts_along"].attrs["species"]]
        volume = np.asarray(file["shaft"].attrs["segment_volume_um3"])
        free = np.asarray(file["shaft/counts_along"])[:, :, species.index("Ca")]
        influx = np.asarray(file["shaft/influx_along"])[:, :, 0].sum(axis=0)
        segments = [str(s) for s in file["neuron/cai"].attrs["segment"]]
        cai = np.asarray(file["neuron/cai"])
        # NEURON's cai of every segment is the mean of its part of the field
        for i, name in enumerate(names):
            micromolar = free[:, i] / volume[i] / 602.214076
            np.testing.assert_allclose(cai[:, segments.index(name)] * 1e3, micromolar, rtol=1e-9)
        # calcium enters the branch with channels, and from there spreads over the tree
        assert all((influx[i] > 100) == name.startswith("left") for i, name in enumerate(names))
        at = free[-1] / volume
        assert at[names.index("left(0.583333)")] > 1.5 * at[names.index("right(0.9)")] > 0
        assert at[names.index("trunk(0.9375)")] > 1.2 * at[names.index("trunk(0.0625)")]


def test_a_killed_run_resumes_to_the_bit(tmp_path: Path) -> None:
    straight = Simulation.new(experiment(tmp_path), tmp_path / "straight")
    straight.run(until=4.0)
    broken = Simulation.new(experiment(tmp_path), tmp_path / "broken")
    broken.run(until=1.7)
    resumed = Simulation.resumed(tmp_path / "broken")
    resumed.run(until=4.0)
    assert resumed.system.memory.block.tobytes() == straight.system.memory.block.tobytes()
    a, b = shaft_of(straight).densities[0], shaft_of(resumed).densities[0]
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an engine without space": (
        {"site": [{**SHAFT, "engine": "ode"}], "spine": [], "link": []},
        ["site[0].sections", '"ode" does not resolve', 'engine = "pde"'],
    ),
    "torn": (
        {"site": [{**SHAFT, "sections": ["left", "right"]}], "spine": [], "link": []},
        ["site[0].sections", "2 pieces (left, right)"],
    ),
    "a segment": (
        {"site": [{**SHAFT, "sections": "left(0.5)"}], "spine": [], "link": []},
        ["site[0].sections", "whole sections"],
    ),
    "unknown": (
        {"site": [{**SHAFT, "sections": "lefd"}], "spine": [], "link": []},
        ["site[0].sections", '"lefd"', "left"],
    ),
    "two ways": ({"site": [{**SHAFT, "segment": "left"}]}, ["site[0]", "sections", "drop segment"]),
    "a mesh file": (
        {"site": [{**SHAFT, "pde": {"mesh": "a.msh"}}], "spine": [], "link": []},
        ["site[0]", '"shaft"', "mesh", "is a line"],
    ),
    "a unit off": (
        {"site": [{**SHAFT, "pde": {"resolution": "0.001 nm"}}], "spine": [], "link": []},
        ["site[0]", "cells", "larger"],
    ),
    "outside": (
        {"site": [{**SHAFT, "sections": "trunk"}, *content()["site"][1:]]},
        ["link[3].through", '"left" is no part of shaft', "trunk"],
    ),
    "nowhere": (
        {"link": [{"from": "a.Ca", "to": "shaft.Ca", "through": NECK}]},
        ["link[0]", "at = ", "trunk("],
    ),
    "at nothing": (
        {"link": [{"from": "a.Ca", "to": "b.Ca", "through": NECK, "at": "left(0.5)"}]},
        ["link[0].at", "leave it out"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named(case: str, tmp_path: Path) -> None:
    wrong, words = MISTAKES[case]
    with pytest.raises(InputError) as error:
        wire(experiment(tmp_path, **wrong))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_what_it_is_made_of_is_described(tmp_path: Path) -> None:
    lines = wire(experiment(tmp_path)).describe
    assert any("mesh of shaft: " in line and "2 necks" in line and "0.25 um" in line for line in lines)
    assert any(line.startswith("site shaft at trunk(0.0625) .. right(0.9)") and "cable" in line for line in lines)
    assert any("a.Ca <-> shaft.Ca" in line and "at left(0.25)" in line for line in lines)


def test_open_channels_of_a_segment_are_a_conductance_there(tmp_path: Path) -> None:
    system = (simulation := Simulation.in_memory(experiment(tmp_path))).system
    for _ in range(80):
        simulation.step()
    shaft = shaft_of(simulation)
    means, names = shaft.read("means_along")[:, 0], [v for v in system.variables if v.path == "neuron/g_density"]
    (found,) = names
    g = dict(zip(found.labels[0], system.memory.block[list(found.indices)], strict=True))
    for i, (segment, area) in enumerate(zip(shaft.cable.segments, shaft.cable.areas, strict=True)):
        assert g[f"KCa at {segment}"] == pytest.approx(means[i] * 0.001e-4 / area, rel=1e-9)
    density = means / shaft.cable.areas
    assert np.ptp(density) > 0.01 * density.max(), "it is the same everywhere"
    assert means.sum() == pytest.approx(shaft.read("means")[0, 0], rel=1e-9)


# -- the engine by itself -----------------------------------------------------------------------------------------

TREE = (Branch("a", 4.0, (0.5,) * 4), Branch("b", 3.0, (0.3, 0.3, 0.2), 0), Branch("c", 2.0, (0.25,) * 2, 0, 0.5))
CABLE = Cable(TREE, tuple(f"{b.name}({i})" for b in TREE for i in range(len(b.radii))), (Foot(1, 0.4), Foot(2, 1.0)))


def alone(clamped: tuple[str, ...] = (), **options: Any) -> CableReactionDiffusion:
    network = spine(calbindin=False)
    counts = tuple(n * 20 for n in spine_site(network).initial)
    site = Site("shaft", CABLE.geometry, counts, CABLE)
    return CableReactionDiffusion(
        EngineSetup("x", network, (site,), 0.1, ("Ca",), clamped, options=FieldOptions.model_validate(options))
    )


def calcium(e: CableReactionDiffusion) -> float:
    return float(e.read("counts")[0] @ e.network.contents("Ca"))


@pytest.mark.parametrize("degree", [1, 2])
def test_what_enters_stays_where_it_entered_and_is_counted(degree: int) -> None:
    e, twin = alone(degree=degree, resolution="0.25 um"), alone(degree=degree, resolution="0.25 um")
    before = calcium(e)
    e.read("influx_along")[5, 0], e.read("influx_feet")[1, 0], e.read("influx_along")[0, 0] = 200.0, 50.0, -1.0
    e.advance(1)
    twin.advance(1)
    assert calcium(e) == pytest.approx(before + 249.0, rel=1e-12)
    gained = e.read("counts_along") @ e.network.contents("Ca")[: len(e.network.species)]
    assert gained.sum() + e.read("counts")[0, -1] == pytest.approx(calcium(e), rel=1e-12)
    free = e.read("counts_along")[:, 0] - twin.read("counts_along")[:, 0]
    assert free.argmax() == 5 and free[8] > free[6] > 0 > free[0]


def test_a_clamp_takes_what_enters() -> None:
    e = alone(("Ca",))
    start = calcium(e)
    e.write("clamp", 40.0)
    e.read("influx_along")[:, 0], e.read("influx_feet")[:, 0] = 3.0, 2.0
    e.advance(1)
    assert e.read("counts")[0, 0] == 40.0
    np.testing.assert_allclose(e.read("counts_along")[:, 0] / CABLE.volumes, 40.0 / sum(CABLE.volumes))
    assert calcium(e) == pytest.approx(start + 3.0 * 9 + 2.0 * 2, rel=1e-12)


def test_counts_to_and_from_another_accuracy() -> None:
    e = alone()
    e.advance(3)
    whole = e.read_counts()
    e.write_counts(whole, np.random.default_rng(1))
    assert (e.read_counts() == whole).all()
    np.testing.assert_allclose(e.read("counts_along")[:, 0] / CABLE.volumes, whole[0, 0] / sum(CABLE.volumes))


def test_what_cannot_leave_stops_and_names_the_segment() -> None:
    e = alone()
    held = e.read("counts_along")[4, 0]
    e.read("influx_along")[4, 0] = -held - 1.0
    state = e.save()
    with pytest.raises(RunError, match=r'site "shaft" of "x": more Ca leaves b\(0\) than there is'):
        e.advance(1)
    e.read("influx_along")[4, 0] = np.nan
    with pytest.raises(RunError, match="not finite"):
        e.advance(1)
    after = e.save()
    assert all(np.array_equal(after[k], state[k]) for k in state), "the state is kept"


def test_a_foot_outside_of_the_mesh_is_refused() -> None:
    with pytest.raises(InputError, match="outside of 3 branches"):
        mesh_dendrite(TREE, feet=[Foot(3, 0.5)])
    with pytest.raises(InputError, match="outside of 3 branches"):
        mesh_dendrite(TREE, feet=[Foot(0, 1.5)])


# -- what a user sees ---------------------------------------------------------------------------------------------


def test_the_example_and_its_figures(tmp_path: Path) -> None:
    from adapters.fem.xdmf import xdmf_series

    file = EXAMPLES / "shaft" / "shaft.toml"
    coarse = ["experiment.duration=12 ms", "site.spine_*.lattice.spacing=20 nm", "record.every=1 ms"]
    simulation = Simulation.new(Experiment.load(file, coarse), tmp_path / "out")
    simulation.after_each_window(xdmf_series(tmp_path / "shaft.xdmf", shaft_of(simulation), every=40))
    simulation.run()
    assert (tmp_path / "shaft.xdmf").read_text().count('<Time Value="') == 3 * 4, "three species at four times"
    with Results(tmp_path / "out") as results:
        assert "along" in kinds_of(results)
        assert figure(results, tmp_path / "along.png", "along").stat().st_size > 5000
        free, (away, sections) = results.along("shaft", "Ca"), results.cable("shaft")
        assert free.shape == (13, 20) and set(sections) == {"dend"} and away[0] == 0.5
        # calcium of the spines comes in at 6.5 and 13.5 µm
        assert all(free[-1, k] > max(free[-1, k - 2], free[-1, k + 2]) for k in (6, 13))
        with pytest.raises(InputError, match="does not lie along sections"):
            results.along("spine_0", "Ca")


def test_the_example_goes_on_to_the_bit(tmp_path: Path) -> None:
    """Stopped and resumed: memory, field, particles and record are those of a run in one go."""
    file = EXAMPLES / "shaft" / "shaft.toml"
    coarse = ["experiment.duration=8 ms", "site.spine_*.lattice.spacing=20 nm", "record.every=1 ms"]
    straight = Simulation.new(Experiment.load(file, coarse), tmp_path / "straight")
    straight.run()
    broken = Simulation.new(Experiment.load(file, coarse), tmp_path / "broken")
    broken.run(until=5.5)  # the synapses have opened: ions are on their way through the necks
    resumed = Simulation.resumed(tmp_path / "broken")
    resumed.run()
    assert resumed.system.memory.block.tobytes() == straight.system.memory.block.tobytes()
    a, b = shaft_of(straight).densities[0], shaft_of(resumed).densities[0]
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
    with Results(tmp_path / "straight") as one, Results(tmp_path / "broken") as two:
        for site in ("shaft", "spine_0", "spine_1"):
            assert one.counts(site, "Ca").tobytes() == two.counts(site, "Ca").tobytes()
        assert one.entered("shaft", "Ca")[-1] != 0


def test_segments_and_feet_converge_with_order_two() -> None:
    """Calcium per segment after 2 ms in which it enters one segment and the foot of a neck."""

    def after(resolution: float) -> np.ndarray:
        e = alone(resolution=f"{resolution} um", rtol=1e-7)
        for _ in range(20):
            e.read("influx_along")[5, 0], e.read("influx_feet")[1, 0] = 20.0, 5.0
            e.advance(1)
        return np.append(e.read("counts_along")[:, 0] / CABLE.volumes, e.read("counts_feet")[:, 0])

    cells = [0.5, 0.25, 0.125]
    exact = after(1 / 64)
    errors = [float(abs(after(h) - exact).max()) for h in cells]
    order = np.polyfit(np.log(cells), np.log(errors), 1)[0]
    print(f"order {order:.2f}, errors {errors} of {exact.max():.4g} per um^3")
    assert abs(order - 2) < 0.3
