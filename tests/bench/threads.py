"""Sites of one process on several threads against one: `uv run python tests/bench/threads.py [threads [repeats]]`.

Four lattice spines of 8,000 molecules at 10 nm, and batches of well-mixed and reduced ones, in windows of 0.1 ms, in
turns of both kinds: wall-clock time, which others on the machine spoil, and the CPU time of the thread that computed
most, which leaves waking out. Results are compared to the bit. Prints JSON lines.
"""

from __future__ import annotations

import contextlib
import json
import logging
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from lattice_spine import spine_initial, spine_network

import couple.parallel.threads
from couple.base import registry
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.geometry.geometry import Geometry

HEAD = Geometry.cylinder(0.5, 0.5)
TARGET = 1.85
KINDS = {
    "lattice": (4, 30),
    "gridded": (4, 40),
    "ssa": (512, 60),
    "ode": (256, 60),
    "langevin": (256, 10),
    "surrogate": (10_000, 30),
}
"""Engine → sites, and windows of a turn."""


def engine(kind: str, n: int, threads: int) -> SiteEngine:
    """With n spine heads."""
    cls = registry.load("couple.engines", kind)
    options = cls.Options.model_validate(
        {"lattice": {"spacing": "10 nm"}, "gridded": {"spacing": "100 nm"}}.get(kind, {})
    )
    network = spine_network()
    initial = spine_initial(network, HEAD)
    sites = tuple(Site(f"head{k}", HEAD, initial) for k in range(n))
    setup = EngineSetup(kind, network, sites, tick=0.1, injected=("Ca",), seed=1, options=options, threads=threads)
    made = cls(setup)
    assert isinstance(made, SiteEngine)
    return made


def cpu_by_thread() -> dict[str, float]:
    """Seconds that each thread of this process has computed."""
    found = {}
    for path in Path("/proc/self/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # it has ended
            found[path.parent.name] = int(path.read_text().split()[0]) * 1e-9
    return found


def turn(made: SiteEngine, windows: int) -> tuple[float, float]:
    """Wall-clock seconds of some windows, and CPU seconds of the thread that computed most."""
    before, begun = cpu_by_thread(), time.perf_counter()
    for _ in range(windows):
        made.advance(1)
    wall, after = time.perf_counter() - begun, cpu_by_thread()
    return wall, max(seconds - before.get(thread, 0.0) for thread, seconds in after.items())


def show(name: str, value: float, unit: str, target: float | None = None) -> None:
    """Print a line."""
    met = None if target is None else bool(value >= target)
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "target": target, "met": met}), flush=True)


def main(threads: int = 2, repeats: int = 15) -> None:
    """Print the ratios for each kind."""
    for kind, (n, windows) in KINDS.items():
        one, several = engine(kind, n, 1), engine(kind, n, threads)
        for made in (one, several):
            made.write("influx", 5.0)
            made.advance(1)
            turn(made, 2)
        taken = np.array([(turn(one, windows), turn(several, windows)) for _ in range(repeats)])
        if one.read("counts").tobytes() != several.read("counts").tobytes():
            raise SystemExit(f"{kind}: threads change results")
        target = TARGET if kind == "lattice" and threads == 2 else None
        name = f"{kind}, {n} sites, {threads} threads: times as fast as one"
        for k, clock in enumerate(("wall-clock time", "CPU time of the busiest thread")):
            ratios = taken[:, 0, k] / taken[:, 1, k]
            show(f"{name}, {clock}, best of {repeats}", taken[:, 0, k].min() / taken[:, 1, k].min(), "1", target)
            show(f"{name}, {clock}, median", statistics.median(ratios.tolist()), "1", target)
        show(f"{kind}, {n} sites: a window in one thread", 1e3 * taken[:, 0, 0].min() / windows, "ms")


if __name__ == "__main__":
    logging.disable()
    couple.parallel.threads.REST = 0  # also where others take the cores
    main(*map(int, sys.argv[1:]))
