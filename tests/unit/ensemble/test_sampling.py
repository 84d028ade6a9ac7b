"""Ensembles: every run is the run of its seed, to the bit, however and by how many it was made."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from couple.base.errors import CannotRestart, InputError, Interrupted, RunError
from couple.base.signals import note
from couple.ensemble import (
    Ensemble,
    autocorrelation,
    correlation,
    job,
    resume_sampling,
    run_seed,
    sample,
    statistics,
)
from couple.ensemble.sampler import Sampler
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.ensembles import BIRTH, DEATH, assert_same, birth_death, datasets, noisy
from support.paths import TESTS


def with_seed(experiment: Experiment, seed: int) -> Experiment:
    content = {**experiment.source, "experiment": {**experiment.source["experiment"], "seed": seed}}
    return Experiment.parse(content, path=experiment.path)


def script(*arguments: object) -> subprocess.Popen[str]:
    """support/ensembles.py in a process of its own."""
    command = [sys.executable, "-m", "support.ensembles", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)})


@pytest.mark.parametrize("engine", ["ssa", "lattice", "ode"])
def test_a_run_is_that_of_its_seed(engine: str, tmp_path: Path) -> None:
    experiment = birth_death("5 ms", engine)
    with sample(experiment, 4, 3, tmp_path / "out", jobs=1) as ensemble:
        assert ensemble.seeds.tolist() == [run_seed(3, i) for i in range(4)]
        for i in (3, 0):
            alone = Simulation.in_memory(with_seed(experiment, run_seed(3, i)))
            alone.run()
            with alone.results as results:
                assert np.array_equal(results.time, ensemble.time)
                for path in ("box/counts", "box/means"):
                    assert results.file[path][()].tobytes() == ensemble.file[path][i].tobytes()
        differ = ensemble["box.A"][0].tobytes() != ensemble["box.A"][1].tobytes()
        assert differ is (engine != "ode")


def test_a_closed_loop_is_the_run_of_a_process_of_its_own(tmp_path: Path) -> None:
    """Random inputs of the model too; in the worker each run but one comes after another."""
    experiment = noisy(tmp_path)
    sample(experiment, 3, 3, tmp_path / "out", jobs=2, fresh=True).close()
    (tmp_path / "noisy.toml").write_text(_toml(experiment.source))
    there = datasets(tmp_path / "out" / "ensemble.h5")
    run = ["run", str(tmp_path / "noisy.toml"), "--quiet", "--no-figure", "--out", str(tmp_path / "one")]
    seed = f"experiment.seed={run_seed(3, 2)}"
    subprocess.run([sys.executable, "-m", "couple", *run, "--set", seed], check=True, timeout=60)
    for name, values in datasets(tmp_path / "one" / "results.h5").items():
        if name != "time" and not name.startswith("morphology/"):
            assert values.tobytes() == there[name][2].tobytes(), name
    v = there["neuron/v"][:, :, 0]
    assert len({row.tobytes() for row in v}) == 3  # the inputs differ


def _toml(content: dict[str, object]) -> str:
    """Enough of TOML for the experiments of these tests."""
    lines = []
    for key in ("experiment", "neuron", "chemistry"):
        lines += [f"[{key}]", *(f"{k} = {_value(v)}" for k, v in content[key].items())]  # type: ignore[attr-defined]
    for key in ("site", "link"):
        for entry in content[key]:  # type: ignore[attr-defined]
            lines += [f"[[{key}]]", *(f"{k} = {_value(v)}" for k, v in entry.items())]
    return "\n".join(lines)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(map(_value, value)) + "]" if isinstance(value, list) else json.dumps(value)


def test_what_cannot_be_set_back_is_found(tmp_path: Path) -> None:
    first, again = (Sampler(noisy(tmp_path)) for _ in range(2))
    assert first.start == again.start  # its random streams are numbered by the model
    with pytest.raises(CannotRestart, match=r"h\.Random"):
        Sampler(noisy(tmp_path, "global r; r = h.Random()"))
    with pytest.raises(CannotRestart, match="twice in the same state"):
        Sampler(noisy(tmp_path, COUNTING))


COUNTING = """import itertools
    global count, handler
    count = itertools.count()
    handler = h.FInitializeHandler(lambda: setattr(synapse, "tau", 1 + next(count)))"""
"""A model that starts differently each time."""


@pytest.mark.acceptance
def test_a_model_that_cannot_be_set_back_gets_processes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sample(noisy(tmp_path, COUNTING), 3, 3, tmp_path / "out", jobs=2) as ensemble:
        assert ensemble.status == "complete"
    assert "same state" in caplog.text and "process of its own" in caplog.text
    sample(noisy(tmp_path, COUNTING), 3, 3, tmp_path / "fresh", jobs=1, fresh=True).close()
    assert_same(tmp_path / "out" / "ensemble.h5", tmp_path / "fresh" / "ensemble.h5")


@pytest.mark.acceptance
def test_a_model_that_differs_from_process_to_process_is_refused(tmp_path: Path) -> None:
    experiment = noisy(tmp_path, "import os; head.L = 0.5 + os.getpid() * 1e-9")
    with pytest.raises(RunError, match="differently in each process"):
        sample(experiment, 40, 3, tmp_path / "out", jobs=2)


def test_a_process_that_dies_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"process that made run 0 died \(.*9\).*same command goes on"):
        sample(noisy(tmp_path, "import os; os.kill(os.getpid(), 9)"), 2, 3, tmp_path / "out", jobs=1)


def test_jobs_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = birth_death("5 ms")
    sample(experiment, 30, 3, tmp_path / "one", jobs=1).close()
    monkeypatch.setattr(job, "WORTH_A_PROCESS", 0.0)
    sample(experiment, 30, 3, tmp_path / "two", jobs=2).close()
    assert_same(tmp_path / "one" / "ensemble.h5", tmp_path / "two" / "ensemble.h5")
    sample(experiment, 30, 4, tmp_path / "other", jobs=1).close()
    with pytest.raises(AssertionError):
        assert_same(tmp_path / "one" / "ensemble.h5", tmp_path / "other" / "ensemble.h5")


def test_runs_are_added_and_taken_from_what_is_there(tmp_path: Path) -> None:
    experiment = birth_death("5 ms")
    sample(experiment, 12, 3, tmp_path / "straight", jobs=1).close()
    sample(experiment, 5, 3, tmp_path / "out", jobs=1).close()
    sample(experiment, 12, 3, tmp_path / "out", jobs=1).close()
    assert_same(tmp_path / "straight" / "ensemble.h5", tmp_path / "out" / "ensemble.h5")
    assert not (tmp_path / "out" / "parts").exists()
    with pytest.raises(InputError, match="ensemble of 12 runs: ask for as many or more"):
        sample(experiment, 5, 3, tmp_path / "out")
    with pytest.raises(InputError, match=r"another experiment .*seed: 3 -> 4"):
        sample(experiment, 12, 4, tmp_path / "out")
    with pytest.raises(InputError, match=r"experiment.duration"):
        sample(experiment, 12, 3, tmp_path / "out", until=4.0)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.acceptance)])
def test_a_stopped_sampling_goes_on(number: signal.Signals, tmp_path: Path) -> None:
    """Stopped when the first parts are there: the rest is made, and the file is that of an undisturbed one."""
    running = script("long", 80, tmp_path / "out", 1)
    parts = tmp_path / "out" / "parts"
    while running.poll() is None and not (parts.is_dir() and any(parts.glob("0*.h5"))):
        time.sleep(0.001)
    os.kill(running.pid, number)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode != 0
    kept = {p.name: p.stat().st_mtime_ns for p in parts.glob("*.h5")}
    assert kept
    if number == signal.SIGTERM:
        assert "couple resume" in stderr
        with Ensemble(tmp_path / "out") as ensemble:  # can be looked at
            assert ensemble.status == "partial" and 0 < len(ensemble.runs) < 80
    seen: list[int] = []
    resume_sampling(tmp_path / "out", jobs=1, progress=lambda done, _all: seen.append(done)).close()
    assert seen[0] >= len(kept) and seen[-1] == 80
    sample(birth_death("1000 ms"), 80, 7, tmp_path / "straight", jobs=1).close()
    assert_same(tmp_path / "straight" / "ensemble.h5", tmp_path / "out" / "ensemble.h5")


def test_a_damaged_part_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = birth_death("5 ms")
    sample(experiment, 6, 3, tmp_path / "straight", jobs=1).close()

    def give_up(*_: object) -> None:
        raise RunError("no space left")

    monkeypatch.setattr(job, "assemble", give_up)
    with pytest.raises(RunError, match="no space"):
        sample(experiment, 6, 3, tmp_path / "out", jobs=1)
    monkeypatch.undo()
    first = min((tmp_path / "out" / "parts").glob("*.h5"))
    content = bytearray(first.read_bytes())
    content[-100] ^= 1
    first.write_bytes(content)
    resume_sampling(tmp_path / "out", jobs=1).close()
    assert_same(tmp_path / "straight" / "ensemble.h5", tmp_path / "out" / "ensemble.h5")


def test_a_run_that_fails_names_its_seed_and_loses_nothing(tmp_path: Path) -> None:
    """A box in which more molecules are made than its lattice has places."""
    experiment = birth_death("40 ms", "lattice", "250 nm", start=20)
    with pytest.raises(RunError, match=r"run \d+: t = .* is full.*experiment.seed=\d+"):
        sample(experiment, 50, 3, tmp_path / "out", jobs=1)


def test_ctrl_c_stops_between_windows(tmp_path: Path) -> None:
    def stop(done: int, _all: int) -> None:
        if done >= 1:
            note("SIGINT")

    with pytest.raises(Interrupted, match=r"stopped by SIGINT with \d+ of 50 runs; go on with: couple resume"):
        sample(birth_death(), 50, 3, tmp_path / "out", jobs=1, progress=stop)


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for wrong in ({"runs": 0}, {"runs": 10, "seed": -1}, {"runs": 10, "jobs": 0}, {"runs": 10, "until": 0.7}):
        with pytest.raises(InputError):
            sample(birth_death(), folder=out, **wrong)
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="holds no ensemble"):
        sample(birth_death(), 2, folder=out)


# -- what the numbers say ---------------------------------------------------------------------------------------------

RUNS = 400


@pytest.fixture(scope="module")
def stationary(tmp_path_factory: pytest.TempPathFactory) -> Ensemble:
    """Birth and death; started at the mean, so stationary in the mean at all times, in the variance from 25 ms on."""
    return sample(birth_death("60 ms"), RUNS, 11, tmp_path_factory.mktemp("stationary") / "out", jobs=1)


def test_mean_and_its_error(stationary: Ensemble) -> None:
    """Poisson with mean 50; over 61 times the largest of correlated deviations is below that of independent ones."""
    mean, at = BIRTH / DEATH, slice(30, None)
    found = stationary.statistics("box.A")
    z = norm.isf(1e-5 / (2 * found.mean[at].size))
    assert np.all(np.abs(found.mean[at] - mean) < z * np.sqrt(mean / RUNS))
    # the variance of a Poisson variance estimate: (mu4 - sigma^4 (n-3)/(n-1)) / n with mu4 = mean + 3 mean^2
    spread = np.sqrt((mean + 3 * mean**2 - mean**2 * (RUNS - 3) / (RUNS - 1)) / RUNS)
    assert np.all(np.abs(found.variance[at] - mean) < z * spread)
    assert np.any(np.abs(found.mean[at] - 1.05 * mean) > z * np.sqrt(mean / RUNS))  # the control
    assert found.n == RUNS and np.all((found.low < found.mean) & (found.mean < found.high), where=found.variance > 0)


def test_confidence_bands_hold_what_they_promise() -> None:
    """Of 2000 bands of ten normal numbers, a share of 90 % holds 0, within z standard deviations of a binomial."""
    values = np.random.default_rng(1).normal(size=(10, 2000))
    found = statistics(values, 0.9)
    inside = ((found.low <= 0) & (found.high >= 0)).sum()
    assert abs(inside - 0.9 * 2000) < norm.isf(1e-5 / 2) * np.sqrt(2000 * 0.9 * 0.1)
    assert found.standard_error == pytest.approx(values.std(axis=0, ddof=1) / np.sqrt(10))


def test_autocorrelation_decays_with_the_rate_of_death(stationary: Ensemble) -> None:
    values = stationary["box.A"][:, 25:]
    lags = 8
    found = autocorrelation(values, lags)
    expected = np.exp(-DEATH * np.arange(lags))
    # Each run gives about one independent pair per correlation time: a bound on the error from the runs alone.
    parts = np.array([autocorrelation(values[k::20], lags) for k in range(20)])
    error = parts.std(axis=0, ddof=1) / np.sqrt(20)
    z = norm.isf(1e-5 / (2 * lags))
    assert found[0] == 1.0
    assert np.all(np.abs(found - expected)[1:] < z * error[1:])
    assert np.any(np.abs(found - np.exp(-0.7 * DEATH * np.arange(lags)))[1:] > z * error[1:])


def test_autocorrelation_is_that_of_its_definition() -> None:
    values = np.random.default_rng(2).normal(size=(5, 40)).cumsum(axis=1)
    d = values - values.mean(axis=0)
    by_hand = np.array([(d[:, : 40 - k] * d[:, k:]).sum() / (40 - k) for k in range(10)])
    assert autocorrelation(values, 10) == pytest.approx(by_hand / by_hand[0], rel=1e-10)


def test_correlation_across_runs() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 200, 7))
    expected = [np.corrcoef(a[:, t], b[:, t])[0, 1] for t in range(7)]
    assert correlation(a, b) == pytest.approx(expected)
    assert correlation(a, -2 * a) == pytest.approx(-np.ones(7))
    with pytest.raises(InputError):
        correlation(a, b[:, :3])


def test_the_file_says_what_is_in_it(stationary: Ensemble) -> None:
    counts = stationary.file["box/counts"]
    assert counts.shape == (RUNS, 61, 1, 1)
    assert list(counts.attrs["dims"]) == ["run", "time", "site", "species"] and counts.attrs["unit"] == "count"
    assert list(counts.attrs["species"]) == ["A"] and "time" in counts.attrs["meaning"]
    assert stationary.experiment["experiment"]["name"] == "birth-death" and stationary.seed == 11
    assert stationary.imbalance.max() == 0 and (stationary.cpu_seconds > 0).all()
    assert stationary.micromolar("box", "A").mean() == pytest.approx(stationary["box.A"].mean() / 602.214076)


def test_an_ensemble_with_diffusion_between_sites_is_one_of_its_seeds(tmp_path: Path) -> None:
    """Streams and debts of links between sites start anew in each run."""
    content = {
        "experiment": {"name": "pair", "duration": "5 ms", "exchange": "0.5 ms"},
        "chemistry": {"species": {"Ca": {"D": "0.2 um^2/ms", "contains": {"Ca": 1}}}, "initial": {"Ca": "1 uM"}},
        "site": [
            {"name": name, "engine": engine, "geometry": {"sphere": {"diameter": "0.6 um"}}}
            for name, engine in (("a", "ssa"), ("b", "ode"))
        ],
        "link": [{"from": "a.Ca", "to": "b.Ca", "through": {"diameter": "0.1 um", "length": "1 um"}}],
    }
    with sample(Experiment.parse(content), 3, 4, tmp_path / "out", jobs=1) as ensemble:
        for i, seed in enumerate(ensemble.seeds):
            alone = Simulation.in_memory(with_seed(Experiment.parse(content), int(seed)))
            alone.run()
            with alone.results as results:
                for name in ("a.Ca", "b.Ca"):
                    assert ensemble[name][i].tobytes() == results[name].tobytes()
        assert ensemble["a.Ca"][0].tobytes() != ensemble["a.Ca"][1].tobytes()


UNGUARDED = """
from pathlib import Path
from couple import sample
from support.ensembles import birth_death
{guard}sample(birth_death("1 ms"), 3, 1, Path(__file__).parent / "out", jobs=2, fresh=True).close()
"""


@pytest.mark.parametrize("guard", ["", pytest.param('if __name__ == "__main__": ', marks=pytest.mark.acceptance)])
def test_a_script_that_its_workers_import_again(guard: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED.format(guard=guard))
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if guard:
        assert done.returncode == 0, done.stderr
    else:
        assert done.stderr.count("Traceback") == 1, "that of the script itself"
        assert 'put what it does under if __name__ == "__main__":' in done.stderr.splitlines()[-1]
