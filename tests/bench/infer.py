"""How near inference comes to posteriors that are known: C2ST (0.5: equal) with simulations and seconds of CPU.

    uv run --group bench python tests/bench/infer.py [CASE/METHOD ...]

A control beside each: the accuracy between two sets of exact draws. No target is set for `abc`, the baseline.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reducers.inference.diagnostics.two_sample import c2st
from reducers.inference.inference import Inference
from reducers.inference.report import draws_of

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from figures import report  # noqa: E402

from support.inference_cases import CASES, SIMULATOR  # noqa: E402

BUDGETS = {
    "linear_gaussian/npe": (10_000, 1, {}),
    "linear_gaussian/tsnpe": (2_500, 4, {}),
    "linear_gaussian/apt": (2_500, 4, {"epochs": 100}),
    "linear_gaussian/abc": (10_000, 1, {}),
    "two_moons/npe": (20_000, 1, {"batch": 200, "rate": 1e-3}),
    "two_moons/tsnpe": (3_000, 3, {}),
    "two_moons/apt": (3_000, 3, {"epochs": 100}),
    "two_moons/abc": (20_000, 1, {}),
}
"""Case/method → simulations of a round, rounds, settings of the flow."""
TARGETS = {"linear_gaussian": 0.55, "two_moons": 0.58}
DRAWS = 2000


def measure(name: str) -> None:
    """Print the figures of one case and method."""
    problem, method = name.split("/")
    case = CASES[problem]
    simulations, rounds, flow = BUDGETS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "simulator.py").write_text(SIMULATOR)
        (folder / "infer.toml").write_text(case.file(method, simulations, rounds, **flow))
        begun = time.process_time()
        found = Inference.load(folder / "infer.toml", folder / "out", jobs=1).run()
        seconds = time.process_time() - begun
    rng = np.random.default_rng(0)
    exact, other = (case.exact(case.observation, DRAWS, rng) for _ in range(2))
    report(f"{name}: c2st", c2st(exact, draws_of(found, DRAWS, 1)), "", TARGETS[problem] if method != "abc" else None)
    report(f"{name}: c2st of exact draws", c2st(exact, other), "")
    report(f"{name}: simulations", len(found.simulations), "")
    report(f"{name}: epochs", sum(len(one.training) for one in found.losses), "")
    report(f"{name}: cpu", seconds, "s")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or BUDGETS:
        measure(wanted)
