"""Stimuli by influx, what a mean calcium leaves out, and the law beside the lattice: tiny here, whole in acceptance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from reducers.data.stimuli import CalciumStimulus
from reducers.gccd.data.protocol_data import (
    UM,
    ProtocolData,
    read_data,
    sample_protocol,
    stimuli_of,
    volume_of,
    write_data,
)
from reducers.gccd.data.settings import GccdFile, Protocol, Validation
from reducers.gccd.ensembles import TrainingEnsembles
from reducers.gccd.evaluation.mean_field import mean_field_error
from reducers.gccd.evaluation.validation import validate, whole_ions
from reducers.gccd.fit.free_runs import CaMKIILaw
from reducers.gccd.law.kernel import EXACT, OFF, ON
from support.camkii_law import true_rates
from support.paths import ROOT

CAMKII = ROOT / "examples" / "camkii"
SPIKES = {"kind": "spikes", "influx": "2000 /ms", "decay": "2 ms", "rate": "100 /s", "delay": "5 ms", "test": True}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made in this process: others would cost more to start than the runs."""
    monkeypatch.setattr("couple.ensemble.sampling.default_jobs", lambda: 1)


def influx(place: Path, calmodulin: str) -> ProtocolData:
    content = {"name": "influx", "duration": "20 ms", "exchange": "0.5 ms", "every": "5 ms", "runs": 2}
    more = {"set": [f"chemistry.initial.CaM_c0n0={calmodulin}"], "stimuli": [SPIKES]}
    protocol = Protocol.model_validate({**content, **more})
    return sample_protocol(protocol, stimuli_of(protocol, 3), CAMKII / "spine.toml", place, 3, 2, shares=True)


def test_calcium_follows_from_the_ions_and_reacts_to_the_molecules(tmp_path: Path) -> None:
    """Rows at `every`, calcium of every window; more calmodulin leaves less of it free."""
    little, much = influx(tmp_path / "little", "1 uM"), influx(tmp_path / "much", "60 uM")
    (seen,), (less,) = little.stimuli, much.stimuli
    assert little.time.tolist() == [0, 5, 10, 15, 20] and seen.calcium.shape == (40,) and little.window == 0.5
    assert seen.influx is not None and np.array_equal(seen.influx, less.influx)
    assert seen.calcium[:10].max() < 1.0 < seen.calcium.max() and less.calcium.max() < 0.7 * seen.calcium.max()
    write_data(little, tmp_path / "kept.h5")
    again = read_data(tmp_path / "kept.h5")
    assert again.digest() == little.digest() and np.array_equal(again.shares, little.shares)  # type: ignore[arg-type]


def made(shares: Any, tests: tuple[bool, ...]) -> ProtocolData:
    """Runs with these shares (runs, S, T, 4); all molecules are in one state."""
    n_runs, n_stimuli, n_rows, _ = shares.shape
    counts = np.zeros((n_stimuli, n_rows, 46))
    counts[..., 9] = 100.0
    stimuli = tuple(CalciumStimulus(f"theta {i}", "theta", test, np.ones(n_rows - 1)) for i, test in enumerate(tests))
    return ProtocolData("made", stimuli, np.arange(n_rows) * 1.0, 1.0, counts, counts, n_runs, 0.1, shares)


def test_what_a_mean_leaves_out_is_the_difference_of_held_out_means() -> None:
    shares = np.random.default_rng(0).uniform(0.4, 0.6, (6, 2, 5, 4))
    free = made(shares, (False, True))
    found = mean_field_error(free, made(shares[:, 1:], (True,)))
    assert [found[q] for q in ("bound", "phosphorylated", "paired", "calcium", "pairs")] == [0.0] * 5
    moved = mean_field_error(free, made(1.1 * shares[:, 1:], (True,)))
    assert moved["bound"] == pytest.approx(0.1, rel=1e-12)
    size = (shares[:, 1, :, 0].mean(axis=0) ** 2).sum()
    scatter = 2 * (shares[:, 1, :, 0].var(axis=0, ddof=1) / 6).sum()
    assert found["chance bound"] == pytest.approx(np.sqrt(scatter / size), rel=1e-12)


def validation(**more: Any) -> Validation:
    content = {
        "name": "lattice",
        "duration": "24 ms",
        "exchange": "0.5 ms",
        "every": "2 ms",
        "set": ["chemistry.initial.CaM_c0n0=10 uM", "chemistry.initial.K=30 uM"],
        "geometry": {"box": {"size": "168 168 168 nm"}},
        "site": {"engine": "lattice", "lattice": {"spacing": "12 nm"}},
        "stimuli": [{"kind": "step", "peak": "40 uM", "duration": "20 ms", "delay": "2 ms"}],
    }
    return Validation.model_validate({**content, **more})


