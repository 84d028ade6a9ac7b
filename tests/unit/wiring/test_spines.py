"""Spines that a block grows: as large as asked, passive like their branch, with channels, receptors and trains."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.cli.main import main
from couple.experiment import Experiment
from couple.experiment.cells.spine import Size
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire
from couple.wiring.cells import placement
from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "spines" / "spines.toml"

CELL = """
from neuron import h

def build():
    soma, dend, bare = sections = [h.Section(name=name) for name in ("soma", "dend", "bare")]
    soma.L = soma.diam = 20
    for branch in (dend, bare):
        branch.connect(soma(1))
        branch.L, branch.diam, branch.nseg, branch.Ra, branch.cm = 100, 1, 10, 120, 0.9
    for section in (soma, dend):
        section.insert("pas")
        for segment in section:
            segment.pas.g, segment.pas.e = 5e-5, -70
    return sections
"""
HEAD = {"diameter": "0.6 um", "length": "0.5 um"}
NECK = {"diameter": "0.1 um", "length": "1 um"}


def content(spine: dict[str, Any], seed: int = 1, **more: Any) -> dict[str, Any]:
    whole = {"name": "spine", "place": {"on": "dend", "count": 5}, "head": HEAD, "neck": NECK}
    return {
        "experiment": {"name": "spines", "duration": "10 ms", "exchange": "0.1 ms", "seed": seed},
        "neuron": {"model": "cell.py:build", "dt": "0.025 ms", "v_init": "-70 mV"},
        "chemistry": {"species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}}, "initial": {"Ca": "0.1 uM"}},
        "spine": [{k: v for k, v in {**whole, **spine}.items() if v is not None}],
        "site": [{"name": "spine_*", "place": {"on": "spine_*.head"}, "engine": "ode"}],
        **more,
    }


def experiment(folder: Path, spine: dict[str, Any], seed: int = 1, **more: Any) -> Experiment:
    (folder / "cell.py").write_text(CELL)
    return Experiment.parse(content(spine, seed, **more), path=folder / "spines.toml")


def grown(folder: Path, spine: dict[str, Any], seed: int = 1) -> list[str]:
    """The lines that describe the spines."""
    return [line for line in wire(experiment(folder, spine, seed)).describe if " on dend(" in line]


def test_spines_are_sections_of_the_branch(tmp_path: Path) -> None:
    from adapters.neuron.hoc.h import h

    channels = {"couple_cav": {"gmax": "7 pS/um^2"}, "hh": {"gnabar": "0.1 S/cm^2", "el": "-60 mV"}}
    system = wire(experiment(tmp_path, {"head": {**HEAD, "channels": channels}}))
    sections = {s.name(): s for s in h.allsec()}
    assert [n for n in sections if n.endswith(".head")] == [f"spine_{i}.head" for i in range(5)]
    for i in range(5):
        head, neck = sections[f"spine_{i}.head"], sections[f"spine_{i}.neck"]
        assert (head.diam, head.L, neck.diam, neck.L) == pytest.approx((0.6, 0.5, 0.1, 1))
        for section in (head, neck):
            assert (section.Ra, section.cm) == (120, 0.9)
            assert (section(0.5).pas.g, section(0.5).pas.e) == (5e-5, -70)
        assert head(0.5).couple_cav.gmax == pytest.approx(7e-4)  # 7 pS/µm² = 7e-4 S/cm²
        assert (head(0.5).hh.gnabar, head(0.5).hh.el) == pytest.approx((0.1, -60))
        assert not h.ismembrane("hh", sec=neck)
        branch = neck.parentseg()
        line = next(line for line in system.describe if line.startswith(f"spine_{i} on "))
        assert f"on dend({branch.x:.4g})" in line
        assert head.parentseg() == neck(1)


def test_what_is_given_replaces_what_the_branch_has(tmp_path: Path) -> None:
    from adapters.neuron.hoc.h import h

    leak = {"g": "1e-4 S/cm^2", "e": "-65 mV"}
    place = {"on": "bare(0.55)"}
    wire(experiment(tmp_path, {"place": place, "Ra": "200 ohm cm", "cm": "1 uF/cm^2", "leak": leak}))
    head = next(s for s in h.allsec() if s.name() == "spine_0.head")
    assert (head.Ra, head.cm, head(0.5).pas.g, head(0.5).pas.e) == pytest.approx((200, 1, 1e-4, -65))


def test_places_and_sizes_depend_on_the_seed_and_on_nothing_else(tmp_path: Path) -> None:
    sizes = {"diameter": {"mean": "0.6 um", "sd": "0.2 um"}, "length": "0.5 um"}
    spine = {"head": sizes}
    assert grown(tmp_path, spine) == grown(tmp_path, spine, 2) != grown(tmp_path, {**spine, "seed": 9})
    # a sixth spine changes none of the others' sizes
    six = {"head": sizes, "place": {"on": "dend", "count": 6}}
    assert [line.split(": ")[1] for line in grown(tmp_path, six)][:5] == [
        line.split(": ")[1] for line in grown(tmp_path, spine)
    ]


def test_places_at_the_end_of_a_branch_have_a_membrane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third of five even places on two branches is where the second begins, whose end has no mechanisms."""
    two = CELL.replace("for section in (soma, dend)", "for section in (soma, dend, bare)")
    (tmp_path / "cell.py").write_text(two.replace("= 100, 1, 10,", "= 100, 1, 11,"))
    spine = {"place": {"on": ["dend", "bare"], "count": 5, "spread": "even"}}
    found = Experiment.parse(content(spine), path=tmp_path / "a.toml")
    assert len(wire(found).plan.sites) == 5
    monkeypatch.setattr(placement, "END", -1.0)  # the control
    with pytest.raises((ValueError, AttributeError)):
        wire(found)


