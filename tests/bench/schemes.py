"""What a window of each scheme costs, in CPU time: of the spine example, and of a cell of a thousand segments.

An iterated window is as dear as its passes, and what it takes to keep and take up a state. Run as

    uv run --group bench python tests/bench/schemes.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import interleaved, median_of, report  # noqa: E402

from couple.experiment import Experiment  # noqa: E402
from couple.simulation.simulation import Simulation  # noqa: E402

SPINE = HERE.parent.parent / "examples" / "spine" / "spine.toml"
WINDOWS = 200
SCHEMES = ("staggered", "extrapolated", "iterated")
LARGE = """
from neuron import h
def build():
    head, dend = h.Section(name="head"), h.Section(name="dend")
    head.L = head.diam = 1
    dend.L, dend.diam, dend.nseg = 1000, 1, 999
    head.connect(dend(0.5))
    for section in (head, dend):
        section.insert("hh")
    from adapters.neuron import insert_cav
    insert_cav(head, gbar=1e-3)
    return head, dend
"""


def simulation(scheme: str, model: str | None) -> Simulation:
    more = [f"experiment.scheme={scheme}", "site.head.engine=ode", "experiment.duration=1000 ms", "record.voltages=[]"]
    return Simulation.in_memory(Experiment.load(SPINE, [*more, *([f"neuron.model={model}"] if model else [])]))


def prepared(scheme: str, model: str | None) -> Callable[[], object]:
    """Windows of one scheme, to be timed; the first ones are not."""
    made = simulation(scheme, model)
    for _ in range(20):
        made.step()

    def windows() -> None:
        for _ in range(WINDOWS):
            made.step()

    return windows


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "large.py").write_text(LARGE)
        for where, model in (("spine", None), ("1000 segments", f"{folder}/large.py:build")):
            seconds = interleaved({s: partial(prepared, s, model) for s in SCHEMES}, 5)
            staggered = seconds["staggered"]
            report(f"staggered, {where}", 1e6 * median_of(float, staggered) / WINDOWS, "us/window")
            for scheme, target in (("extrapolated", 1.5), ("iterated", 3.0)):
                ratio = median_of(lambda a, b: a / b, seconds[scheme], staggered)
                report(f"{scheme} / staggered, {where}", ratio, "1", target)


if __name__ == "__main__":
    main()
