"""The surrogate engine in CPU time: a site against the lattice and the SSA, and 1000 sites against NEURON's own part.

    uv run --group bench python tests/bench/surrogate.py

Concentrations are those of examples/spine/spine.toml (78.7 µM CBP, 45 µM calbindin, pumps, 20 SK) in 0.1 µm³; then also
30 µM calmodulin and 80 µM CaMKII. All engines see the same calcium influx:
the cost of all of them depends on it, so figures are given by activity, and over a second with spikes at 5 Hz.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from closed_loop import bare_neuron, recorded, simulation  # noqa: E402
from figures import report  # noqa: E402

from couple import registry  # noqa: E402
from couple.engine import EngineSetup, Site, SiteEngine  # noqa: E402
from couple.experiment import Experiment  # noqa: E402
from couple.geometry import Geometry  # noqa: E402
from couple.initial import initial_counts  # noqa: E402

ROOT = HERE.parents[1]
SPINE = ROOT / "examples" / "spine" / "spine.toml"
SK = ROOT / "examples" / "sk" / "sk.h5"
CAMKII = ROOT / "examples" / "camkii" / "camkii.h5"
SITES, WINDOW = 1000, 0.1


def engine(kind: str, experiment: Experiment, sites: int, options: dict[str, Any]) -> SiteEngine:
    """Heads of 0.1 µm³ with the chemistry of the experiment."""
    network, head = experiment.network(), Geometry.cylinder(0.5, 0.509296)
    factory = registry.load("couple.engines", kind)
    start = initial_counts(network, experiment.chemistry.initial, head)
    made = factory(
        EngineSetup(
            kind, network, tuple(Site(f"s{i}", head, start) for i in range(sites)), WINDOW, injected=("Ca",),
            options=factory.Options.model_validate(options), folder=ROOT,
        )
    )  # fmt: skip
    assert isinstance(made, SiteEngine)
    return made


def influx(windows: int) -> np.ndarray:
    """Ions per window: quiet, then a train of calcium spikes of 2 ms that reaches some µM."""
    t = WINDOW * np.arange(windows)
    return np.where((t % 20 < 2) & (t > 10), 49.0, 0.2)


def protocol() -> np.ndarray:
    """Ions per window of 1 s with spikes of 2 ms at 5 Hz."""
    t = WINDOW * np.arange(10000)
    return np.where((t % 200 >= 100) & (t % 200 < 102), 49.0, 0.2)


def per_window(made: SiteEngine, course: np.ndarray) -> float:
    """CPU seconds per site and window over the course, the first window left out."""
    made.write("influx", 0.0)
    made.advance(1)
    start = time.process_time()
    for ions in course.tolist():
        made.write("influx", np.floor(ions) if made.integer else ions)
        made.advance(1)
    return (time.process_time() - start) / len(course) / len(made.sites)


def sites_figures(what: str, experiment: Experiment, models: dict[str, str], rounds: int, spacing: str) -> None:
    """Against the fine engines, in rounds in which all take turns. spacing: of the lattice."""
    courses = {"surrogate": influx(500), "ssa": influx(500), "lattice": influx(8), "ode": influx(500)}
    options: dict[str, dict[str, Any]] = {"surrogate": {"models": models}, "lattice": {"spacing": spacing}}
    made = {k: engine(k, experiment, SITES if k == "surrogate" else 1, options.get(k, {})) for k in courses}
    spent: dict[str, list[float]] = {k: [] for k in courses}
    for _ in range(rounds):
        for kind, course in courses.items():
            spent[kind].append(per_window(made[kind], course))
    mine = spent["surrogate"]
    report(f"surrogate, {what}, {SITES} sites: CPU per site and window of 0.1 ms", 1e6 * statistics.median(mine), "us")
    for kind, target in (("lattice", 1e-4), ("ssa", 1e-2), ("ode", None)):
        ratio = statistics.median(a / b for a, b in zip(mine, spent[kind], strict=True))
        report(f"the same over {kind}'s", ratio, "ratio", target)
        report(f"so it is faster than {kind}", 1 / ratio, "times")


def activity_figures(what: str, experiment: Experiment, models: dict[str, str], rounds: int) -> None:
    """Against the SSA by activity: both see the same influx."""
    courses = {
        "at rest, 0.2 ions per window": np.full(1000, 0.2),
        "a train of spikes at 50 Hz": influx(1000),
        "sustained influx of 8 ions per window": np.full(1000, 8.0),
        "1 s with spikes at 5 Hz": protocol(),
    }
    for name, course in courses.items():
        ratios, mine, calcium = [], [], 0.0
        for _ in range(rounds):
            surrogate = engine("surrogate", experiment, SITES // 5, {"models": models})
            mine.append(per_window(surrogate, course))
            ratios.append(mine[-1] / per_window(engine("ssa", experiment, 4, {}), course))
            calcium = float(surrogate.read("counts")[:, 0].mean()) / (602.214 * 0.1)
        report(f"surrogate, {what}, {name}: CPU per site and window", 1e6 * statistics.median(mine), "us")
        goal = 1e-2 if name.startswith("1 s") else None
        report(f"the same over ssa's, {what}, {name}", statistics.median(ratios), "ratio", goal)
        report(f"calcium at the end, {name}", calcium, "uM")


def cell(models: dict[str, str], chemistry: dict[str, Any]) -> Experiment:
    """The cable of 1000 heads, coupled both ways; V, Ca and SK are recorded."""
    names = [f"cable({(i + 0.5) / SITES:g})" for i in range(SITES)]
    content: dict[str, Any] = {
        "experiment": {"name": "heads", "duration": "100 ms", "exchange": "0.1 ms", "max_debt": 10**9},
        "neuron": {"model": "models/heads.py:build", "dt": "0.025 ms", "celsius": 34.0},
        "chemistry": chemistry,
        "site": [
            {"name": f"s{i}", "segment": name, "engine": "surrogate", "surrogate": {"models": models}}
            for i, name in enumerate(names)
        ],
        "link": [
            {"from": "neuron.ica", "to": "*.Ca"},
            {"from": "*.Ca", "to": "neuron.cai"},
            {"from": "*.SK_open", "to": "neuron.SK", "conductance": "10 pS"},
        ],
        "record": {"every": "0.1 ms", "variables": ["v", "counts", "means"], "species": ["Ca"]},
    }
    return Experiment.parse(content, path=HERE / "heads.toml")


def cell_figures(what: str, experiment: Experiment, rounds: int, windows: int = 300) -> None:
    """Chemistry in the running loop against NEURON in chunks with the conductances replayed."""
    g, _ = recorded(experiment, windows)
    segments = [name for s in experiment.site for name in s.segment or ()]
    chemistry, alone = [], []
    for _ in range(rounds):
        loop = bare_neuron(HERE / "models" / "heads.py", segments, segments, g, 0.025, 4)
        start = time.process_time()
        loop()
        alone.append(time.process_time() - start)
        del loop
        made = simulation(experiment)
        (one,) = made.system.engines
        plain, spent = one.advance, [0.0]

        def timed(ticks: int, plain: Any = plain, spent: list[float] = spent) -> None:
            start = time.process_time()
            plain(ticks)
            spent[0] += time.process_time() - start

        one.advance = timed  # type: ignore[method-assign]
        for _ in range(windows):
            made.orchestrator.step()
        chemistry.append(spent[0])
        calcium = made.system.engines[0].read("counts")[:, 0] / (602.214 * 0.1)
        made.finish("partial")
    us = 1e6 / windows
    report(f"NEURON chunked, {SITES} segments, conductance replayed", us * statistics.median(alone), "us/window")
    report(f"chemistry of {SITES} sites, {what}", us * statistics.median(chemistry), "us/window")
    ratio = statistics.median(c / n for c, n in zip(chemistry, alone, strict=True))
    report(f"chemistry over NEURON, {what}", ratio, "ratio", 0.5)
    report("calcium at the end, largest", float(calcium.max()), "uM")


def with_camkii(spine: dict[str, Any]) -> Experiment:
    """The chemistry of the spine and 30 µM calmodulin, 80 µM CaMKII, all 155 species."""
    initial = {**spine["initial"], "CaM_c0n0": "30 uM", "K": "80 uM"}
    chemistry = {**spine, "include": {"camkii": {}}, "initial": initial}
    site = {"name": "head", "engine": "ssa", "geometry": {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}}
    times = {"name": "camkii", "duration": "1 ms", "exchange": "0.1 ms"}
    content = {"experiment": times, "chemistry": chemistry, "site": [site]}
    return Experiment.parse(content, path=ROOT / "experiment")


def main() -> None:
    rounds = 3
    spine = Experiment.load(SPINE)
    content: Any = spine.source["chemistry"]
    sk = {"SK": str(SK)}
    sites_figures("spine with SK", spine, sk, rounds, "10 nm")
    activity_figures("spine with SK", spine, sk, rounds)
    cell_figures("spine with SK", cell(sk, content), rounds)
    both, more = {**sk, "CaMKII": str(CAMKII)}, with_camkii(content)
    sites_figures("spine with SK and CaMKII", more, both, rounds, "12 nm")  # subunits meet too fast for 10
    cell_figures("spine with SK and CaMKII", cell(both, more.source["chemistry"]), rounds)


if __name__ == "__main__":
    main()
