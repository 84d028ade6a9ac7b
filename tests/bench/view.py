"""What being looked at costs a run: `uv run python tests/bench/view.py`; a JSON line per figure.

The spine of examples/spine by mass action, in one process: stretches of the same run with somebody who looks (the file
is renewed as `couple view` does it, whose own process is not counted) and without, ten pairs, one after the other in
turn. CPU time. How late is what is shown: the age of OUT/live/rows.npy as a viewer finds it, at every look.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import report  # noqa: E402

from couple.experiment import Experiment  # noqa: E402
from couple.simulation.simulation import Simulation  # noqa: E402
from couple.storage.run.watched_folder import LIVE, ROWS, WATCHED, leave, look  # noqa: E402

SPINE = HERE.parents[1] / "examples" / "spine" / "spine.toml"
PAIRS, STRETCH = 10, 1500.0
"""Pairs, and simulated ms of a half of one."""
MOST, LATEST = 0.02, 1.0
"""Of the run's CPU time, and seconds."""
POLL = 0.3
"""Seconds between two looks of a page."""


def main() -> None:
    changes = [f"experiment.duration={2 * PAIRS * STRETCH + STRETCH:g} ms", "site.head.engine=ode"]
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation.new(Experiment.load(SPINE, changes), Path(folder) / "out")
        out, spent, ages = Path(folder) / "out", {True: [0.0], False: [0.0]}, []
        state = {"watched": False, "looked": 0.0, "end": STRETCH, "began": 0.0}

        def watch(running: Simulation) -> bool:
            """Looks as a page does; turns at the end of each stretch."""
            if running.time >= state["end"] - 1e-9:
                now = time.process_time()
                spent[bool(state["watched"])].append(now - state["began"])
                state.update(watched=not state["watched"], end=state["end"] + STRETCH)
                if not state["watched"]:
                    leave(out, WATCHED)
                state["began"] = time.process_time()
            if state["watched"] and time.monotonic() - state["looked"] > POLL:
                before = time.process_time()
                state["looked"] = time.monotonic()
                look(out, os.getpid())
                path = out / LIVE / ROWS
                if path.is_file():
                    ages.append(time.time() - path.stat().st_mtime)
                state["began"] += time.process_time() - before  # the viewer's, not the run's
            return False

        simulation.after_each_window(watch)
        simulation.run()
    pairs = min(PAIRS, len(spent[True]) - 1, len(spent[False]) - 2)
    shares = [spent[True][k + 1] / spent[False][k + 2] - 1 for k in range(pairs)]  # the first stretch warms up
    report("a run that is looked at, share of its CPU time", float(np.median(shares)), "1", MOST)
    report("age of what is shown, median, with the pace of a page", float(np.median(ages)) + POLL, "s", LATEST)
    report("age of what is shown, largest, with the pace of a page", max(ages) + POLL, "s")


if __name__ == "__main__":
    main()