@pytest.mark.parametrize("kind", ["lognormal", "normal", "uniform"])
def test_sizes_have_the_mean_and_sd_asked_for(kind: str) -> None:
    rng, n = np.random.default_rng(1), 20_000
    if kind == "uniform":
        size, mean, sd = Size.model_validate({"kind": kind, "min": "0.3 um", "max": "0.9 um"}), 0.6, 0.6 / 12**0.5
    else:
        size, mean, sd = Size.model_validate({"kind": kind, "mean": "0.6 um", "sd": "0.1 um"}), 0.6, 0.1
    drawn = np.array([size.draw(rng) for _ in range(n)])
    assert abs(drawn.mean() - mean) < 5 * sd / math.sqrt(n)
    spread = ((drawn - mean) ** 2).std() / math.sqrt(n)
    assert abs(((drawn - mean) ** 2).mean() - sd**2) < 5 * spread
    assert (kind == "lognormal") == (((drawn - mean) ** 3).mean() > 0.2 * sd**3)
    bounded = Size.model_validate({"mean": "0.6 um", "sd": "0.3 um", "min": "0.5 um", "max": "0.7 um"})
    cut = np.array([bounded.draw(rng) for _ in range(1000)])
    assert 0.5 <= cut.min() < 0.51 and 0.69 < cut.max() <= 0.7


LINKS = [{"from": "neuron.ica", "to": "*.Ca"}, {"from": "*.Ca", "to": "neuron.cai"}]


def voltages(folder: Path, name: str, spine: dict[str, Any], seed: int = 1) -> dict[str, np.ndarray]:
    Simulation.new(experiment(folder, spine, seed, link=LINKS), folder / name).run()
    with Results(folder / name) as results:
        return results.voltages()


def test_synapses_fire_at_their_times_on_as_many_spines_as_asked(tmp_path: Path) -> None:
    synapse = {"AMPA": "0.5 nS", "NMDA": "0.1 nS", "times": "2 6 ms", "count": 2}
    v = voltages(tmp_path, "out", {"synapse": synapse, "place": {"on": "dend", "count": 4}})
    peaks = [v[f"spine_{i}.head(0.5)"].max() for i in range(4)]
    assert peaks[1] > -65 and peaks[3] > -65 and max(peaks[0], peaks[2]) < min(peaks[1], peaks[3])
    for i in (1, 3):
        rise = np.diff(v[f"spine_{i}.head(0.5)"])
        assert abs(rise[:20]).max() < 0.01 < rise[20] and rise[55:60].max() < 0 < rise[60]  # rows of 0.1 ms


def test_random_trains_differ_between_spines_and_seeds(tmp_path: Path) -> None:
    spine = {"synapse": {"AMPA": "0.3 nS", "rate": "400 /s"}, "place": {"on": "dend", "count": 2}}
    a, b, again = (voltages(tmp_path, n, spine, s) for n, s in (("a", 1), ("b", 2), ("again", 1)))
    first, second = "spine_0.head(0.5)", "spine_1.head(0.5)"
    assert np.array_equal(a[first], again[first])
    assert not np.allclose(a[first], a[second], atol=0.1) and not np.allclose(a[first], b[first], atol=0.1)


