"""Many sites from one block, several in a segment, one over several: what crosses, exactly; and where they are."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.exchange.ions import concentration_per_ion
from couple.experiment import Experiment
from couple.experiment.sites.placement import distances
from couple.simulation.simulation import Simulation
from couple.wiring import System, wire
from couple.wiring.cells.sections import stem

IONS = 3120.7545
"""Calcium ions in 1 fC: 1 / (2 e)."""

# Calcium channels everywhere, and segments that all differ.
CELL = """
from neuron import h
from adapters.neuron import insert_cav

def build():
    sections = [h.Section(name=name) for name in ("soma", "trunk", "left", "right")]
    soma, trunk, left, right = sections
    soma.L = soma.diam = 12
    for section, length in ((trunk, 60), (left, 90), (right, 120)):
        section.L, section.nseg, section.diam = length, 3, 2
    trunk.connect(soma(1))
    left.connect(trunk(1))
    right.connect(trunk(1))
    for i, segment in enumerate(left):
        segment.diam = 1 + 0.5 * i
    for section in sections:
        section.insert("pas")
        insert_cav(section, gbar=1e-3)
        for segment in section:
            segment.pas.e = -65
    clamp = h.IClamp(left(0.9))
    clamp.delay, clamp.dur, clamp.amp = 0, 10, 0.3
    return sections, clamp
