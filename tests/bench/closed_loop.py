"""What the closed loop costs over its parts, in CPU time.

The parts are bare loops without a class of `couple`: NEURON in chunks of the exchange interval with the conductance
of the closed loop replayed, and the engine's kernel with its influx replayed. Recording is on in all. Run as

    uv run --group bench python tests/bench/closed_loop.py
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import interleaved, median_of, report  # noqa: E402

from adapters.lattice.physical.kernel import run as lattice_kernel  # noqa: E402
from adapters.wellmixed.ode import kernel as ode_kernel  # noqa: E402
from adapters.wellmixed.ssa import kernel as ssa_kernel  # noqa: E402
from couple.base import registry  # noqa: E402
from couple.components.engine import SiteEngine  # noqa: E402
from couple.experiment import Experiment  # noqa: E402
from couple.simulation.simulation import Simulation  # noqa: E402
from couple.wiring import wire  # noqa: E402

SPINE = HERE.parent.parent / "examples" / "spine" / "spine.toml"
FOLDER = tempfile.TemporaryDirectory()
Loop = Callable[[], object]


class NoOp(SiteEngine):
    """Takes its ions and does nothing: what is left is the loop itself."""

    def advance(self, ticks: int) -> None:
        counts = self._views["counts"]
        np.add(counts[:, 0], self._views["influx"][:, 0], counts[:, 0])

    def write_counts(self, counts: Any, rng: np.random.Generator) -> None:
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)

    def save(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


registry.register("couple.engines", "noop", NoOp)


def simulation(experiment: Experiment) -> Simulation:
    return Simulation.new(experiment, Path(tempfile.mkdtemp(dir=FOLDER.name)))


def steps(made: Simulation, windows: int) -> Loop:
    return lambda: made.orchestrator.run(windows)


def recorded(experiment: Experiment, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Conductances and influxes of every window of the closed loop."""
    made = simulation(experiment)
    (engine,) = made.system.engines
    assert made.system.electrics is not None
    g, influx = made.system.electrics.read("g"), engine.read("influx")
    rows_g, rows_in = [], []
    for _ in range(windows):
        rows_g.append(g.copy())
        made.step()
        rows_in.append(influx.copy())
    return np.array(rows_g), np.array(rows_in)


# -- bare NEURON ----------------------------------------------------------------------------------------------------


