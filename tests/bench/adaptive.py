"""What it saves to take particles only while they matter: examples/adaptive against the lattice throughout.

python tests/bench/adaptive.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from figures import interleaved, median_of, report

from couple.ensemble.sampler import Sampler
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation

BURST = Path(__file__).parent.parent.parent / "examples" / "adaptive" / "burst.toml"
CASES = {
    "surrogate and lattice": (),
    "ode and lattice": ('site.head.adaptive.engines=["ode", "lattice"]',),
    "lattice": ("site.head.engine=lattice",),
    "surrogate": ("site.head.engine=surrogate",),
}


def running(*overrides: str) -> Callable[[], Callable[[], object]]:
    """A whole run, prepared."""
    sampler = Sampler(Experiment.load(BURST, overrides))
    return lambda: lambda: sampler.run(1)


def main() -> None:
    """One JSON line per figure, in CPU seconds of this process."""
    tasks = {name: running(*overrides) for name, overrides in CASES.items()}
    for prepare in tasks.values():
        prepare()()
    seconds = interleaved(tasks, 5)
    for name in ("surrogate and lattice", "ode and lattice"):
        share = median_of(lambda a, b: a / b, seconds[name], seconds["lattice"])
        report(f"burst, {name}: CPU time, lattice throughout = 1", share, "", 0.2)
        spent = Simulation.in_memory(Experiment.load(BURST, CASES[name])).run()["seconds_inside"]["head"]
        report(f"burst, {name}: deciding, of all time inside", spent["deciding"] / sum(spent.values()), "", 0.2)
    for name, found in seconds.items():
        report(f"burst, {name}: a run of 300 ms", min(found), "s")


if __name__ == "__main__":
    main()
