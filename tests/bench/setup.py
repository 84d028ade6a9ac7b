"""Set-up of many spines: `uv run python tests/bench/setup.py [FEW MANY]`; a JSON line per figure.

Each size is wired in a process of its own (`couple check` of examples/surrogate, every site reduced, without the
measure of a window), and what a process takes without spines is subtracted. Linear set-up takes as long per spine at
ten thousand as at one thousand.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import report

SURROGATE = Path(__file__).parents[2] / "examples" / "surrogate" / "surrogate.toml"
LARGER = 1.15
"""Time per spine of many in units of that of few, at the most."""
ROUNDS = 3


def measured(spines: int) -> tuple[float, float]:
    """CPU seconds and MB of a process that wires so many; the least of some rounds, which others disturb least."""
    found = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, __file__, "--wire", str(spines)], capture_output=True, text=True, check=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return min(seconds for seconds, _ in found), min(megabytes for _, megabytes in found)


def wire_and_say(spines: int) -> None:
    """CPU seconds that wiring takes, after all modules are there, and the process's peak of memory."""
    from couple.experiment import Experiment
    from couple.wiring import wire

    wire(
        Experiment.load(
            SURROGATE, ["spine.0.place.count=1", "site.spine_0.engine=surrogate", "spine.0.synapse.count=1"]
        )
    )
    changes = [f"spine.0.place.count={spines}", "site.spine_0.engine=surrogate"]
    experiment = Experiment.load(SURROGATE, changes)
    begun = time.process_time()
    system = wire(experiment)
    lines = len(system.describe)
    seconds = time.process_time() - begun
    assert lines > spines
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main() -> None:
    few, many = (int(n) for n in (sys.argv[1:] or ["1000", "10000"]))
    each = {}
    for spines in (few, many):
        seconds, megabytes = measured(spines)
        each[spines] = 1e3 * seconds / spines
        report(f"set-up of {spines} spines", seconds, "s")
        report(f"set-up of {spines} spines, per spine", each[spines], "ms")
        report(f"set-up of {spines} spines, memory", megabytes, "MB")
    report(f"per spine, {many} in units of {few}", each[many] / each[few], "1", LARGER)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--wire"]:
        wire_and_say(int(sys.argv[2]))
    else:
        main()
