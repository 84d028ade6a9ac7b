"""Killed at any write, or asked to stop at any moment, also twice: nothing is lost, and it goes on to the bit."""

from __future__ import annotations

import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from couple.analysis import plot
from couple.simulation import simulation
from couple.simulation.orchestrator import Orchestrator
from reducers.dbd.model.model import ReducedModel
from support.command_line import assert_equal_results, couple
from support.ensembles import assert_same
from support.stopped_commands import Act, at_call, at_write, goes_on, in_child, sends
from support.writing_commands import place_inputs

COMMANDS = {
    "run": lambda inputs, out: ("run", inputs / "box.toml", "--quiet", "--out", out),
    "sample": lambda inputs, out: ("sample", inputs / "box.toml", "--runs", 3, "--jobs", 1, "--quiet", "--out", out),
    "train": lambda inputs, out: ("train", inputs / "train.toml", "--quiet", "--no-figure", "--out", out),
}
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments, and each command without a stop in the folder of its name."""
    folder = place_inputs(tmp_path_factory.mktemp("inputs"))
    for name, arguments in COMMANDS.items():
        assert couple(*map(str, arguments(folder, folder / name))) == 0
    return folder


def assert_as_never_stopped(name: str, inputs: Path, out: Path) -> None:
    if name == "run":
        assert_equal_results(inputs / "run" / "results.h5", out / "results.h5")
    elif name == "sample":
        assert_same(inputs / "sample" / "ensemble.h5", out / "ensemble.h5")
    else:
        a, b = (ReducedModel.read(folder / "model.h5") for folder in (inputs / "train", out))
        assert np.array_equal(a.trajectory(), b.trajectory()) and np.array_equal(a.history, b.history)
        assert a.held_out == b.held_out
    assert not list(out.rglob(".*")), "left-overs"


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_any_write_it_goes_on_to_the_bit(name: str, inputs: Path, tmp_path: Path) -> None:
    k = kills = 0
    while True:
        out = tmp_path / str(k)
        instant = at_write(k // 2, sends(signal.SIGKILL), after=k % 2 == 1)
        arguments = COMMANDS[name](inputs, out)
        code = in_child(arguments, tmp_path / "errors", instant)
        if code == 0:
            break
        assert code == -signal.SIGKILL, (tmp_path / "errors").read_text()
        kills += 1
        assert goes_on(arguments, out), f"{name}, killed {'after' if k % 2 else 'before'} rename {k // 2}"
        assert_as_never_stopped(name, inputs, out)
        k += 1 if name != "train" else 3
    assert kills >= 4


def said(text: str) -> list[str]:
    """Lines other than what is said of the experiment itself."""
    return [line for line in text.splitlines() if not line.startswith("warning: ")]


def stopped(errors: Path, code: int, number: signal.Signals) -> str:
    """The one line of a command that a signal has ended."""
    text = errors.read_text()
    lines = said(text)
    assert code == 128 + number and len(lines) == 1 and lines[0].startswith("error: "), (code, text)
    assert f"stopped by {number.name}" in lines[0]
    return lines[0]


PLACES, COUNTS = ("wiring", "stepping", "saving"), (1, 2, 30)


def square(i: int, j: int, k: int) -> Any:
    """A place, a signal and how many: of all 27 in everyday's suite a Latin square, with every pair of two of them."""
    marks = () if (i + j + k) % 3 == 0 else (pytest.mark.acceptance,)
    return pytest.param(PLACES[i], STOPS[j], COUNTS[k], marks=marks, id=f"{PLACES[i]}-{STOPS[j].name}-{COUNTS[k]}")


