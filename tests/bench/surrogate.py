"""The surrogate engine in CPU time: a site against lattice and SSA, and 1000 and 10,000 sites against NEURON's part.

    uv run --group bench python tests/bench/surrogate.py

Concentrations are those of examples/spine/spine.toml (78.7 µM CBP, 45 µM calbindin, pumps, 20 SK) in 0.1 µm³; then also
30 µM calmodulin and 80 µM CaMKII. All engines see the same calcium influx:
what SSA and surrogate cost depends on it, so figures are given by activity, with the free calcium that it leads to.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from closed_loop import bare_neuron, recorded, simulation  # noqa: E402
from figures import report  # noqa: E402

from couple.base import registry  # noqa: E402
from couple.components.engine import EngineSetup, Site, SiteEngine  # noqa: E402
from couple.experiment import Experiment  # noqa: E402
from couple.geometry.geometry import Geometry  # noqa: E402
from couple.wiring.sites.initial_amounts import initial_amounts  # noqa: E402

ROOT = HERE.parents[1]
SPINE = ROOT / "examples" / "spine" / "spine.toml"
SK = ROOT / "examples" / "sk" / "sk.h5"
CAMKII = ROOT / "examples" / "camkii" / "camkii.h5"
SITES, SSA_SITES, WINDOW = 1000, 200, 0.1
"""Sites of the SSA: so many that a call costs nothing beside them, and more cost the same each."""
CELLS = {1000: "heads.py", 10_000: "branched_heads.py"}
"""Spine heads → the cell in tests/bench/models that has them: a cable, and a soma with a hundred branches."""


def engine(kind: str, experiment: Experiment, sites: int, options: dict[str, Any]) -> SiteEngine:
    """Heads of 0.1 µm³ with the chemistry of the experiment."""
    network, head = experiment.network(), Geometry.cylinder(0.5, 0.509296)
    factory = registry.load("couple.engines", kind)
    start = initial_amounts(network, experiment.chemistry.initial, head).counts
    made = factory(
        EngineSetup(
            kind, network, tuple(Site(f"s{i}", head, start) for i in range(sites)), WINDOW, injected=("Ca",),
            options=factory.Options.model_validate(options), folder=ROOT,
        )
    )  # fmt: skip
    assert isinstance(made, SiteEngine)
    return made


def pulses(t: np.ndarray, times: Sequence[float], ions: float) -> np.ndarray:
    """Ions per window: `ions` for 2 ms from each of the times (ms) on, and little besides."""
    inside = np.zeros(len(t), dtype=bool)
    for begin in times:
        inside |= (t >= begin) & (t < begin + 2)
    return np.where(inside, ions, 0.2)


def courses() -> dict[str, np.ndarray]:
    """Ions per window by kind of activity."""
    t = WINDOW * np.arange(4000)
    theta = [100.0 * burst + 10.0 * spike for burst in range(4) for spike in range(4)]
    return {
        "at rest": np.full(1000, 0.2),
        "spikes at 5 Hz": pulses(t, [100.0, 300.0], 49.0),
        "a train at 50 Hz": pulses(t[:1000], [10.0, 30.0, 50.0, 70.0, 90.0], 49.0),
        "theta bursts, 4 spikes at 100 Hz every 100 ms": pulses(t, theta, 49.0),
        "sustained influx": np.full(1000, 8.0),
        "strong sustained influx": np.full(1000, 14.0),
    }


def per_window(made: SiteEngine, course: np.ndarray) -> float:
    """CPU seconds per site and window over the course, the first window left out."""
    made.write("influx", 0.0)
    made.advance(1)
    gc.collect()
    gc.disable()
    start = time.process_time()
    for ions in course.tolist():
        made.write("influx", np.floor(ions) if made.integer else ions)
        made.advance(1)
    spent = time.process_time() - start
    gc.enable()
    return spent / len(course) / len(made.sites)


def sites_figures(what: str, experiment: Experiment, models: dict[str, str], rounds: int, spacing: str) -> None:
    """Against the fine engines by activity, in rounds in which all take turns. spacing: of the lattice.

    The lattice costs the same at any activity, so it is run over a few windows only.
    """
    options: dict[str, dict[str, Any]] = {"surrogate": {"models": models}, "lattice": {"spacing": spacing}}
    lattice = engine("lattice", experiment, 1, options["lattice"])
    lattice_costs = [per_window(lattice, np.full(8, 8.0)) for _ in range(rounds)]
    for name, course in courses().items():
        spent: dict[str, list[float]] = {"surrogate": [], "ssa": []}
        mean = 0.0
        for _ in range(rounds):
            for kind, times in spent.items():
                made = engine(kind, experiment, SITES if kind == "surrogate" else SSA_SITES, options.get(kind, {}))
                times.append(per_window(made, course))
                if kind == "surrogate":
                    mean = float(made.read("counts")[:, 0].mean()) / (602.214 * 0.1)
        mine = spent["surrogate"]
        report(f"surrogate, {what}, {name}: CPU per site and window of 0.1 ms", 1e6 * statistics.median(mine), "us")
        report(f"free calcium at the end, {name}", mean, "uM")
        for kind, costs, target in (("lattice", lattice_costs, 1e4), ("ssa", spent["ssa"], 1e2)):
            ratio = statistics.median(b / a for a, b in zip(mine, costs, strict=True))
            report(f"faster than {kind}, {what}, {name}", ratio, "times", target, more=True)


def segments_of(heads: int) -> list[str]:
    """Where the heads of the cell of so many are."""
    if heads == SITES:
        return [f"cable({(i + 0.5) / SITES:g})" for i in range(SITES)]
    each = heads // 100
    return [f"branch[{k}]({(i + 0.5) / each:g})" for k in range(100) for i in range(each)]


def cell(models: dict[str, str], chemistry: dict[str, Any], heads: int = SITES) -> Experiment:
    """The cell of so many heads, coupled both ways; V, Ca and SK are recorded."""
    names = segments_of(heads)
    content: dict[str, Any] = {
        "experiment": {"name": "heads", "duration": "100 ms", "exchange": "0.1 ms", "max_debt": 10**9},
        "neuron": {"model": f"models/{CELLS[heads]}:build", "dt": "0.025 ms", "celsius": 34.0},
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
    heads = len(segments)
    chemistry, alone = [], []
    for _ in range(rounds):
        loop = bare_neuron(HERE / "models" / CELLS[heads], segments, segments, g, 0.025, 4)
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
    report(
        f"NEURON chunked, {CELLS[heads]}, {heads} heads, conductance replayed",
        us * statistics.median(alone),
        "us/window",
    )
    report(f"chemistry of {heads} sites, {what}", us * statistics.median(chemistry), "us/window")
    report(f"chemistry of {heads} sites, {what}: a site and window", us * statistics.median(chemistry) / heads, "us")
    ratio = statistics.median(c / n for c, n in zip(chemistry, alone, strict=True))
    report(f"chemistry of {heads} sites over NEURON, {what}", ratio, "ratio", 0.5 if heads == SITES else 0.25)
    report(f"calcium at the end of {heads} sites, largest", float(calcium.max()), "uM")


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
    cell_figures("spine with SK", cell(sk, content), rounds)
    both, more = {**sk, "CaMKII": str(CAMKII)}, with_camkii(content)
    sites_figures("spine with SK and CaMKII", more, both, rounds, "12 nm")  # subunits meet too fast for 10
    cell_figures("spine with SK and CaMKII", cell(both, more.source["chemistry"]), rounds)
    cell_figures("spine with SK and CaMKII", cell(both, more.source["chemistry"], 10_000), rounds, 100)


if __name__ == "__main__":
    main()
