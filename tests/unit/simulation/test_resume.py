"""Runs: killed and resumed to the bit, interrupted politely, replayed, never losing what was computed."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from support.command_line import assert_equal_results, couple, datasets
from support.paths import EXAMPLES
from support.stopped_commands import ForkedCommand

SPINE = EXAMPLES / "spine" / "spine.toml"
ENGINES = ("lattice", "ssa", "ode")

# A spine as shipped, but short and with events from the start; the lattice coarse enough for a test.
SHORT = (
    "experiment.duration=20 ms",
    "checkpoint.every=1 ms",
    "site.head.lattice.spacing=15 nm",
)


def process(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "couple", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def arguments(engine: str, out: Path, *more: str) -> list[str]:
    others = [s for s in SHORT if s.partition("=")[0] not in {m.partition("=")[0] for m in more}]
    sets = [f"site.head.engine={engine}", *others, *more]
    return ["run", str(SPINE), "--quiet", "--no-figure", "--out", str(out), *(x for s in sets for x in ("--set", s))]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """An uninterrupted run in each engine, and how long it took."""
    folder = tmp_path_factory.mktemp("straight")
    for engine in ENGINES:
        assert couple(*arguments(engine, folder / engine)) == 0
    yield {engine: folder / engine for engine in ENGINES}


def random_part(straight: Path, rng: random.Random) -> float:
    """A random part of the seconds that a run took, without starting up."""
    return rng.random() * float(json.loads((straight / "summary.json").read_text())["cpu_seconds"])


def assert_goes_on(straight: Path, out: Path) -> None:
    assert couple("resume", str(out / "checkpoint.h5"), "--quiet", "--no-figure") == 0
    assert_equal_results(straight / "results.h5", out / "results.h5")


@pytest.mark.parametrize("engine", ["lattice", "ssa"])
def test_a_killed_run_resumes_to_the_bit(engine: str, straight: dict[str, Path], tmp_path: Path) -> None:
    """SIGKILL at a random moment after the first checkpoint."""
    out = tmp_path / "out"
    running = ForkedCommand(tuple(arguments(engine, out)), tmp_path / "errors")
    running.wait_for((out / "checkpoint.h5").exists)
    time.sleep(random_part(straight[engine], random.Random(engine)))
    running.send(signal.SIGKILL)
    assert running.wait() in (-signal.SIGKILL, 0), (tmp_path / "errors").read_text()
    assert_goes_on(straight[engine], out)


@pytest.mark.acceptance
@pytest.mark.parametrize("engine", ENGINES)
def test_twenty_killed_processes_resume_to_the_bit(engine: str, straight: dict[str, Path], tmp_path: Path) -> None:
    rng = random.Random(f"{engine} twenty")
    for k in range(20):
        out = tmp_path / str(k)
        running = process(*arguments(engine, out))
        while not (out / "checkpoint.h5").exists() and running.poll() is None:
            time.sleep(0.001)
        time.sleep(random_part(straight[engine], rng))
        running.kill()
        running.communicate()
        assert_goes_on(straight[engine], out)


def test_a_run_of_another_seed_differs(straight: dict[str, Path], tmp_path: Path) -> None:
    """The control of the bit-identity tests."""
    assert couple(*arguments("ssa", tmp_path / "other", "experiment.seed=2")) == 0
    with pytest.raises(AssertionError):
        assert_equal_results(straight["ssa"] / "results.h5", tmp_path / "other" / "results.h5")


def test_sigterm_writes_a_checkpoint_and_says_how_to_go_on(straight: dict[str, Path], tmp_path: Path) -> None:
    out, errors = tmp_path / "out", tmp_path / "errors"
    running = ForkedCommand(tuple(arguments("lattice", out)), errors)
    running.wait_for((out / "checkpoint.h5").exists)
    running.send(signal.SIGTERM)
    code, stderr = running.wait(), errors.read_text()
    assert code == 143, stderr
    line = re.search(r"couple resume (\S+)", stderr)
    assert line is not None, stderr
    with h5py.File(out / "results.h5") as file:  # what was computed can be looked at
        assert file.attrs["status"] == "interrupted" and len(file["time"]) > 1
    assert couple("resume", line[1], "--quiet", "--no-figure") == 0
    assert_equal_results(straight["lattice"] / "results.h5", out / "results.h5")


@pytest.mark.acceptance
def test_stopping_early_and_going_on_is_the_same_run(straight: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert couple(*arguments("ssa", out), "--until", "7 ms") == 0
    assert couple("resume", str(out / "checkpoint.h5"), "--quiet", "--no-figure") == 0
    assert_equal_results(straight["ssa"] / "results.h5", out / "results.h5")


def test_a_run_can_be_stopped_and_resumed_again_and_again(straight: dict[str, Path], tmp_path: Path) -> None:
    """Each resume knows what was set on the command line of the first."""
    out = tmp_path / "out"
    assert couple(*arguments("ssa", out), "--until", "3 ms") == 0
    for until in ("5 ms", "9 ms", "20 ms"):
        assert couple("resume", str(out), "--until", until, "--quiet", "--no-figure") == 0
        with h5py.File(out / "results.h5") as file:
            assert file["time"][-1] == pytest.approx(float(until.split()[0]))
    assert_equal_results(straight["ssa"] / "results.h5", out / "results.h5")
    assert couple("resume", str(out), "--until", "4 ms", "--quiet") == 2  # in the past


def test_a_finished_run_can_be_extended(straight: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert couple(*arguments("ode", out, "experiment.duration=10 ms")) == 0
    assert couple("resume", str(out / "checkpoint.h5"), "--until", "20 ms", "--quiet", "--no-figure") == 0
    assert_equal_results(straight["ode"] / "results.h5", out / "results.h5")


@pytest.mark.parametrize("engine", ENGINES)
def test_ions_are_booked_exactly(engine: str, straight: dict[str, Path]) -> None:
    summary = json.loads((straight[engine] / "summary.json").read_text())
    ledger = summary["ledger"]
    (link,), (site,) = ledger["links"], ledger["sites"]
    elementary = 1.602176634e-19 * 1e15  # fC
    assert abs(link["charge_fC"] / (2 * elementary) - link["received"] - link["carried"] + link["owed"]) < 1e-6
    limit = 0.0 if engine != "ode" else 1e-9 * max(link["received"], site["held_at_start"])
    assert ledger["max_imbalance_ions"] <= limit
    assert summary["simulated_ms"] == 20.0 and summary["exchanges"] == 200


def test_replaying_the_recorded_charge_gives_the_same_chemistry(straight: dict[str, Path], tmp_path: Path) -> None:
    """An open loop driven by the ions of a closed one: same engine, same streams, same molecules."""
    text = SPINE.read_text()
    chemistry = text[text.index("[chemistry]") : text.index("[[site]]")]
    geometry = 'geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }'
    (tmp_path / "open.toml").write_text(
        '[experiment]\nname = "open"\nduration = "20 ms"\nexchange = "0.1 ms"\nseed = 1\n'
        + chemistry
        + f'[[site]]\nname = "head"\nengine = "ssa"\n{geometry}\n'
        + f'[[drive]]\nto = "head.Ca"\nreplay = "{straight["ssa"] / "results.h5"}:neuron.ica"\n'
        + '[record]\nspecies = "all"\n'
    )
    assert couple("run", str(tmp_path / "open.toml"), "--quiet", "--out", str(tmp_path / "out")) == 0
    closed, opened = datasets(straight["ssa"] / "results.h5"), datasets(tmp_path / "out" / "results.h5")
    assert np.array_equal(closed["head/counts"], opened["head/counts"])


def test_the_parallel_scheme_balances_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert couple(*arguments("ssa", out, "experiment.scheme=parallel")) == 0
    ledger = json.loads((out / "summary.json").read_text())["ledger"]
    assert ledger["max_imbalance_ions"] == 0
    with h5py.File(out / "results.h5") as file:  # the charge of the last window is still on its way
        ions = file["neuron/charge"][:].sum() * 3120.7545
    (link,) = ledger["links"]
    assert link["in_flight"] != 0
    assert link["sent"] + link["in_flight"] == pytest.approx(ions, rel=1e-7)


@pytest.mark.acceptance
def test_the_spine_also_runs_without_a_compiler(tmp_path: Path) -> None:
    """No compiler on PATH and an empty cache: KSChan mechanisms, nearly the same voltage."""
    bare = {k: v for k, v in os.environ.items() if k not in ("CC", "CXX")}
    bare |= {"PATH": str(Path(sys.executable).parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    running = process(*arguments("ode", tmp_path / "without", "experiment.duration=60 ms"), environment=bare)
    assert couple(*arguments("ode", tmp_path / "with", "experiment.duration=60 ms")) == 0
    _, stderr = running.communicate(timeout=120)
    assert running.returncode == 0, stderr
    runs = [h5py.File(tmp_path / name / "results.h5") for name in ("with", "without")]
    assert [r.attrs["channel_path"] for r in runs] == ["MOD", "KSChan"]
    v = [r["neuron/v"][()] for r in runs]
    depolarisation = np.sqrt(np.mean((v[0] - v[0][0]) ** 2))
    assert np.sqrt(np.mean((v[0] - v[1]) ** 2)) < 0.02 * depolarisation