@pytest.mark.parametrize(("where", "number", "count"), [square(*at) for at in itertools.product(range(3), repeat=3)])
def test_signals_at_any_moment_lose_nothing(
    where: str, number: signal.Signals, count: int, inputs: Path, tmp_path: Path
) -> None:
    """However many, also while the state is saved: the first says why, and the others change nothing."""
    act, once = sends(*[number] * count), sends(number)
    patches: dict[str, tuple[Act, ...]] = {
        "wiring": (at_call(simulation, "wire", act),),
        "stepping": (at_call(Orchestrator, "step", act, k=12),),
        "saving": (at_call(Orchestrator, "step", once, k=12), at_write(2, act, also=act)),
    }
    out, errors = tmp_path / "out", tmp_path / "errors"
    arguments = COMMANDS["run"](inputs, out)
    line = stopped(errors, in_child(arguments, errors, *patches[where]), number)
    if where == "wiring":
        assert "the same command again" in line and not out.exists()
        assert couple(*map(str, arguments)) == 0
    else:
        found = re.search(r"at t = 1\.3 ms; go on with: couple resume (\S+)$", line)
        assert found is not None, line
        with h5py.File(out / "results.h5") as file:  # what was computed can be looked at
            assert file.attrs["status"] == "interrupted" and len(file["time"]) == 14
        assert couple("resume", found[1], "--quiet") == 0
    assert_as_never_stopped("run", inputs, out)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        *[("sample", signal.SIGTERM), ("sample", signal.SIGHUP), ("train", signal.SIGTERM), ("train", signal.SIGINT)],
        pytest.param("sample", signal.SIGINT, marks=pytest.mark.acceptance),
        pytest.param("train", signal.SIGHUP, marks=pytest.mark.acceptance),
    ],
)
def test_signals_at_any_write_lose_nothing(name: str, number: signal.Signals, inputs: Path, tmp_path: Path) -> None:
    for k in (1, 3):
        out, errors = tmp_path / str(k), tmp_path / "errors"
        act = sends(number, number)
        arguments = COMMANDS[name](inputs, out)
        code = in_child(arguments, errors, at_write(k, act, also=act))
        if code != 0:  # the work was not done when it came
            assert f"go on with: couple {'resume' if name == 'sample' else 'train --resume'} {out}" in stopped(
                errors, code, number
            )
            assert goes_on(arguments, out)
        assert_as_never_stopped(name, inputs, out)


def test_a_signal_while_the_figure_is_drawn_leaves_the_results(inputs: Path, tmp_path: Path) -> None:
    out, errors = tmp_path / "out", tmp_path / "errors"
    code = in_child(COMMANDS["run"](inputs, out), errors, at_call(plot, "figure", sends(signal.SIGINT, signal.SIGINT)))
    assert f"while the figure was drawn; the results are in {out}" in stopped(errors, code, signal.SIGINT)
    assert_as_never_stopped("run", inputs, out)


def test_a_signal_in_the_last_moment_changes_nothing(inputs: Path, tmp_path: Path) -> None:
    """Results are being written: the run is complete, and so is what it leaves."""
    out, errors = tmp_path / "out", tmp_path / "errors"
    patch = at_call(simulation.Simulation, "finish", sends(signal.SIGTERM, signal.SIGINT))
    assert in_child(COMMANDS["run"](inputs, out), errors, patch) == 0, errors.read_text()
    assert not said(errors.read_text()) and (out / "summary.json").exists() and (out / "figure.png").exists()
    assert_as_never_stopped("run", inputs, out)


def test_without_listening_while_saving_the_state_is_lost(inputs: Path, tmp_path: Path) -> None:
    """The control: one that kills at that moment is seen."""
    out, errors = tmp_path / "out", tmp_path / "errors"
    patches = (at_call(Orchestrator, "step", sends(signal.SIGTERM), k=12), at_write(2, sends(signal.SIGKILL)))
    assert in_child(COMMANDS["run"](inputs, out), errors, *patches) == -signal.SIGKILL
    assert not (out / "results.h5").exists()


# -- real processes ---------------------------------------------------------------------------------------------------


def process(*arguments: object, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "couple", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]


def long(inputs: Path) -> tuple[object, ...]:
    changes = ("--set", "experiment.duration=1000 s", "--set", "record.every=100 ms")
    return ("run", inputs / "box.toml", *changes, "--quiet")


