"""Processes that are killed, or get two signals, at instants uniform over all of their life: all go on to the bit.

COUPLE_KILLS and COUPLE_DOUBLE_SIGNALS set how many, over all experiments; COUPLE_KILLS_SEED when.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.killed_experiments import Killed, assert_same_content, killed_experiments

KILLS = int(os.environ.get("COUPLE_KILLS", "300"))
DOUBLE_SIGNALS = int(os.environ.get("COUPLE_DOUBLE_SIGNALS", "100"))
SEED = os.environ.get("COUPLE_KILLS_SEED", "1")

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BETWEEN = 0.02
"""Seconds between two signals."""

STARTED = 0.25
"""Seconds until Python has started and listens: what comes before ends it as it ends any program."""

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Killed, Path, float]]:
    """Each, its output without a stop, and how many seconds that took from start to end."""
    folder = tmp_path_factory.mktemp("killed")
    found = {}
    for name, experiment in killed_experiments(folder).items():
        for k in range(2):  # kernels and forms are compiled the first time
            out = folder / f"straight {k} {name}"
            begun = time.monotonic()
            running = experiment.begin(out)
            _, stderr = running.communicate(timeout=600)
            assert running.returncode == 0, f"{name}: {stderr}"
            seconds = time.monotonic() - begun
        assert_same_content(folder / f"straight 0 {name}" / experiment.result, out / experiment.result)
        found[name] = (experiment, out, seconds)
    return found


def instants(kind: str, count: int, names: list[str]) -> Iterator[tuple[str, float]]:
    """Experiments in turn, and shares of their life."""
    rng = random.Random(f"{kind} {SEED}")
    for k in range(count):
        yield names[k % len(names)], rng.random()


def test_killed_at_any_instant(experiments: dict[str, tuple[Killed, Path, float]], tmp_path: Path) -> None:
    kills = 0
    for k, (name, share) in enumerate(instants("kills", KILLS, list(experiments))):
        experiment, straight, seconds = experiments[name]
        out = tmp_path / str(k)
        running = experiment.begin(out)
        time.sleep(share * seconds)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        kills += running.returncode == -signal.SIGKILL
        said = experiment.go_on(out)
        assert_same_content(straight / experiment.result, out / experiment.result)
        assert not list(out.rglob(".*")), (name, share, said)
        print(f"kill {k + 1}: {name} at {share:.3f}: to the bit", flush=True)
    assert kills > 0.8 * KILLS


def test_two_signals_at_any_instant(experiments: dict[str, tuple[Killed, Path, float]], tmp_path: Path) -> None:
    rng, stopped = random.Random(f"signals {SEED}"), 0
    for k, (name, share) in enumerate(instants("two", DOUBLE_SIGNALS, list(experiments))):
        experiment, straight, seconds = experiments[name]
        out, numbers = tmp_path / str(k), rng.choices(STOPS, k=2)
        running = experiment.begin(out)
        time.sleep(STARTED + share * (seconds - STARTED))
        for number in numbers:
            if running.poll() is None:
                running.send_signal(number)
            time.sleep(BETWEEN)
        _, stderr = running.communicate(timeout=120)
        what = (name, share, numbers, running.returncode, stderr)
        assert "Traceback" not in stderr and "Exception ignored" not in stderr, what
        if running.returncode != 0:
            stopped += 1
            # where both wait for Python to look, it takes them by their number, not in their order
            assert running.returncode in [128 + n for n in numbers] or experiment.ranks > 1, what
            assert stderr.count("error: ") == 1 or experiment.ranks > 1, what
        experiment.go_on(out) if running.returncode != 0 else None
        assert_same_content(straight / experiment.result, out / experiment.result)
        print(f"signals {k + 1}: {name} at {share:.3f}: {running.returncode}, to the bit", flush=True)
    assert stopped > 0.5 * DOUBLE_SIGNALS
