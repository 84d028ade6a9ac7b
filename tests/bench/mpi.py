"""Networks over ranks: weak scaling against independent processes, messages, orchestration, and a model of many ranks.

    uv run --group bench python tests/bench/mpi.py

The efficiency is that of 2 ranks with a network twice as large, against two processes of their own at the same time:
both share the machine's caches and memory in the same way, so what is left is what MPI and waiting cost. Rounds
alternate; the figure is the median over rounds. On cores that others use too, ranks wait for each other whenever one of
them loses its core, which independent processes do not: read the figure of an idle machine.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from figures import report

EXAMPLE = Path(__file__).parents[2] / "examples" / "network" / "network.toml"
MPIEXEC = Path(sys.executable).parent / "mpiexec"
CELLS = 5
"""Parts of the example's network per rank: 4 excitatory cells with 20 spines each, and 1 inhibitory."""

ROUNDS = 3
LATENCY, BANDWIDTH = 2e-6, 10e9
"""Assumed of a cluster: seconds per message between machines, bytes per second of a link."""

BYTES = 16
"""Of a spike: time and number."""


def job(scale: int) -> None:
    """One rank: run a network of `scale` parts and print what it took, from inside the loop."""
    from couple import Experiment, Simulation
    from couple.simulation.schemes.window_pass import EXCHANGE

    sizes = (f"network.population.0.count={4 * CELLS * scale}", f"network.population.1.count={CELLS * scale}")
    experiment = Experiment.load(EXAMPLE, overrides=[*sizes, "experiment.duration=20 ms"])
    simulation = Simulation.in_memory(experiment)
    ranks, orchestrator = simulation.ranks, simulation.orchestrator
    ranks.largest([0.0])  # start together
    before = ranks.sent
    compute: list[float] = []  # CPU seconds: others on the machine do not count; of use where nobody waits spinning
    while orchestrator.window < simulation.system.plan.clock.windows:
        begun = time.process_time()
        orchestrator.step()
        compute.append(time.process_time() - begun)
    spikes = getattr(simulation.system.electrics, "spikes", ((), ()))
    found = {
        "seconds": sum(orchestrator.seconds.values()),
        "exchange": orchestrator.seconds[EXCHANGE],
        "messages": ranks.sent - before,
        "window": statistics.fmean(compute),
        "spread": statistics.pstdev(compute),
        "spikes": len(spikes[0]),
        "duration": simulation.time,
        "windows": len(compute),
    }
    os.write(sys.stdout.fileno(), f"{json.dumps(found)}\n".encode())  # in one piece: ranks share the pipe


def start(ranks: int, scale: int) -> subprocess.Popen[str]:
    launch = [str(MPIEXEC), "-n", str(ranks)] if ranks > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [*launch, sys.executable, __file__, "job", str(scale)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)


def finished(jobs: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    texts = [job.communicate()[0] for job in jobs]
    return [json.loads(line) for text in texts for line in text.splitlines() if line.startswith("{")]


def efficiency(ranks: int, window: float, spread: float, spikes: float, every: int) -> float:
    """Predicted for weak scaling to so many ranks.

    Every `every` windows (the shortest delay) all spikes go to all ranks: a tree of log2 P messages, then the bytes of
    the spikes of P ranks. Between two of these a rank computes `every` windows, whose costs vary independently with the
    measured spread; all wait for the slowest, at +sd sqrt(2 ln P). Sites send nothing.
    """
    compute = every * window
    waiting = math.sqrt(every) * spread * math.sqrt(2 * math.log(ranks)) if ranks > 1 else 0.0
    talking = LATENCY * math.ceil(math.log2(ranks)) + ranks * spikes * every * BYTES / BANDWIDTH
    return compute / (compute + waiting + talking)


def main() -> None:
    ratios, shares, messages, apart = [], [], [], []
    for _ in range(ROUNDS):
        apart = finished([start(1, 1), start(1, 1)])
        both = finished([start(2, 2)])
        ratios.append(statistics.fmean(a["seconds"] for a in apart) / max(b["seconds"] for b in both))
        shares.append(max(b["exchange"] / b["seconds"] for b in both))
        messages.append(max(b["messages"] for b in both))
    lost = 1 - statistics.median(ratios)
    report("weak scaling 1 to 2 ranks: lost against two processes of their own", lost, "1", 0.05)
    report("weak scaling 1 to 2 ranks: lost in the best round", 1 - max(ratios), "1")
    report("messages of the exchange for sites local to their cell", max(messages), "1", 0)
    report("orchestration at 2 ranks", statistics.median(shares), "of the run", 0.03)
    cost = apart[0]  # of a rank that waits for nobody
    spikes = cost["spikes"] / cost["windows"]
    for ranks in (100, 1000, 10_000):
        found = efficiency(ranks, cost["window"], cost["spread"], spikes, 10)
        report(f"predicted efficiency at {ranks} ranks (model: see efficiency())", found, "1")


if __name__ == "__main__":
    job(int(sys.argv[2])) if sys.argv[1:2] == ["job"] else main()