@pytest.mark.parametrize("after", [0.3, pytest.param(0.7, marks=pytest.mark.acceptance), 1.1])
def test_a_held_key_while_it_starts(after: float, inputs: Path, tmp_path: Path) -> None:
    while True:
        running = process(*long(inputs), "--out", tmp_path / "out")
        time.sleep(after)
        patience = time.monotonic() + 60
        while running.poll() is None:
            running.send_signal(signal.SIGINT if time.monotonic() < patience else signal.SIGKILL)
            time.sleep(0.02)
        stdout, stderr = running.communicate()
        if running.returncode != -signal.SIGINT or "couple" in stderr or after > 60:
            break
        after *= 2  # Python had not come to us yet
    lines = said(stderr)
    assert running.returncode == 130 and len(lines) == 1 and "stopped by SIGINT" in lines[0], stderr
    assert not stdout and not list((tmp_path / "out").glob(".*"))


def test_a_terminal_that_closes(inputs: Path, tmp_path: Path) -> None:
    """SIGHUP comes, and nothing can be printed any more: the state is saved all the same."""
    out = tmp_path / "out"
    child, terminal = pty.fork()
    if child == 0:
        command = [*map(str, long(inputs))][:-1]  # with a progress bar
        os.execv(sys.executable, [sys.executable, "-m", "couple", *command, "--out", str(out)])
    while not (out / "checkpoint.h5").exists():
        os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    with h5py.File(out / "results.h5") as file:
        assert file.attrs["status"] == "interrupted"
    assert couple("resume", str(out), "--until", "1 ms", "--quiet") == 2, "which is in the past: it goes on from later"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU])
def test_warnings_of_schedulers_stop_as_sigterm_does(number: signal.Signals, inputs: Path, tmp_path: Path) -> None:
    out, errors = tmp_path / "out", tmp_path / "errors"
    arguments = COMMANDS["run"](inputs, out)
    line = stopped(
        errors, in_child(arguments, errors, at_call(Orchestrator, "step", sends(number, number), k=12)), number
    )
    assert re.search(r"at t = 1\.3 ms; go on with: couple resume (\S+)$", line) is not None
    assert couple("resume", str(out), "--quiet") == 0
    assert_as_never_stopped("run", inputs, out)


def test_nohup_goes_on(inputs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    running = process(*long(inputs), "--out", out, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    while not (out / "checkpoint.h5").exists() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate()
    assert running.returncode == 128 + signal.SIGTERM and "stopped by SIGTERM" in stderr


def test_a_group_that_is_stopped_keeps_what_its_processes_have_made(inputs: Path, tmp_path: Path) -> None:
    """Schedulers and terminals send to all processes: those that make runs leave it to the one that asked for them."""
    out = tmp_path / "out"
    sample = ("sample", inputs / "box.toml", "--runs", 40, "--jobs", 2, "--fresh", "--quiet", "--out", out)
    running = process(*sample, start_new_session=True)
    while running.poll() is None and not list((out / "parts").glob("0*.h5")):
        time.sleep(0.01)
    for _ in range(5):
        os.killpg(running.pid, signal.SIGTERM)
    _, stderr = running.communicate()
    assert running.returncode == 128 + signal.SIGTERM and len(said(stderr)) == 1, stderr
    assert re.search(r"stopped by SIGTERM with \d+ of 40 runs; go on with: couple resume", stderr)
    with h5py.File(out / "ensemble.h5") as file:
        runs = file["run"][()]
        assert 0 < len(runs) < 40
    assert not list(out.rglob(".*"))
    with h5py.File(out / "ensemble.h5") as found, h5py.File(inputs / "sample" / "ensemble.h5") as straight:
        for row, run in enumerate(runs[runs < 3].tolist()):
            assert found["box/counts"][row].tobytes() == straight["box/counts"][run].tobytes()