@pytest.mark.acceptance
def test_the_lattice_agrees_with_the_law_and_tells_another_law_from_it(tmp_path: Path) -> None:
    block, site = validation(), CAMKII / "site.toml"
    shape = {"geometry": block.geometry}
    volume = volume_of(site, block, shape)
    assert volume == pytest.approx(0.168**3)
    stimuli = whole_ions(stimuli_of(block, 5), volume)
    ions = stimuli[0].calcium * volume * UM
    np.testing.assert_allclose(ions, np.rint(ions), atol=1e-9)
    runs = {name: (n, {**shape, **(block.site if name == "finer" else {})}) for name, n in (("finer", 24), ("own", 24))}
    finer, own = (
        sample_protocol(block, stimuli, site, tmp_path / k, 5, n, s, shares=True) for k, (n, s) in runs.items()
    )
    found = validate(finer, own, CaMKIILaw(true_rates(), EXACT, 0.1), ("lattice", "ssa"))
    assert list(found.compared) == ["ssa", "model"]
    assert all(c.p > 0.01 or np.isnan(c.p) for of in found.compared.values() for c in of.values()), found.as_dict()
    assert found.compared["model"]["bound"].nrmse < 3 * found.compared["model"]["bound"].chance
    wrong = true_rates()
    wrong[ON:OFF] *= 0.5
    control = validate(finer, own, CaMKIILaw(wrong, EXACT, 0.1), ("lattice", "ssa"))
    assert control.compared["model"]["bound"].p < 0.01, "half the rate of binding has to be seen"
    assert control.compared["ssa"] == found.compared["ssa"] or control.compared["ssa"]["bound"].p > 0.01


def test_rows_without_scatter_are_not_judged() -> None:
    """All molecules in one state: nothing tells a standard error, whatever the difference."""
    ones = np.ones((4, 1, 3, 4))
    finer, own = made(ones, (False,)), made(ones, (False,))
    empty = replace(finer, counts=np.where(np.arange(46) == 0, 100.0, 0.0) * np.ones((1, 3, 1)))
    rates = np.zeros_like(true_rates())
    found = validate(empty, replace(own, counts=empty.counts), CaMKIILaw(rates, EXACT, 0.1), ("lattice", "ssa"))
    assert all(np.isnan(c.p) for of in found.compared.values() for c in of.values())
    assert found.as_dict()["compared"]["model"]["bound"]["p"] is None


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stimulus", "word"),
    [
        ({"influx": "10 /ms"}, "holds calcium"),
        ({"test": True}, "drop test = true"),
        ({"influx": "10 /ms", "peak": "3 uM"}, "give influx, or base and peak"),
        ({"influx": "10 uM"}, "count per time"),
    ],
)
def test_validations_hold_calcium(stimulus: dict[str, Any], word: str) -> None:
    with pytest.raises((ValueError, InputError), match=word):
        validation(stimuli=[{"kind": "step", **stimulus}])


def test_a_protocol_is_of_one_sort() -> None:
    both = [SPIKES, {"kind": "theta", "test": True}]
    with pytest.raises(ValueError, match="make two protocols"):
        Protocol.model_validate({"name": "p", "duration": "1 ms", "exchange": "1 ms", "every": "1 ms", "stimuli": both})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('engine = "lattice"', 'engine = "latice"', ["validation[0]", "latice"]),
        ('spacing = "12 nm"', 'spacing = "10 nm"', ["validation[0]", "10.8"]),
        ('every = "0.5 ms"\nruns = 12', 'every = "0.7 ms"\nruns = 12', ["protocol[1]", "0.7"]),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(old: str, new: str, words: list[str], tmp_path: Path) -> None:
    text = (CAMKII / "train.toml").read_text()
    assert old in text
    (tmp_path / "train.toml").write_text(text.replace(old, new))
    for name in ("site.toml", "spine.toml"):
        (tmp_path / name).write_text((CAMKII / name).read_text())
    file, content = GccdFile.load(tmp_path / "train.toml")
    with pytest.raises(InputError) as error:
        TrainingEnsembles(file, content, tmp_path / "train.toml", tmp_path / "data", print)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value), error.value
    assert not (tmp_path / "data").exists()


def test_another_chemistry_of_camkii_is_refused_before_anything_runs(tmp_path: Path) -> None:
    text = (CAMKII / "spine.toml").read_text().replace("camkii = {}", 'camkii = { rates = "verbatim" }')
    (tmp_path / "spine.toml").write_text(text)
    (tmp_path / "site.toml").write_text((CAMKII / "site.toml").read_text())
    (tmp_path / "train.toml").write_text((CAMKII / "train.toml").read_text())
    file, content = GccdFile.load(tmp_path / "train.toml")
    with pytest.raises(InputError, match=r"protocol\[5\]\.experiment.*another chemistry"):
        TrainingEnsembles(file, content, tmp_path / "train.toml", tmp_path / "data", print)
