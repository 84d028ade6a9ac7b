"""Speed of the classical engines: `uv run --group bench python tests/bench/wellmixed.py [rounds]`.

SSA against gillespy2's C++ solver (compiled beforehand) on the 40 binding reactions of a spine head at 1 µM calcium;
the gridded method against ecell4's meso solver on hops of one species; langevin and cme on cases of their own.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import report

from adapters.cme import solve
from adapters.gridded import Gridded, GriddedOptions
from adapters.wellmixed.langevin.engine import Langevin
from adapters.wellmixed.ssa import engine as ssa
from adapters.wellmixed.ssa.engine import Gillespie
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Species
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry
from support.networks import HEAD, build, isomers, spine, spine_site

MS = 200.0
"""Simulated time of one SSA run."""


def binding() -> tuple[ReactionNetwork, Site]:
    """The 40 reactions of a spine head in which nothing is pumped out, with 1 µM of calcium."""
    full = spine()
    network = ReactionNetwork(full.species, [r for r in full.reactions if "Ca_out" not in (*r.reactants, *r.products)])
    assert len(network.reactions) == 40
    return network, spine_site(network, ca=1e-3)


def children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    start = clock()
    work()
    return clock() - start


def gillespy(network: ReactionNetwork, site: Site) -> Any:
    """The same network for gillespy2, compiled."""
    import gillespy2

    # its build runs SCons with the interpreter behind the virtual environment
    os.environ["PYTHONPATH"] = str(Path(gillespy2.__file__).parents[1])
    model = gillespy2.Model(name="binding", volume=1.0)
    species = {n: gillespy2.Species(name=n, initial_value=c) for n, c in zip(network.names, site.initial, strict=True)}
    model.add_species(list(species.values()))
    rates = network.count_rates(site.geometry.volume, site.geometry.area)
    for r, (reaction, rate) in enumerate(zip(network.reactions, rates, strict=True)):
        k = gillespy2.Parameter(name=f"k{r}", expression=repr(float(rate)))
        model.add_parameter(k)
        sides = [{species[n]: side.count(n) for n in side} for side in (reaction.reactants, reaction.products)]
        model.add_reaction(gillespy2.Reaction(name=f"r{r}", reactants=sides[0], products=sides[1], rate=k))
    model.timespan(gillespy2.TimeSpan(np.array([0.0, MS])))
    return gillespy2.solvers.SSACSolver(model=model)


def ssa_figures(rounds: int) -> None:
    network, site = binding()
    ours = Gillespie(EngineSetup("x", network, (site,), MS))
    ours.advance(1)
    before = int(ours.events[0])
    mine = [timed(lambda: ours.advance(1)) for _ in range(3)]
    report("ssa, 40 reactions: CPU per event", sum(mine) / (int(ours.events[0]) - before) * 1e9, "ns")
    try:
        solver = gillespy(network, site)
        solver.run(number_of_trajectories=1, seed=1)
    except Exception as error:  # noqa: BLE001 - no peer, no ratio
        print(f"gillespy2 cannot be measured: {error}", file=sys.stderr)
        return
    ratios = []
    for k in range(rounds):  # one more trajectory, so that what a process costs does not count
        one, three = (
            timed(lambda n=n, k=k: solver.run(number_of_trajectories=n, seed=k + 1), children) for n in (1, 3)
        )
        ratios.append(2 * timed(lambda: ours.advance(1)) / (three - one))
    report("ssa, 40 reactions: CPU of ours / of gillespy2's C++ solver", median(ratios), "", 1 / 8)


def ring_figures() -> None:
    """Where composition and rejection overtakes the direct method."""
    for n in (128, 512, 2048):
        species = [Species(f"A{i}") for i in range(n)]
        network = build(species, [(f"A{i} <-> A{(i + 1) % n}", "1 /ms", f"{1 + i % 7} /ms") for i in range(n)])
        span, usual = 200_000 / (20 * n * 5), ssa.MANY
        for name, ssa.MANY in (("direct", 10**9), ("composition-rejection", 0)):
            e = Gillespie(EngineSetup("x", network, (Site("s", HEAD, (20,) * n),), span))
            e.advance(1)
            before = int(e.events[0])
            spent = sum(timed(lambda e=e: e.advance(1)) for _ in range(3))
            report(f"ssa, {2 * n} reactions, {name}: CPU per event", spent / (int(e.events[0]) - before) * 1e9, "ns")
        ssa.MANY = usual


def gridded_figures(rounds: int) -> None:
    for n, molecules, target in ((10, 10_000, 100.0), (20, 100_000, 100.0), (50, 1_000_000, None)):
        network = ReactionNetwork([Species("A", 0.1)])
        options = GriddedOptions.model_validate({"spacing": f"{1 / n!r} um"})
        span = 500_000 / (6 * 0.1 * n * n * molecules)
        e = Gridded(EngineSetup("x", network, (Site("s", Geometry.box(1, 1, 1), (molecules,)),), span, options=options))
        e.advance(1)
        costs = []
        for _ in range(rounds):
            before = int(e.events.sum())
            spent = timed(lambda e=e: e.advance(1))
            costs.append(spent / (int(e.events.sum()) - before) * 1e9)
        report(f"gridded, {n}^3 voxels, {molecules} molecules: CPU per hop", median(costs), "ns", target)
    network = spine()
    options = GriddedOptions.model_validate({"spacing": "50 nm"})
    e = Gridded(EngineSetup("x", network, (spine_site(network),), 1.0, options=options))
    e.advance(1)
    before = int(e.events.sum())
    spent = timed(lambda: e.advance(1))
    report("gridded, spine head at 50 nm: CPU per event", spent / (int(e.events.sum()) - before) * 1e9, "ns")
    report("gridded, spine head at 50 nm: CPU per simulated ms", spent * 1e3, "ms")
    meso(rounds)


def meso(rounds: int) -> None:
    """ecell4's meso solver on 10³ voxels."""
    try:
        from ecell4_base import core, meso
    except ImportError as error:
        print(f"ecell4 cannot be measured: {error}", file=sys.stderr)
        return
    molecules = 10_000
    model = core.NetworkModel()
    model.add_species_attribute(core.Species("A", 0.005, 0.1))
    world = meso.MesoscopicWorld(core.Real3(1, 1, 1), core.Integer3(10, 10, 10))
    world.bind_to(model)
    world.add_molecules(core.Species("A"), molecules)
    simulator = meso.MesoscopicSimulator(world, model)
    simulator.initialize()
    costs = []
    for _ in range(rounds):
        before = simulator.num_steps()
        start = time.process_time()
        for _ in range(200_000):
            simulator.step()
        spent = time.process_time() - start
        costs.append(spent / (simulator.num_steps() - before) * 1e9)
    report("ecell4 meso, 10^3 voxels, 10000 molecules: CPU per hop (with its loop in Python)", median(costs), "ns")


def other_figures() -> None:
    network = spine()
    e = Langevin(EngineSetup("x", network, (spine_site(network),), 0.1, injected=("Ca",)))
    e.advance(1)
    for name, ions in (("at rest", 0.0), ("under influx", 49.0)):
        e.write("influx", ions)
        e.advance(1)
        report(f"langevin, spine head {name}: CPU per simulated ms", timed(lambda: e.advance(200)) / 20 * 1e3, "ms")
    solve(isomers(), HEAD, (60, 0), [1.0])
    network, site = build(network.species[:3], [("Ca + CBP <-> CaCBP", "2.47e8 /M/s", "524 /s")]), (200, 150, 0)
    spent = timed(lambda: solve(network, HEAD, site, [1.0, 10.0]))
    report("cme, Ca + CBP <-> CaCBP with 200 and 150 for 10 ms", spent * 1e3, "ms")


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    ssa_figures(rounds)
    ring_figures()
    gridded_figures(rounds)
    other_figures()