"""
LEFT = ("left(0.166667)", "left(0.5)", "left(0.833333)")


def content(sites: list[dict[str, Any]], links: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    everything = [
        {"from": "neuron.ica", "to": "*.Ca"},
        {"from": "*.Ca", "to": "neuron.cai"},
        {"from": "*.O", "to": "neuron.SK", "conductance": "10 pS"},
    ]
    return {
        "experiment": {"name": "sites", "duration": "20 ms", "exchange": "0.1 ms"},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-65 mV"},
        "chemistry": {
            "species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}, "O": {"on": "membrane"}},
            "initial": {"Ca": "1 uM", "O": {"count": 7}},
        },
        "site": [{"engine": "ode", **site} for site in sites],
        "link": everything if links is None else links,
        **more,
    }


def experiment(folder: Path, source: dict[str, Any]) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    return Experiment.parse(source, path=folder / "sites.toml")


def names(folder: Path, **placement: Any) -> dict[str, str]:
    """Site → segment of one block."""
    system = wire(experiment(folder, content([{"name": "s", "place": placement}], [])))
    return segments(system)


def segments(system: System) -> dict[str, str]:
    lines = [line.split(": ")[0] for line in system.describe if line.startswith("site ")]
    return dict(line.removeprefix("site ").split(", ")[0].split(" at ") for line in lines)


# -- what crosses ----------------------------------------------------------------------------------------------------


def free(simulation: Simulation) -> dict[str, tuple[float, float]]:
    """Site → (free ions, volume)."""
    return {
        s.name: (float(e.read("counts")[row, 0]), s.geometry.volume)
        for e in simulation.system.engines
        for row, s in enumerate(e.sites)
    }


def influx(simulation: Simulation) -> dict[str, float]:
    return {s.name: float(e.read("influx")[row, 0]) for e in simulation.system.engines for row, s in enumerate(e.sites)}


OWN = {"cylinder": {"diameter": "0.8 um", "length": "20 um"}}
CASES: dict[str, list[dict[str, Any]]] = {
    "one over three segments": [{"name": "a", "segment": "left"}],
    "a list of segments": [{"name": "a", "segment": ["left(0.1)", "left(0.9)"]}],
    "a pattern": [{"name": "a", "segment": "l*t"}, {"name": "b", "segment": "trunk(0.5)"}],
    "two in a segment": [{"name": "a", "segment": "left(0.5)", "geometry": OWN}, {"name": "b", "segment": "left(0.5)"}],
    "over several, and others in some of these": [
        {"name": "a", "segment": "left", "geometry": OWN},
        {"name": "b", "segment": ["left(0.5)", "left(0.9)"]},
        {"name": "c", "segment": "left(0.5)", "geometry": OWN, "engine": "ssa"},
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_charge_concentration_and_conductance(case: str, tmp_path: Path) -> None:
    """Against the rules written down once more, with areas and volumes from NEURON's cylinders."""
    simulation = Simulation.new(experiment(tmp_path, content(CASES[case])), tmp_path / "out")
    system, cell = simulation.system, simulation.system.electrics
    assert cell is not None
    attached = cell._attachments  # type: ignore[attr-defined]
    index = {segment: i for i, segment in enumerate(attached.calcium)}
    size = dict(zip(LEFT, (1.0, 1.5, 2.0), strict=True)) | {"trunk(0.5)": 2.0}
    length = {"left": 30.0, "trunk": 20.0}
    area = {s: math.pi * size[s] * length[s.split("(")[0]] for s in index}
    volume = {s: math.pi / 4 * size[s] ** 2 * length[s.split("(")[0]] for s in index}
    covers = {
        "one over three segments": {"a": LEFT},
        "a list of segments": {"a": (LEFT[0], LEFT[2])},
        "a pattern": {"a": LEFT, "b": ("trunk(0.5)",)},
        "two in a segment": {"a": LEFT[1:2], "b": LEFT[1:2]},
        "over several, and others in some of these": {"a": LEFT, "b": LEFT[1:], "c": LEFT[1:2]},
    }[case]
    geometry = {s.name: s.geometry for e in system.engines for s in e.sites}
    membrane, inside = {}, {}
    for name, where in covers.items():
        whole = "geometry" not in next(s for s in CASES[case] if s["name"] == name)
        if whole:
            assert geometry[name].area == pytest.approx(sum(area[s] for s in where), rel=1e-9)
            assert geometry[name].volume == pytest.approx(sum(volume[s] for s in where), rel=1e-9)
        for s in where:
            membrane[name, s] = geometry[name].area * area[s] / sum(area[x] for x in where)
            inside[name, s] = geometry[name].volume * volume[s] / sum(volume[x] for x in where)
    entered = dict.fromkeys(covers, 0.0)
    sent = dict.fromkeys(covers, 0.0)
    for _ in range(100):
        simulation.step()
        charge = {s: float(cell.read("charge")[i]) for s, i in index.items()}
        for name, n in influx(simulation).items():
            entered[name] += n
            sent[name] += sum(
                IONS * charge[s] * membrane[name, s] / sum(m for (_, x), m in membrane.items() if x == s)
                for s in covers[name]
            )
        held = free(simulation)
        for s, i in index.items():
            there = {name: v for (name, x), v in inside.items() if x == s}
            mean = sum(held[n][0] / held[n][1] * v for n, v in there.items()) / sum(there.values())
            assert cell.read("cai")[i] == pytest.approx(mean * concentration_per_ion(1.0), rel=1e-9)
    assert min(sent.values()) > 100
    for name in covers:
        whole = next(e.integer for e in system.engines for s in e.sites if s.name == name)
        assert entered[name] == pytest.approx(sent[name], abs=1.0 if whole else 1e-6 * sent[name])
    total = sum(charge[s] for s in index)
    assert sum(e.sent for e in simulation.orchestrator.ledger().links) == pytest.approx(sum(sent.values()), rel=1e-7)
    assert total != 0
    # seven open channels of each site, over its membrane
    for c, g in zip(attached.conductances, cell.read("g"), strict=True):
        channels = sum(7 * membrane[name, s] / geometry[name].area for (name, s) in membrane if s == c.segment)
        assert g == pytest.approx(channels * 10e-12 / (area[c.segment] * 1e-8), rel=1e-9)


@pytest.mark.parametrize("kind", ["density", "point"])
def test_the_channels_of_a_site_over_several_segments_add_up_in_neuron(kind: str, tmp_path: Path) -> None:
    """Whatever the unit of the port: 7 channels of 10 pS are 7e-5 µS in all, in proportion to membrane."""
    link = {"from": "a.O", "to": "neuron.SK", "conductance": "10 pS", "kind": kind}
    simulation = Simulation.new(
        experiment(tmp_path, content([{"name": "a", "segment": "left"}], [link])), tmp_path / "out"
    )
    simulation.step()
    simulation.step()
    cell = simulation.system.electrics
    placed = [c.process.gmax for c in cell._conductances]  # type: ignore[union-attr]
    assert sum(placed) == pytest.approx(7e-5, rel=1e-9)
    assert np.array(placed) / placed[0] == pytest.approx([1, 1.5, 2])
    g = cell.read("g")  # type: ignore[union-attr]
    assert g == pytest.approx(placed if kind == "point" else 3 * [7 * 10e-12 / (math.pi * 4.5 * 30 * 1e-8)], rel=1e-9)


