"""How near inference comes to posteriors that are known: C2ST (0.5: equal) with simulations and seconds of CPU.

    uv run python tests/bench/infer.py [CASE/METHOD ...]

A control beside each: the accuracy between two sets of exact draws.
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

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.inference_cases import CASES, SIMULATOR

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
DRAWS = 2000


def measure(name: str) -> str:
    case, method = CASES[name.split("/")[0]], name.split("/")[1]
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
    accuracy, control = c2st(exact, draws_of(found, DRAWS, 1)), c2st(exact, other)
    return (
        f"{name:24} C2ST {accuracy:.3f} (control {control:.3f})  {len(found.simulations)} simulations  "
        f"{sum(len(one.training) for one in found.losses)} epochs  {seconds:.0f} s of CPU"
    )


if __name__ == "__main__":
    for wanted in sys.argv[1:] or BUDGETS:
        print(measure(wanted), flush=True)
