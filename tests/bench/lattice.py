"""Speed and memory of the lattice against Spatiocyte (ecell4_base) and ReaDDy, in CPU time of interleaved rounds.

    uv run --group bench python tests/bench/lattice.py [NAME ...]

NAME: diffusion, binding, sizes, paper, ensemble, ready, memory; all by default. `memory` takes 1e4 steps with `--long`.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import interleaved, median_of, report  # noqa: E402

from adapters.lattice import Lattice  # noqa: E402
from adapters.lattice.paper import ensemble, lotka_volterra, run  # noqa: E402
from couple.chemistry.equations import read_reaction  # noqa: E402
from couple.chemistry.network import ReactionNetwork  # noqa: E402
from couple.chemistry.reaction import Species  # noqa: E402
from couple.components.engine import EngineSetup, Site  # noqa: E402
from couple.geometry.geometry import Geometry  # noqa: E402

Loop = Callable[[], object]
D = 1e-3  # µm²/ms
H = 0.01  # µm
STEP = H**2 / (6 * D)  # ms


def at_least(name: str, value: float, target: float) -> None:
    """Print a ratio that is met from its target on."""
    line = {"name": name, "value": round(value, 3), "unit": "ratio", "target": target, "met": value >= target}
    print(json.dumps(line), flush=True)


def lattice(edge: int, counts: tuple[int, ...], *, react: bool = False) -> Lattice:
    """A, B and C in a closed cube of `edge` cells; a tick is 30 steps."""
    names = {k: Species(k, D) for k in "ABC"}
    reactions = read_reaction(names, "A + B <-> C", "1e7 /M/s", "16.6 /s") if react else []
    site = Site("s", Geometry.cells((edge,) * 3, (edge * H) ** 3), counts)
    options = Lattice.Options.model_validate({"spacing": "10 nm", "shape": [edge] * 3})
    return Lattice(EngineSetup("x", ReactionNetwork(names.values(), reactions), (site,), 30 * STEP, options=options))


def spatiocyte(n: int, steps: int, *, react: bool = False) -> Loop:
    """The same voxel, so the same step, in 1 µm³."""
    from ecell4_base import core
    from ecell4_base import spatiocyte as s

    model = core.NetworkModel()
    kinds = [core.Species(k, H / 2, D * 1e3) for k in "ABC"]
    for kind in kinds:
        model.add_species_attribute(kind)
    if react:
        a, b, c = kinds
        model.add_reaction_rule(core.create_binding_reaction_rule(a, b, c, 1e7 * 1e15 / 6.02214076e23))
        model.add_reaction_rule(core.create_unbinding_reaction_rule(c, a, b, 16.6))
    world = s.SpatiocyteWorld(core.Real3(1, 1, 1), H / 2)
    world.bind_to(model)
    for kind in kinds[:2]:
        world.add_molecules(core.Species(kind.serial()), n // 2)
    simulator = s.SpatiocyteSimulator(world, model)
    simulator.run(2 * STEP * 1e-3, False)  # what it prepares at first is not timed
    return lambda: simulator.run(steps * STEP * 1e-3, False)


def readdy_loop(n: int, steps: int) -> Loop:
    """Free particles without forces, one thread."""
    import numpy as np
    import readdy

    system = readdy.ReactionDiffusionSystem([1.0, 1.0, 1.0], unit_system=None)
    system.add_species("A", D)
    simulation = system.simulation(kernel="SingleCPU")
    simulation.show_progress = False
    simulation.add_particles("A", np.random.default_rng(1).random((n, 3)) - 0.5)
    simulation.run(1, STEP, show_summary=False)
    return lambda: simulation.run(steps, STEP, show_summary=False)


def diffusion() -> None:
    """ns per particle and step, 1e4 particles, 100³ cells (Spatiocyte: the 1.5 million of its own lattice)."""
    n, ticks, few = 10_000, 10, 20

    def own() -> Loop:
        engine = lattice(100, (n // 2, n // 2, 0))
        return lambda: engine.advance(ticks)

    t = interleaved({"own": own, "sp": lambda: spatiocyte(n, few), "rd": lambda: readdy_loop(n, few)}, 15)
    ns = 1e9 / n
    per = {"own": 30 * ticks, "sp": few, "rd": few}
    for name, what in (("own", "lattice"), ("sp", "Spatiocyte"), ("rd", "ReaDDy")):
        report(f"diffusion, {what}", statistics.median(t[name]) * ns / per[name], "ns/particle-step")
    for name, what, target in (("sp", "Spatiocyte", 60), ("rd", "ReaDDy", 25)):
        ratio = median_of(lambda a, b, k=name: (b / per[k]) / (a / per["own"]), t["own"], t[name])
        at_least(f"diffusion, {what} / lattice", ratio, target)


def binding() -> None:
    """A + B <-> C, 1000 of each, 1 µm³: CPU per simulated time at the same voxel and step."""
    steps = 300

    def own() -> Loop:
        engine = lattice(100, (1000, 1000, 0), react=True)
        return lambda: engine.advance(steps // 30 * 10)

    t = interleaved({"own": own, "sp": lambda: spatiocyte(2000, steps, react=True)}, 15)
    simulated = steps * STEP
    report("A + B <-> C, lattice", statistics.median(t["own"]) * 1e3 / (10 * simulated), "ms CPU/ms")
    report("A + B <-> C, Spatiocyte", statistics.median(t["sp"]) * 1e3 / simulated, "ms CPU/ms")
    at_least("A + B <-> C, Spatiocyte / lattice", median_of(lambda a, b: 10 * b / a, t["own"], t["sp"]), 70)


def sizes() -> None:
    """The full kernel by size of the lattice: best and median of many short rounds."""
    for edge, n, target in (
        (40, 1_000, None),
        (100, 10_000, 4.5),
        (100, 100_000, 4.5),
        (256, 100_000, 15.0),
        (256, 1_000_000, 15.0),
        (512, 100_000, 30.0),
        (512, 1_000_000, 30.0),
    ):
        engine = lattice(edge, (n // 2, n // 2, 0), react=True)
        engine.advance(1)
        ticks, spent = max(1, 200_000 // n), []
        for _ in range(15):
            start = time.process_time()
            engine.advance(ticks)
            spent.append((time.process_time() - start) / (ticks * 30 * engine.read("counts").sum()) * 1e9)
        report(f"full kernel, {edge}^3, {n} particles, best round", float(min(spent)), "ns/particle-step", target)
        report(
            f"full kernel, {edge}^3, {n} particles, median round", float(statistics.median(spent)), "ns/particle-step"
        )
        del engine
        gc.collect()


def paper() -> None:
    """Lotka–Volterra of the paper: a run of 500 steps, set-up included; counts, and moments too, at every step."""
    start = {"H": 100, "P": 100}
    for row_first, moments in itertools.product((False, True), (False, True)):
        spent = []
        for seed in range(61):
            begin = time.process_time()
            run(lotka_volterra(), (40, 40), 500, seed, initial=start, row_first=row_first, moments=moments)
            spent.append(time.process_time() - begin)
        name = f"{'row first' if row_first else 'uniform'}{', with neighbour moments' if moments else ''}"
        target = 10.0 if row_first else 4.0
        report(f"Lotka-Volterra run, {name}, median of 60 seeds", 1e3 * statistics.median(spent[1:]), "ms", target)


def half() -> float:
    """CPU seconds of 60 runs."""
    start = time.process_time()
    ensemble(lotka_volterra(), (40, 40), 500, 60, 1, initial={"H": 100, "P": 100})
    return time.process_time() - start


def ensembles() -> None:
    """Work per CPU second of an ensemble on two threads over that of two processes of their own."""
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}]; import lattice; lattice.half(); print(lattice.half())"
    ratios = []
    for _ in range(5):
        alone = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
        own = sum(float(p.communicate()[0].split()[-1]) for p in alone)
        start = time.process_time()
        ensemble(lotka_volterra(), (40, 40), 500, 120, 1, initial={"H": 100, "P": 100}, threads=2)
        ratios.append(own / (time.process_time() - start))
    at_least("ensemble on 2 threads / two processes, work per CPU second", statistics.median(ratios), 0.95)


READY = """
import sys, time
sys.path[:0] = [{here!r}]
import lattice_spine as spine
from adapters.lattice import Lattice
network, geometry = spine.spine_network(), spine.Geometry.cylinder(0.5, 0.5)
site = spine.Site("head", geometry, spine.spine_initial(network, geometry))
options = Lattice.Options.model_validate({{"spacing": "10 nm"}})
wall, cpu = time.perf_counter(), time.process_time()
engine = Lattice(spine.EngineSetup("head", network, (site,), 0.025, injected=("Ca",), seed=1, options=options))
engine.advance(1)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def run_python(code: str, env: dict[str, str] | None = None) -> str:
    """What a second process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout


def ready() -> None:
    """From the import to the first advance of a spine head, in a second process."""
    code = READY.format(here=str(HERE))
    # Python's own cache as users have it: without it half of the time goes into compiling numba's sources.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    spent = [run_python(code, env) for _ in range(6)]
    cpu = [float(s.split()[-1]) for s in spent[1:]]
    report("engine ready after import, kernels cached", statistics.median(cpu), "s CPU", 1.0)


MEMORY = """
import gc, sys
sys.path[:0] = [{here!r}]
import lattice