# -- where they are ----------------------------------------------------------------------------------------------------


def test_every_segment_of_a_pattern(tmp_path: Path) -> None:
    assert names(tmp_path, on="l*") == {f"s_{i}": segment for i, segment in enumerate(LEFT)}
    assert names(tmp_path, on=["left", "right(0.5)"], **{"except": "left(0.5)"}) == {
        "s_0": LEFT[0],
        "s_1": LEFT[2],
        "s_2": "right(0.5)",
    }


def test_by_path_distance(tmp_path: Path) -> None:
    """From the middle of the soma: 6 µm to its end, 60 of trunk, then 15, 45, 75 of left and 20 ... of right."""
    assert set(names(tmp_path, on="*", distance="80 .. 120 um").values()) == {LEFT[0], LEFT[1], "right(0.166667)"}


def test_distances_are_shown(tmp_path: Path) -> None:
    source = content([{"name": "s", "place": {"on": "left", "distance": "80 .. 90 um"}}], [])
    assert any(f"site s_0 at {LEFT[0]}, 81 um away: ode" in x for x in wire(experiment(tmp_path, source)).describe)


def test_distance_from_a_named_origin(tmp_path: Path) -> None:
    """From the tip segment of left, 75 µm from the fork: 95 µm to the first third of right, 135 to the second."""
    found = names(tmp_path, on="right", distance="90 .. 140 um", **{"from": "left(0.9)"})
    assert list(found.values()) == ["right(0.166667)", "right(0.5)"]


def test_counts_and_densities_are_what_was_asked_for_and_reproducible(tmp_path: Path) -> None:
    own = {"geometry": OWN}
    on = ["left", "right"]

    def found(run: int, **placement: Any) -> list[str]:
        source = content([{"name": "s", **own, "place": {"on": on, **placement}}], [])
        source["experiment"]["seed"] = run
        return list(segments(wire(experiment(tmp_path, source))).values())

    assert len(found(1, density="0.1 /um")) == 21  # 210 µm
    assert found(1, count=12) == found(2, count=12) != found(1, count=12, seed=5)
    even = found(1, count=7, spread="even")  # at 15, 45, ... 195 µm: three in left, then one or two each 40 µm
    assert even == [*LEFT, "right(0.166667)", "right(0.5)", "right(0.5)", "right(0.833333)"]
    many = np.array(found(1, count=1000))
    shares = {s: float((many == s).mean()) for s in dict.fromkeys(many)}
    for segment, share in shares.items():  # uniform in length
        p = (30 if segment.startswith("left") else 40) / 210
        assert abs(share - p) < 5 * math.sqrt(p * (1 - p) / 1000)


def test_without_a_geometry_no_segment_is_taken_twice(tmp_path: Path) -> None:
    found = names(tmp_path, on=["left", "right"], count=6)
    assert sorted(found.values()) == sorted({*found.values()}) and len(found) == 6


def test_a_star_in_a_name_takes_what_it_stood_for(tmp_path: Path) -> None:
    site = {"name": "x*_0", "place": {"on": "*t(0.5)"}}
    assert segments(wire(experiment(tmp_path, content([site], [])))) == {"xlef_0": LEFT[1], "xrigh_0": "right(0.5)"}


def test_patterns_know_neurons_names() -> None:
    assert stem("apic*", "Cell[0].apic[3]") == "[3]"
    assert stem("apic[3]", "Cell[0].apic[3]") == ""
    assert stem("apic[3]", "Cell[0].apic3") is None
    assert stem("spine_*.head", "spine_12.head") == "12"
    assert stem("?end", "dend") == ""
    for text in ("50 .. 200 um", "0.05 mm..200 um", "50..200um"):
        assert distances(text, "length") == (50.0, 200.0)


