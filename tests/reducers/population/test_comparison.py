"""`couple population`: from a file to a table, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from couple.files.write_hdf5 import replacing
from couple.storage.records.results import FORMAT
from reducers.population.comparison.comparison import correlations
from reducers.population.comparison.hold_out import HeldOut, Splits, hold_out
from reducers.population.library.file import read_model
from reducers.population.library.kinds import MODELS
from reducers.population.models.model import FitBlock, Moments
from support.command_line import couple
from support.paths import EXAMPLES
from support.patterns import together

pytestmark = pytest.mark.usefixtures("blank_pictures")


def write_file(folder: Path, *lines: str) -> Path:
    head = [
        "[population]",
        'name = "case"',
        'models = ["independent", "tracking", "glm"]',
        "splits = 4",
        "samples = 2000",
    ]
    path = folder / "case.toml"
    path.write_text("\n".join([*head, "[data]", *lines]) + "\n")
    return path


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


def test_an_array_to_a_table_and_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    states = together(2000, 6)
    np.save(tmp_path / "states.npy", states)
    path = write_file(tmp_path, 'array = "states.npy"', 'window = "5 ms"')
    assert couple("population", str(path), "--json", "--save", "best.h5") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["neurons"], said["windows"], said["window_ms"], said["splits"]) == (6, 2000, 5.0, 4)
    rows = {row["model"]: row for row in said["models"]}
    exact = hold_out(MODELS["tracking"], states, Splits.of(2000, 50, 4, 1), FitBlock())
    assert rows["tracking"]["held_out_bits"] == pytest.approx(exact.mean().value, abs=1e-12)
    assert rows["tracking"]["held_out_splits"] == pytest.approx(exact.by_split.tolist(), abs=1e-12)
    described = rows["tracking"]["description"]
    assert (
        described["numbers"] == 3 * len(described["weight"]) < 2**6
        and 0 < described["of_half"] < described["of_90"] < 6
    )
    assert rows["glm"]["description"] is None, "its patterns depend on earlier ones"
    assert rows["tracking"]["gain_bits"] > 2 * rows["tracking"]["gain_error"] > 0
    assert rows["tracking"]["splits_above"] == 4 and rows["independent"]["gain_bits"] is None
    assert rows["independent"]["correlations_rms"] > 2 * rows["tracking"]["correlations_rms"]
    assert (tmp_path / "case.png").exists()
    assert read_model(tmp_path / "best.h5").model.KIND == "tracking"
    assert couple("population", str(path), "--no-figure", "--set", "population.sizes=[3]") == 0
    text = capsys.readouterr().out
    assert "tracking fitted to fewer neurons: 3:" in text and "4/4" in text
    (tmp_path / "thesis.h5").write_text("precious")
    assert couple("population", str(path), "--no-figure", "--save", "thesis.h5") == 2
    assert "is no model of patterns" in error_of(capsys)
    assert (tmp_path / "thesis.h5").read_text() == "precious"


def test_spikes_and_records_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    with replacing(tmp_path / "results.h5", FORMAT) as file:
        file.attrs.update({"format": FORMAT, "name": "x", "status": "complete", "engines": "{}"})
        file["time"] = np.arange(2001.0)
        file["time"].attrs["unit"] = "ms"
        cells = np.repeat(np.arange(4), 300)
        file["spikes/time"], file["spikes/cell"] = rng.uniform(0, 2000, 1200), cells
        file["spikes"].attrs["populations"] = json.dumps({"E": 3, "I": 2})
        group = file.create_group("a")
        group.attrs.update({"volume_um3": [1.0] * 3, "membrane": [], "reservoirs": []})
        group["means"] = rng.integers(0, 3, (2001, 3, 1)).astype(float).transpose(0, 1, 2)
        group["means"].attrs.update({"site": ["s_0", "s_1", "s_2"], "observable": ["open"], "unit": "1"})
        group["means"].attrs["dims"] = ["time", "site", "observable"]
    common = ("--json", "--no-figure")
    spikes = write_file(tmp_path, 'results = "."', 'window = "10 ms"', 'multiple = "clip"')
    assert couple("population", str(spikes), *common) == 2
    assert 'neuron "I_1" is never active in 200 windows' in error_of(capsys)
    assert couple("population", str(spikes), *common, "--set", 'data.silent="drop"') == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out)["neurons"] == 4 and "hold more than one spike and count as one" in caught.err
    assert couple("population", str(spikes), *common, "--set", 'data.only="E_*"') == 0
    assert json.loads(capsys.readouterr().out)["neurons"] == 3
    records = write_file(tmp_path, 'results = "."', 'window = "2 ms"', 'record = "s_*.open"', 'above = "1.5"')
    assert couple("population", str(records), *common) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["neurons"], said["windows"]) == (3, 1000)
    assert said["mean_rate"] == pytest.approx(5 / 9, abs=5 * np.sqrt(20 / 81 / 3000))
    assert couple("population", str(records), *common, "--set", 'data.record="s_*.opn"') == 2
    assert 'did you mean "open"?' in error_of(capsys)


def test_tables_and_nwb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    rng = np.random.default_rng(1)
    times = [np.sort(rng.uniform(0, 1000, 150)) for _ in range(3)]
    lines = [f"{name},{t!r}" for name, train in zip("abc", times, strict=True) for t in train.tolist()]
    (tmp_path / "spikes.csv").write_text("neuron,time [ms]\n" + "\n".join(lines))
    with h5py.File(tmp_path / "spikes.nwb", "w") as file:
        file["units/spike_times"] = np.concatenate(times) * 1e-3
        file["units/spike_times_index"] = np.cumsum([len(t) for t in times])
        file["units/id"] = np.arange(3)
    more = ('window = "4 ms"', 'multiple = "clip"', 'begin = "0 ms"', 'end = "1 s"')
    found = []
    for source in ('table = "spikes.csv"', 'nwb = "spikes.nwb"'):
        assert couple("population", str(write_file(tmp_path, source, *more)), "--json", "--no-figure") == 0
        found.append(json.loads(capsys.readouterr().out)["mean_rate"])
    assert found[0] == found[1]
    (tmp_path / "bad.csv").write_text("neuron,time\na,1\na,soon\n")
    assert couple("population", str(write_file(tmp_path, 'table = "bad.csv"', more[0])), "--json") == 2
    assert "bad.csv: line 3: holds what is no number" in error_of(capsys)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "data: give one of results, array, table, nwb, or a table [master_equation]"),
        (('table = "a.csv"',), 'data: window is missing: give the length of a window, as in window = "5 ms"'),
        (('array = "a.npy"', 'nwb = "b.nwb"'), "give one of results, array, table, nwb, not array and nwb"),
        (('array = "a.npy"', "windw = 1"), 'unknown key "windw"; did you mean "window"?'),
        (('array = "none.npy"',), "none.npy: cannot be read: No such file or directory"),
        (('array = "short.npy"',), "5 patterns of 6 neurons: give at least as many patterns as neurons"),
        (('array = "counts.npy"',), "holds 3, patterns are of 0 and 1"),
    ],
)
def test_bad_input_is_one_line(
    lines: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = np.ones((5, 6), dtype=np.uint8)
    np.save(tmp_path / "short.npy", states)
    np.save(tmp_path / "counts.npy", 3 * states)
    assert couple("population", str(write_file(tmp_path, *lines)), "--no-figure") == 2
    assert said in error_of(capsys)


def test_a_model_that_cannot_be_fitted_is_told_in_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "states.npy", together(40, 3))
    path = write_file(tmp_path, 'array = "states.npy"')
    assert couple("population", str(path), "--no-figure", "--set", "fit.history=100") == 0
    assert "glm: not fitted: 20 windows are too few for a history of 100" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["critical", pytest.param("drive", marks=pytest.mark.acceptance)])
def test_examples_shortened(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLES / "population" / f"{name}.toml"
    less = [f"--set={x}" for x in ('master_equation.duration="2 s"', "population.neurons=6", "population.splits=3",
                                   "population.samples=1000", "population.sizes=[4]", "fit.iterations=20")]  # fmt: skip
    assert couple("population", str(path), "--json", *less, "--out", str(tmp_path / "f.png")) == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert not any(row["refused"] for row in rows.values())
    assert rows["independent"]["correlations_rms"] > 2 * rows["gaussian"]["correlations_rms"]


def test_neurons_that_hardly_change_have_no_correlations() -> None:
    always = Moments(np.array([1.0, 0.5]), np.array([[1.0, 0.6], [0.6, 0.5]]), np.zeros(0), np.zeros(3), False)
    assert np.array_equal(correlations(always), [[0.0, 0.0], [0.0, 1.0]])


def test_halves_hold_out_each_other(tmp_path: Path) -> None:
    splits = Splits.of(1003, 50, 5, 3)
    assert splits.held.shape == (5, 50) and int(splits.sizes.sum()) == 1003
    assert (splits.held[0] ^ splits.held[1]).all() and (splits.held[2] ^ splits.held[3]).all()
    assert (splits.held.sum(axis=1) == 25).all() and not np.array_equal(splits.held[0], splits.held[2])
    assert Splits.of(9, 50, 2, 1).held.shape == (2, 4), "blocks are of two windows or more"
    states = together(1003, 5)
    found = hold_out(MODELS["independent"], states, splits, FitBlock())
    out = splits.windows(3)
    model = MODELS["independent"].fit(states[~out], FitBlock())
    own = model.log_probability(states[out]) / np.log(2) / 5
    assert found.by_split[3] == pytest.approx(own.mean(), abs=1e-12)
    again = hold_out(MODELS["glm"], states, splits, FitBlock())
    assert found.less(found).mean() == (0.0, 0.0) and np.isfinite(again.less(found).mean()).all()


def test_errors_are_those_of_blocks() -> None:
    """Of windows that depend on each other: the error of a mean is what means of many recordings scatter by."""
    rng = np.random.default_rng(0)
    means, errors, plain = [], [], []
    for _ in range(400):
        values = np.repeat(rng.normal(size=250), 8) + 0.1 * rng.normal(size=2000)  # correlated over 8 windows
        splits = Splits.of(2000, 50, 2, 1)
        blocks = np.add.reduceat(values, splits.edges[:-1]) / splits.sizes
        found = HeldOut(np.full(2, values.mean()), blocks, splits.sizes).mean()
        means.append(found.value)
        errors.append(found.error)
        plain.append(values.std(ddof=1) / np.sqrt(2000))
    scatter, bound = np.std(means, ddof=1), 4 / np.sqrt(2 * 399)  # of a standard deviation of 400
    assert abs(np.sqrt(np.mean(np.square(errors))) / scatter - 1) < bound
    assert abs(np.mean(plain) / scatter - 1) > bound, "windows one by one are the control"
    apart = HeldOut(values.mean() + np.array([-0.5, 0.5]), blocks, splits.sizes).mean()
    assert apart.error == pytest.approx(0.5), "fits that differ by more than blocks do"


def test_two_errors_keep_their_sign_in_halves_and_not_in_tenths() -> None:
    """Of 1000 differences of exactly two standard errors over 50 blocks: how many have their sign in 9 of 10 splits."""
    rng = np.random.default_rng(1)
    kept = np.zeros(2)
    for seed in range(1000):
        block = rng.normal(size=50)
        block = block - block.mean()
        block += 2 * block.std(ddof=1) / np.sqrt(50)
        held = Splits.of(500, 50, 10, seed).held
        halves = np.array([block[h].mean() for h in held])
        tenths = rng.permutation(block).reshape(10, 5).mean(axis=1)
        kept += [(halves > 0).sum() >= 9, (tenths > 0).sum() >= 9]
    flips = 2 * ndtr(-2.0)  # of a pair of halves, of which one or the other has another sign
    expected = (1 - flips) ** 5 + 5 * flips * (1 - flips) ** 4
    assert abs(kept[0] / 1000 - expected) < 4 * np.sqrt(expected * (1 - expected) / 1000)
    assert kept[1] < 200, "tenths are the control: 0.75 each"