def resident(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(what))

lattice.lattice(20, (10, 0, 0)).advance(1)
base = resident("VmRSS")
engine = lattice.lattice({edge}, ({n}, 0, 0))
for _ in range({ticks}):
    engine.advance(1)
gc.collect()
print(base, resident("VmRSS"), resident("VmHWM"))
"""


def memory(ticks: int) -> None:
    """Peak of the resident memory of 1e6 particles on 512³ cells, and what a particle and a site take of it."""

    def resident(edge: int, n: int, ticks: int) -> list[int]:
        return [int(x) for x in run_python(MEMORY.format(here=str(HERE), edge=edge, n=n, ticks=ticks)).split()]

    base, held, most = resident(512, 1_000_000, ticks)
    report(f"peak memory, 1e6 particles, 512^3, {30 * ticks} steps", most / 2**30, "GiB", 2.0)
    base_few, few, _ = resident(512, 1_000, 1)
    report("memory per particle", (held - base - few + base_few) / 999_000, "B")
    report("memory per site", (few - base_few) / 516**3, "B")


ALL: dict[str, Callable[[], Any]] = {
    "diffusion": diffusion,
    "binding": binding,
    "sizes": sizes,
    "paper": paper,
    "ensemble": ensembles,
    "ready": ready,
    "memory": lambda: memory(334 if "--long" in sys.argv else 4),
}

if __name__ == "__main__":
    for chosen in [a for a in sys.argv[1:] if not a.startswith("-")] or ALL:
        ALL[chosen]()