def test_sites_of_one_block_run_in_one_engine_and_links_reach_all(tmp_path: Path) -> None:
    simulation = Simulation.new(
        experiment(tmp_path, content([{"name": "s", "place": {"on": ["left", "right"]}}])), tmp_path / "out"
    )
    summary = simulation.run()
    assert [len(e.sites) for e in simulation.system.engines] == [6]
    assert summary["engines"] == {f"s_{i}": "ode" for i in range(6)}
    assert all(e["received"] > 0 for e in summary["ledger"]["links"])


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "both": ({"segment": "left", "place": {"on": "left"}}, ["site[0]", "segment", "place"]),
    "section": ({"segment": "lfet"}, ["site[0].segment", "lfet", "left"]),
    "pattern": ({"segment": "lfet*"}, ["site[0].segment", "lfet*"]),
    "end point": ({"segment": "left(1)"}, ["site[0].segment", "end point", "left(0.833333)"]),
    "placed section": ({"place": {"on": "lfet"}}, ["site[0].place.on", "lfet", "left"]),
    "exception": ({"place": {"on": "left", "except": "rihgt"}}, ["site[0].place.except", "rihgt", "right"]),
    "origin": (
        {"place": {"on": "left", "distance": "1 .. 9 um", "from": "sima(0.5)"}},
        ["site[0].place.from", "sima", "soma"],
    ),
    "origin alone": ({"place": {"on": "left", "from": "soma"}}, ["site[0].place", "from", "distance"]),
    "far": ({"place": {"on": "left", "distance": "900 .. 999 um"}}, ["site[0].place", "900 .. 999 um", "no segment"]),
    "range": ({"place": {"on": "left", "distance": "200 um"}}, ["site[0].place.distance", "200 um", ".."]),
    "empty range": ({"place": {"on": "left", "distance": "9 .. 1 um"}}, ["site[0].place.distance", "empty"]),
    "range of time": ({"place": {"on": "left", "distance": "1 .. 9 ms"}}, ["site[0].place.distance", "ms", "length"]),
    "key": ({"place": {"on": "left", "denisty": "1 /um"}}, ["site[0].place", "denisty", "density"]),
    "too many": ({"place": {"on": "left", "count": 9}}, ["site[0].place", "9 sites for 3 segments", "geometry"]),
    "none": ({"place": {"on": "left", "density": "1 /m"}}, ["site[0].place.density", "makes 0"]),
    "count and density": ({"place": {"on": "left", "count": 3, "density": "1 /um"}}, ["site[0].place", "not both"]),
    "seed alone": ({"place": {"on": "left", "seed": 3}}, ["site[0].place", "seed", "count"]),
    "star": ({"name": "a*", "place": {"on": "left"}}, ["site[0]", "a*", "place.on"]),
    "star without place": ({"name": "a*", "segment": "left"}, ["site[0]", "a*"]),
    "one name for several": ({"name": "a*", "place": {"on": "l*t"}}, ["site[0].name", "aef"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named(case: str, tmp_path: Path) -> None:
    wrong, words = MISTAKES[case]
    with pytest.raises(InputError) as error:
        wire(experiment(tmp_path, content([{"name": "s", **wrong}], [])))
    assert "\n" not in str(error.value)
    for word in ["sites.toml", *words]:
        assert word in str(error.value)


def test_places_need_a_model() -> None:
    source = content([{"name": "s", "place": {"on": "left"}}], [])
    del source["neuron"]
    with pytest.raises(InputError, match=r"site\[0\]\.place: needs a \[neuron\] model"):
        wire(Experiment.parse(source))


@pytest.mark.parametrize(("amount", "warned"), [("1e-11 mM", True), ("1e-5 mM", False)])
def test_amounts_by_another_volume_are_noticed(amount: str, warned: bool) -> None:
    """As of a file that counts molecules in what it calls one litre."""
    made = Experiment.build(
        experiment={"name": "x", "duration": "1 ms", "exchange": "1 ms"},
        chemistry={"species": {"A": {}, "B": {}}, "initial": {"A": amount}},
        site=[{"name": "s", "engine": "ode", "geometry": {"box": {"size": "1 1 1 um"}}}],
    )
    assert any('"s" starts with 6e-06 molecules in all' in text for text in wire(made).plan.warnings) == warned