def test_a_run_with_spines_and_random_trains_resumes_to_the_bit(tmp_path: Path) -> None:
    spine = {"synapse": {"AMPA": "0.3 nS", "NMDA": "0.1 nS", "rate": "400 /s"}}
    straight = Simulation.new(experiment(tmp_path, spine, link=LINKS), tmp_path / "straight")
    straight.run()
    expected = straight.system.memory.block.copy()
    Simulation.new(experiment(tmp_path, spine, link=LINKS), tmp_path / "broken").run(until=3.7)
    resumed = Simulation.resumed(tmp_path / "broken")
    resumed.run()
    assert np.array_equal(resumed.system.memory.block, expected)
    assert np.ptp(expected) > 0


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["experiment.duration=20 ms", "site.spine_1.lattice.spacing=16 nm"]
    with pytest.raises(SystemExit) as stop:
        main(["run", str(EXAMPLE), "--out", str(tmp_path / "out"), *(x for s in sets for x in ("--set", s))])
    assert not stop.value.code, capsys.readouterr().err
    with Results(tmp_path / "out") as results:
        engines = results.engines()
        assert sorted(engines) == sorted(["dendrite", *(f"spine_{i}" for i in range(20))])
        assert [s for s, e in engines.items() if e == "lattice"] == ["spine_1"]
        entered = {s: results.entered(s, "Ca")[-1] for s in engines}
        books = results.ledger()
    stimulated = {f"spine_{i}" for i in range(1, 20, 2)}
    assert min(entered[s] for s in stimulated) > 100 > max(entered[f"spine_{i}"] for i in range(0, 20, 2))
    assert len(books["diffusion"]) == 20
    # what left the spines is what the dendrite received
    gained = sum(e["forth"] - e["back"] + e["owed_by_second"] - e["owed_by_first"] for e in books["diffusion"])
    dendrite = next(e for e in books["sites"] if e["site"] == "dendrite")
    assert dendrite["received"] == pytest.approx(gained, abs=1e-6)
    assert sum(e["forth"] for e in books["diffusion"]) > 50
    assert books["max_imbalance_ions"] < 1e-9 * dendrite["held_at_start"]


MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "key": ({"haed": HEAD}, ["spine[0]", "haed", "head"]),
    "neck missing": ({"neck": None}, ["spine[0].neck", "missing"]),
    "place": ({"place": {"on": "dned", "count": 1}}, ["spine[0].place.on", "dned", "dend"]),
    "size": ({"head": {**HEAD, "diameter": "0.6 mV"}}, ["spine[0].head.diameter", "mV"]),
    "bare number": ({"head": {**HEAD, "diameter": 0.6}}, ["spine[0].head.diameter", "unit"]),
    "distribution": ({"head": {**HEAD, "diameter": {"sd": "1 um"}}}, ["spine[0].head.diameter", "mean"]),
    "order": (
        {"head": {**HEAD, "diameter": {"mean": "1 um", "min": "2 um"}}},
        ["spine[0].head.diameter", "order"],
    ),
    "nothing left": (
        {"head": {**HEAD, "diameter": {"mean": "1 um", "sd": "9 mm", "min": "1 um", "max": "1.0000001 um"}}},
        ["spine[0].head.diameter", "widen"],
    ),
    "absurd size": (
        {"head": {**HEAD, "diameter": {"mean": "1e-300 um", "sd": "1 um"}}},
        ["spine[0].head.diameter", "1e-300"],
    ),
    "absurd rate": ({"synapse": {"AMPA": "1 nS", "rate": "1e300 /s"}}, ["spine[0].synapse.rate", "1e300"]),
    "channel": (
        {"head": {**HEAD, "channels": {"couple_cva": {}}}},
        ["spine[0].head.channels.couple_cva", "couple_cav"],
    ),
    "variable": (
        {"head": {**HEAD, "channels": {"hh": {"gnabr": "1 S/cm^2"}}}},
        ["spine[0].head.channels.hh.gnabr", "gnabar"],
    ),
    "unit of a variable": (
        {"neck": {**NECK, "channels": {"hh": {"gnabar": "1 mV"}}}},
        ["spine[0].neck.channels.hh.gnabar", "1 mV", "S/cm^2"],
    ),
    "bare number of a variable": (
        {"head": {**HEAD, "channels": {"hh": {"gnabar": 0.1}}}},
        ["spine[0].head.channels.hh.gnabar", "0.1", "S/cm^2"],
    ),
    "no leak": ({"place": {"on": "bare", "count": 1}}, ["spine[0]", "bare", "pas", "leak"]),
    "leak": ({"leak": {"g": "1 mV", "e": "-65 mV"}}, ["spine[0].leak.g", "1 mV", "S/cm^2"]),
    "silent synapse": ({"synapse": {"AMPA": "1 nS"}}, ["spine[0].synapse", "times", "rate"]),
    "no receptors": ({"synapse": {"times": "1 ms"}}, ["spine[0].synapse", "AMPA", "NMDA"]),
    "many synapses": ({"synapse": {"AMPA": "1 nS", "times": "1 ms", "count": 9}}, ["spine[0].synapse.count", "9", "5"]),
    "times": ({"synapse": {"AMPA": "1 nS", "times": "1 mV"}}, ["spine[0].synapse.times", "mV"]),
    "before 0": ({"synapse": {"AMPA": "1 nS", "times": "-1 ms"}}, ["spine[0].synapse.times", "before 0"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named(case: str, tmp_path: Path) -> None:
    wrong, words = MISTAKES[case]
    with pytest.raises(InputError) as error:
        wire(experiment(tmp_path, wrong))
    assert "\n" not in str(error.value)
    for word in ["spines.toml", *words]:
        assert word in str(error.value)


def test_spines_need_a_model(tmp_path: Path) -> None:
    source = content({})
    del source["neuron"]
    with pytest.raises(InputError, match="spine"):
        Experiment.parse(source)
