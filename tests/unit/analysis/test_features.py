"""Features: exact values of known records, of runs and of ensembles; what has none is NaN."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from couple import Results, Simulation, sample
from couple.analysis.features import feature, features
from couple.analysis.features.measures import MEASURES, of_spikes, time_above
from couple.base.errors import InputError
from couple.experiment.features import FeatureBlock
from support.command_line import couple
from support.ensembles import birth_death

T = np.linspace(0, 100, 2001)
PULSE = np.where(T < 20, 0.0, 3.0 * np.exp(-(T - 20) / 7.0))


@pytest.mark.parametrize(
    ("name", "values", "exact"),
    [
        ("mean", 2 + np.sin(2 * np.pi * T / 50), 2.0),
        ("area", 2 * T, 1e4),
        ("peak", PULSE, 3.0),
        ("minimum", 5 - PULSE, 2.0),
        ("last", T, 100.0),
        ("time_of_peak", PULSE, 20.0),
        ("decay", PULSE, 7.0),
        ("decay", np.ones_like(T), math.nan),
        ("sd", np.where(np.arange(2001) % 2, 1.0, -1.0), 1.0),
    ],
)
def test_measures_of_a_record(name: str, values: np.ndarray, exact: float) -> None:
    assert MEASURES[name](T, values) == pytest.approx(exact, rel=2e-3, nan_ok=True)


def test_time_above_joins_rows_by_lines() -> None:
    assert time_above(np.array([0.0, 1, 2, 3]), np.array([0.0, 2, 0, 4]), 1.0) == pytest.approx(1.0 + 0.75)
    assert time_above(T, np.ones_like(T), 0.5) == pytest.approx(100)
    assert time_above(T, np.ones_like(T), 1.5) == 0


def test_measures_of_a_train() -> None:
    times = np.array([10.0, 15, 20, 60, 64, 90])
    values = {
        name: of_spikes(name, times, 200.0, 8.0) for name in ("spikes", "rate", "first_spike", "isi_mean", "bursts")
    }
    assert values == {"spikes": 6, "rate": 30, "first_spike": 10, "isi_mean": 16, "bursts": 2}
    gaps = np.diff(times)
    assert of_spikes("isi_cv", times, 200.0, 8.0) == pytest.approx(gaps.std(ddof=1) / gaps.mean())
    none = {name: of_spikes(name, times[:0], 200.0, 8.0) for name in ("spikes", "bursts", "first_spike", "isi_cv")}
    assert none["spikes"] == none["bursts"] == 0 and math.isnan(none["first_spike"]) and math.isnan(none["isi_cv"])


def spiking() -> tuple[np.ndarray, np.ndarray]:
    """Five action potentials of 95 mV in 200 ms."""
    t = np.arange(0, 200, 0.05)
    return t, -65 + 95 * sum(np.exp(-(((t - at) / 0.6) ** 2)) for at in (30, 60, 90, 120, 150))


def test_efel_by_its_names() -> None:
    t, v = spiking()
    values = {}
    for name in ("spike_count", "AP_amplitude", "mean_frequency", "AP_width"):
        made = feature(name, FeatureBlock(of="neuron.soma(0.5)", efel=name))
        values[name] = made.measure(t, v)
        assert made.unit
    assert values["spike_count"] == 5 and values["AP_amplitude"] == pytest.approx(95, rel=0.02)
    assert values["mean_frequency"] == pytest.approx(5 / 0.150, rel=0.02)
    silent = feature("x", FeatureBlock(of="neuron.soma(0.5)", efel="AP_amplitude"))
    assert math.isnan(silent.measure(t, np.full_like(t, -65)))
    with pytest.raises(InputError, match=r'no feature "AP_amplitud"; did you mean "AP_amplitude'):
        feature("x", FeatureBlock(of="neuron.soma(0.5)", efel="AP_amplitud"))


BLOCKS = {
    "top": {"of": "box.A", "measure": "peak"},
    "top_uM": {"of": "box.A", "measure": "peak", "unit": "uM"},
    "late": {"of": "box.A", "measure": "mean", "start": "3 ms", "end": "5 ms"},
    "mine": {"of": "box.A", "function": "own.py:range_of"},
}


def test_of_runs_and_of_ensembles(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def range_of(time, values):\n    return values.max() - values.min()\n")
    blocks = {name: FeatureBlock.model_validate(block) for name, block in BLOCKS.items()}
    experiment = birth_death("5 ms", "ssa")
    with sample(experiment, 3, 1, tmp_path / "out", jobs=1) as ensemble:
        found = features(ensemble, blocks, tmp_path)
        a = ensemble["box.A"]
        assert found.values["top"].tolist() == a.max(axis=1).tolist()
        assert found.values["mine"].tolist() == np.ptp(a, axis=1).tolist()
        assert found.values["top_uM"] == pytest.approx(a.max(axis=1) / 602.214076, rel=1e-12)
        late = (a[:, 3] / 2 + a[:, 4] + a[:, 5] / 2) / 2
        assert found.values["late"] == pytest.approx(late)
        assert found.units == {"top": "molecules", "top_uM": "uM", "late": "molecules", "mine": ""}
        alone = Simulation.in_memory(experiment.changed(*ensemble.overrides(2)))
    alone.run()
    with alone.results as results:
        assert features(results, blocks, tmp_path).values["late"][0] == found.values["late"][2]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample(
        birth_death("5 ms", "ssa"),
        2,
        1,
        tmp_path / "out",
        vary={"chemistry.reactions.1.forward": "0.1 0.2 /ms"},
        jobs=1,
    ).close()
    file = tmp_path / "f.toml"
    file.write_text('features.top = { of = "box.A", measure = "peak" }\n')
    out = tmp_path / "out"
    capsys.readouterr()
    assert couple("features", str(out), "--from", str(file), "--json", "--out", str(tmp_path / "f.csv")) == 0
    printed = json.loads(capsys.readouterr().out)
    rows = list(csv.reader((tmp_path / "f.csv").read_text().splitlines()))
    assert rows[0] == ["run", "chemistry.reactions.1.forward [/ms]", "top [molecules]"]
    assert [float(r[2]) for r in rows[1:]] == printed["top"]["values"] and len(rows) == 5
    assert couple("features", str(out), "--from", str(file)) == 0
    assert "(4 runs)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{ of = "box.A" }', "give exactly one of measure, efel, function"),
        ('{ of = "box.A", measure = "spikes" }', "spikes is one of voltages"),
        ('{ of = "box.A", measure = "time_above" }', "needs a threshold"),
        ('{ of = "box.A", measure = "peak", threshold = 1 }', "threshold has no effect"),
        ('{ of = "box.A", measure = "peek" }', "features.top.measure"),
        ('{ of = "box.B", measure = "peak" }', 'features.top: "B"'),
        ('{ of = "box.A", measure = "peak", start = "4 ms", end = "2 ms" }', "start is not before end"),
        ('{ of = "box.A", measure = "peak", start = "40 ms" }', "fewer than two rows"),
        ('{ of = "box.A", function = "none.py:f" }', "none.py: cannot be read"),
        ('{ of = "neuron.soma(0.5)", measure = "bursts" }', "bursts need gap"),
        ("3", "features.top"),
    ],
)
def test_what_cannot_be_is_one_line(line: str, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    simulation = Simulation.new(birth_death("5 ms", "ode"), tmp_path / "out")
    simulation.run()
    file = tmp_path / "f.toml"
    file.write_text(f"features.top = {line}\n")
    capfd.readouterr()
    assert couple("features", str(tmp_path / "out"), "--from", str(file)) == 2
    errors = capfd.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and says in errors[0], errors
    with Results(tmp_path / "out") as results:
        assert results.status == "complete"