def bare_neuron(
    file: Path,
    segments: list[str],
    voltages: list[str],
    g: np.ndarray,
    dt: float,
    ticks: int,
    *,
    meter: bool = True,
    site: Callable[[int], None] | None = None,
) -> Loop:
    """The cell with a potassium conductance at `segments`, set before every chunk; voltages kept in rows.

    It has the mechanisms that the coupled cell has, so that what NEURON does is the same; `meter=False` leaves out
    what sums the calcium charge and makes eca follow cai, to show what that costs. site: the other part, which then
    takes turns with NEURON window by window.
    """
    from adapters.neuron.coupling.ion_ownership import own_concentration
    from adapters.neuron.hoc.h import h, pc
    from adapters.neuron.mechanisms.builtin import channel_path
    from adapters.neuron.models import loader

    loader.release_current()
    channel_path()
    spec = importlib.util.spec_from_file_location("bare_cell", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    keep = module.build()

    def segment(name: str) -> Any:
        section, x = name.removesuffix(")").split("(")
        return next(s for s in h.allsec() if s.name() == section)(float(x))

    places = [h.couple_k(segment(s)) for s in segments]
    if meter:
        for section in {segment(s).sec.name(): segment(s).sec for s in segments}.values():
            own_concentration("ca", section)
        places += [h.couple_charge(segment(s)) for s in segments]
    g = g * np.array([segment(s).area() * 1e-2 for s in segments])
    if len(segments) < 15:
        refs, seen = [p._ref_gmax for p in places[: len(segments)]], [segment(s)._ref_v for s in voltages]
    else:
        vector, pointers = h.Vector(len(segments)), h.PtrVector(len(segments))
        for i, p in enumerate(places[: len(segments)]):
            pointers.pset(i, p._ref_gmax)
        view = vector.as_numpy()
        out_vector, out = h.Vector(len(voltages)), h.PtrVector(len(voltages))
        for i, s in enumerate(voltages):
            out.pset(i, segment(s)._ref_v)
        out_view = out_vector.as_numpy()
    pc.set_maxstep(10)
    h.celsius, h.dt = 34, dt
    h.finitialize(-65)
    rows = np.zeros((len(g), len(voltages)))
    windows, solve = len(g), pc.psolve

    def few() -> object:
        for i in range(windows):
            values = g[i]
            for k, ref in enumerate(refs):
                ref[0] = values[k]
            solve(((i + 1) * ticks + 0.5) * dt)
            row = rows[i]
            for k, ref in enumerate(seen):
                row[k] = ref[0]
        return keep, places

    def turns() -> object:
        assert site is not None
        for i in range(windows):
            values = g[i]
            for k, ref in enumerate(refs):
                ref[0] = values[k]
            solve(((i + 1) * ticks + 0.5) * dt)
            row = rows[i]
            for k, ref in enumerate(seen):
                row[k] = ref[0]
            site(i)
        return keep, places

    def many() -> object:
        for i in range(windows):
            view[:] = g[i]
            pointers.scatter(vector)
            solve(((i + 1) * ticks + 0.5) * dt)
            out.gather(out_vector)
            rows[i] = out_view
        return keep, places

    if len(segments) >= 15:
        return many
    return few if site is None else turns


# -- bare engines -----------------------------------------------------------------------------------------------------


def bare_site(engine: SiteEngine, influx: np.ndarray, ticks: int) -> Loop:
    """The engine's kernel with its influx set before every window; counts and means kept in rows."""
    call = kernel_call(engine, ticks)
    into, counts, means = engine.read("influx"), engine.read("counts"), engine.read("means")
    windows = len(influx)
    rows = np.zeros((windows, *counts.shape)), np.zeros((windows, *means.shape))

    def loop() -> None:
        for i in range(windows):
            into[...] = influx[i]
            call()
            rows[0][i], rows[1][i] = counts, means

    return loop


def bare_window(engine: SiteEngine, influx: np.ndarray, ticks: int) -> Callable[[int], None]:
    """One window of `bare_site`."""
    call = kernel_call(engine, ticks)
    into, counts, means = engine.read("influx"), engine.read("counts"), engine.read("means")
    rows = np.zeros((len(influx), *counts.shape)), np.zeros((len(influx), *means.shape))

    def window(i: int) -> None:
        into[...] = influx[i]
        call()
        rows[0][i], rows[1][i] = counts, means

    return window


def kernel_call(engine: Any, ticks: int) -> Loop:
    ports = [engine.read(p) for p in ("counts", "influx", "clamp", "means")]
    counts, influx, clamp, means = ports
    if engine.__class__.__name__ == "NoOp":
        return lambda: np.add(counts[:, 0], influx[:, 0], counts[:, 0])
    window = ticks * engine.setup.tick
    if engine.__class__.__name__ == "PhysicalLattice":
        t, m, n = engine.tables[0], engine.molecules[0], ticks * engine._steps_per_tick[0]
        return lambda: lattice_kernel(t, m, 0, n, influx, clamp, counts, means)
    if engine.__class__.__name__ == "Gillespie":
        args = (
            engine._packed,
            *ports,
            engine._rates,
            engine.words,
            engine.events,
            engine.scratch[0][0],
            window,
            engine.scratch[0][1],
        )
        return lambda: ssa_kernel.advance(*args)
    args = (engine._packed, *ports, engine._rates, engine.inner, engine.scratch[0], window)
    args = (*args, engine._steps, engine._rtol, engine._atol)
    return lambda: ode_kernel.advance(*args)


# -- figures --------------------------------------------------------------------------------------------------------


def compare(experiment: Experiment, file: Path, windows: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of the closed loop, of its parts, and of NEURON in one go."""
    clock = simulation(experiment).system.plan.clock
    g, influx = recorded(experiment, windows)
    segments = [name for s in experiment.site for name in s.segment or ()]
    voltages = list(dict.fromkeys([*experiment.record.voltages, *segments]))

    def closed() -> Loop:
        return steps(simulation(experiment), windows)

    def neuron() -> Loop:
        return bare_neuron(file, segments, voltages, g, clock.tick, clock.window)

    def plain() -> Loop:
        return bare_neuron(file, segments, voltages, g, clock.tick, clock.window, meter=False)

    def one_go() -> Loop:
        return bare_neuron(file, segments, voltages, g[:1], clock.tick, clock.window * windows)

    def site() -> Loop:
        (engine,) = wire(experiment).engines
        return bare_site(engine, influx, clock.window)

    def turns() -> Loop:
        (engine,) = wire(experiment).engines
        window = bare_window(engine, influx, clock.window)
        return bare_neuron(file, segments, voltages, g, clock.tick, clock.window, site=window)

    tasks = {"closed": closed, "neuron": neuron, "site": site, "one go": one_go, "plain": plain}
    if len(segments) < 15:
        tasks["turns"] = turns
    return interleaved(tasks, repeats)


def spine(engine: str, exchange: str, duration: str) -> Experiment:
    sets = [f"site.head.engine={engine}", f"experiment.exchange={exchange}", f"experiment.duration={duration}"]
    return Experiment.load(SPINE, [*sets, f"record.every={exchange}"])


REACTIONS = [
    {"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"},
    {"equation": "Ca + SK_C <-> SK", "forward": "1e8 /M/s", "backward": "50 /s"},
]


def cable(sites: int, engine: str, *, reacting: bool = False, **times: str) -> tuple[Experiment, Path]:
    """Sites on every segment of a cable, linked both ways; V, Ca and SK are recorded."""
    file = HERE / "models" / "cable.py"
    names = [f"cable({(i + 0.5) / sites:g})" for i in range(sites)]
    content: dict[str, Any] = {
        "experiment": {
            "name": "cable",
            "duration": times.get("duration", "100 ms"),
            "exchange": "0.1 ms",
            "max_debt": 10**9,
        },
        "neuron": {"model": "models/cable.py:build", "dt": "0.025 ms"},
        "chemistry": {
            "species": {"Ca": {"contains": {"Ca": 1}}, "SK": {"on": "membrane"}},
            "observables": {"SK_open": ["SK"]},
            "initial": {"Ca": "0.1 uM"},
        },
        "site": [{"name": f"s{i}", "segment": name, "engine": engine} for i, name in enumerate(names)],
        "link": [
            {"from": "neuron.ica", "to": "*.Ca"},
            {"from": "*.Ca", "to": "neuron.cai"},
            {"from": "*.SK_open", "to": "neuron.SK", "conductance": "10 pS"},
        ],
        "record": {"every": times.get("every", "0.1 ms"), "variables": ["v", "counts", "means"], "species": ["Ca"]},
    }
    if reacting:
        chemistry: dict[str, Any] = content["chemistry"]
        chemistry["species"] = {
            "Ca": {"contains": {"Ca": 1}},
            "B": {},
            "CaB": {"contains": {"Ca": 1}},
            "SK_C": {"on": "membrane"},
            "SK": {"on": "membrane", "contains": {"Ca": 1}},
        }
        chemistry["reactions"] = REACTIONS
        chemistry["initial"] |= {"B": {"total": "50 uM", "at": "steady"}, "SK_C": {"count": 10, "at": "steady"}}
    return Experiment.parse(content, path=HERE / "cable.toml"), file


AT_MOST = {"0.1 ms": 1.15, "0.025 ms": 1.3}
"""Of NEURON in one go and the site alone, by exchange interval."""


def main() -> None:
    cell = SPINE.parent / "cell.py"
    # The lattice takes so long that the machine's speed changes within a round: many short rounds instead.
    for engine, exchange, duration, rounds, target in (
        ("ode", "0.1 ms", "200 ms", 9, 1.5),
        ("ode", "0.025 ms", "100 ms", 9, 1.8),
        ("ssa", "0.1 ms", "200 ms", 9, None),
        ("ssa", "0.025 ms", "100 ms", 9, None),
        ("lattice", "0.1 ms", "4 ms", 45, 1.02),
    ):
        experiment = spine(engine, exchange, duration)
        windows = round(float(duration.split()[0]) / float(exchange.split()[0]))
        t = compare(experiment, cell, windows, rounds)
        parts = (t["neuron"], t["site"])
        us = 1e6 / windows
        ratio = median_of(lambda c, n, s: c / (n + s), t["closed"], *parts)
        report(f"closed loop / parts, {engine}, {exchange}", ratio, "ratio", target)
        both = median_of(lambda c, o, s: c / (o + s), t["closed"], t["one go"], t["site"])
        most = None if engine == "lattice" else AT_MOST[exchange]
        report(f"closed loop / (NEURON in one go + site alone), {engine}, {exchange}", both, "ratio", most)
        one_go = median_of(lambda c, o: c / o, t["closed"], t["one go"])
        report(f"closed loop / NEURON in one go, {engine}, {exchange}", one_go, "ratio")
        report(f"NEURON chunked, {engine}, {exchange}", us * statistics.median(t["neuron"]), "us/window")
        limit = 10.0 if (engine, exchange) == ("ode", "0.1 ms") else None
        report(f"site alone, {engine}, {exchange}", us * statistics.median(t["site"]), "us/window", limit)
        apart = median_of(lambda t, n, s: t / (n + s), t["turns"], *parts)
        report(f"bare parts taking turns / parts each alone, {engine}, {exchange}", apart, "ratio")
        together = median_of(lambda c, t: c / t, t["closed"], t["turns"])
        report(f"closed loop / bare parts taking turns, {engine}, {exchange}", together, "ratio", target)
        cold = us * median_of(lambda t, s: t - s, t["turns"], t["site"])
        report(f"NEURON chunked, caches as the site leaves them, {engine}, {exchange}", cold, "us/window")
        over = us * median_of(lambda c, n, s: c - n - s, t["closed"], *parts)
        report(f"loop over its parts, {engine}, {exchange}", over, "us/window")
    exchange_alone("1 site", spine("noop", "0.1 ms", "200 ms"), 1900, 1.0)
    experiment, file = cable(1000, "noop")
    exchange_alone("1000 sites", experiment, 900, 10.0)
    t = compare(experiment, file, 300, 9)
    report("NEURON chunked, 1000 segments", 1e6 / 300 * statistics.median(t["neuron"]), "us/window")
    meter = 1e6 / 300 * median_of(lambda n, p: n - p, t["neuron"], t["plain"])
    report("of that, charge summed and eca following cai", meter, "us/window")
    many_sites()
    memory("1 site", spine("ode", "0.1 ms", "12 s"), still=False)
    memory("1000 sites, NEURON standing still", cable(1000, "noop", duration="12 s", every="10 ms")[0], still=True)
    subprocess.run([sys.executable, __file__, "no compiler"], env={**os.environ, "COUPLE_NO_COMPILER": "1"}, check=True)


def many_sites() -> None:
    """1000 sites in the running loop, the exchange as NEURON and `ode` leave the caches to it."""
    experiment, _ = cable(1000, "ode", reacting=True)
    path = simulation(experiment).system.electrics.channel_path  # type: ignore[union-attr]
    repeats = np.array([in_the_loop(experiment, 300) for _ in range(5)])
    exchange, share, solve, engine = np.median(repeats, axis=0).tolist()
    compiled = path == "MOD"
    report(f"exchange in the loop, 1000 sites, ode, {path}", exchange, "us/window", 45.0 if compiled else None)
    report(f"the same over NEURON's own, {path}", share, "ratio", 0.1 if compiled else None)
    report(f"NEURON's own, 1000 segments, {path}", solve, "us/window")
    report(f"site engine, 1000 sites, ode, {path}", engine, "us/window")
    if compiled:
        flush(experiment)


def in_the_loop(experiment: Experiment, windows: int) -> tuple[float, float, float, float]:
    """Means over windows: µs of all but NEURON's and the engine's work, over NEURON's, and µs of these two."""
    made = simulation(experiment)
    cell, (engine,), seconds = made.system.electrics, made.system.engines, made.orchestrator.seconds
    assert cell is not None
    made.orchestrator.run(20)
    before, solved = dict(seconds), cell.stepping_seconds
    made.orchestrator.run(20 + windows)
    spent = {name: seconds[name] - before[name] for name in seconds}
    solve, own = cell.stepping_seconds - solved, spent[engine.name]
    exchange = sum(spent.values()) - solve - own  # segments of rows go to the disk outside of it, see `flush`
    us = 1e6 / windows
    return us * exchange, exchange / solve, us * solve, us * own


def flush(experiment: Experiment) -> None:
    """What is written outside of the loop's windows: full segments while it runs, one HDF5 file at its end."""
    made = simulation(experiment)
    rows = 300
    for _ in range(rows):
        made.step()
    start = time.process_time()
    made.recorder.close_segment()
    closed = time.process_time() - start
    start = time.process_time()
    made.finish("partial")
    report("flush of a segment, 1000 sites", 1e6 * closed / rows, "us/row")
    report("result file at the end, 1000 sites", 1e6 * (time.process_time() - start) / rows, "us/row")


def memory(what: str, experiment: Experiment, *, still: bool) -> None:
    """Growth of the process over 1e5 exchanges; flat is less than the smallest Python object (16 bytes) in each."""
    made = simulation(experiment)
    if still:
        stand_still(made)
    step = made.orchestrator.step
    for _ in range(5000):
        step()
    before = resident()
    for _ in range(100_000):
        step()
    report(f"memory grown in 1e5 exchanges, {what}", (resident() - before) / 1e3, "kB", 1600.0)


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def stand_still(made: Simulation) -> None:
    """Take NEURON's stepping out."""
    cell: Any = made.system.electrics
    now = [0.0]

    def pretend(target: float) -> None:
        now[0] = target

    cell._stepper._solve, cell._stepper._time = pretend, now


def exchange_alone(what: str, experiment: Experiment, windows: int, target: float) -> None:
    """All of a closed loop but NEURON's stepping and the engine, as NEURON leaves the caches to it."""
    cost = statistics.median(in_the_loop(experiment, windows)[0] for _ in range(7))
    report(f"orchestration and exchange, {what}", cost, "us/window", target)


if __name__ == "__main__":
    if sys.argv[1:] == ["no compiler"]:
        many_sites()
    else:
        main()
