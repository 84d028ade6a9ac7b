"""CPU time of a spine head on the lattice.

    uv run --group bench python tests/bench/lattice_spine.py [ms]

Cylinder d = L = 0.5 µm at 10 nm, calcium (0.22 µm²/ms), immobile buffer, PMCA, NCX, 20 SK channels and 45 µM of mobile
calbindin in 9 states; 490 ions per ms enter for 2 ms; windows of 0.1 ms. Also ns per visit of plain kernels.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from figures import report

from adapters.lattice import Lattice
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.equations import read_reaction
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.chemistry.whole_counts import apportion
from couple.components.engine import EngineSetup, Site
from couple.geometry.geometry import Geometry

REST = 1e-4  # mM


def spine_network() -> ReactionNetwork:
    """The calcium chemistry of a spine head, 22 species."""
    names = {"Ca": Species("Ca", 0.22, contains={"Ca": 1}), "CBP": Species("CBP")}
    names["CaCBP"] = Species("CaCBP", contains={"Ca": 1})
    for pump in ("PMCA", "NCX"):
        names[pump] = Species(pump, on="membrane")
        names[f"Ca{pump}"] = Species(f"Ca{pump}", on="membrane", contains={"Ca": 1})
    for state, n in (("C1", 0), ("C2", 1), ("C3", 2), ("C4", 3), ("O1", 2), ("O2", 3)):
        names[f"SK_{state}"] = Species(f"SK_{state}", on="membrane", contains={"Ca": n})
    for m in range(3):
        for h in range(3):
            names[f"CB{m}{h}"] = Species(f"CB{m}{h}", 0.028, contains={"Ca": m + h})
    reactions: list[Reaction] = []

    def add(equation: str, forward: str, backward: str | None = None) -> None:
        reactions.extend(read_reaction(names, equation, forward, backward))

    add("Ca + CBP <-> CaCBP", "2.47e8 /M/s", "524 /s")
    for pump, on, off, out, leak in (("PMCA", 150, 15, 12, 20 / 3), ("NCX", 300, 300, 600, 20)):
        add(f"Ca + {pump} <-> Ca{pump}", f"{on} /uM/s", f"{off} /s")
        add(f"Ca{pump} -> {pump} + Ca_out", f"{out} /s")
        add(f"{pump} + Ca_out -> {pump} + Ca", f"{leak} /s")
    add("Ca + SK_C1 <-> SK_C2", "200 /uM/s", "80 /s")
    add("Ca + SK_C2 <-> SK_C3", "160 /uM/s", "80 /s")
    add("Ca + SK_C3 <-> SK_C4", "80 /uM/s", "200 /s")
    add("SK_C3 <-> SK_O1", "160 /s", "1000 /s")
    add("SK_C4 <-> SK_O2", "1200 /s", "100 /s")
    for k in range(3):
        for n, (m_on, m_off, h_on, h_off) in enumerate(((174, 35.8, 22, 2.6), (87, 71.6, 11, 5.2))):
            add(f"Ca + CB{n}{k} <-> CB{n + 1}{k}", f"{m_on} /uM/s", f"{m_off} /s")
            add(f"Ca + CB{k}{n} <-> CB{k}{n + 1}", f"{h_on} /uM/s", f"{h_off} /s")
    return ReactionNetwork(names.values(), reactions, ["Ca_out"], {"SK_open": ["SK_O1", "SK_O2"]})


def spine_initial(network: ReactionNetwork, geometry: Geometry, sk: int = 20) -> tuple[int, ...]:
    """Counts at rest, each protein spread over its states by the steady fractions."""
    counts = dict.fromkeys(network.names, 0)
    mm = IONS_PER_MM_UM3 * geometry.volume
    counts["Ca"] = round(REST * mm)
    totals = {"CBP": 0.0787 * mm, "CB00": 0.045 * mm, "SK_C1": sk}
    totals |= {"PMCA": 1000 * geometry.area, "NCX": 140 * geometry.area}
    for name, total in totals.items():
        counts |= apportion(round(total), network.steady_fractions(name, {"Ca": REST}))
    return tuple(counts[n] for n in network.names)


def main(duration: float) -> None:
    """Run the spine for `duration` ms and print its figures."""
    network, geometry = spine_network(), Geometry.cylinder(0.5, 0.5)
    site = Site("head", geometry, spine_initial(network, geometry))
    options = Lattice.Options.model_validate({"spacing": "10 nm"})
    setup = EngineSetup("head", network, (site,), 0.025, injected=("Ca",), seed=1, options=options)
    for warning in Lattice.check(setup):
        print("warning:", warning, file=sys.stderr)
    engine = Lattice(setup)
    engine.advance(4)
    molecules = sum(site.initial)
    contents = network.contents("Ca")
    before = int(contents @ engine.read("counts")[0])
    sent, peak, open_sum = 0, 0.0, 0.0
    windows = round(duration / 0.1)
    start = time.process_time()
    for w in range(windows):
        ions = 49 if w < 20 else 0
        sent += ions
        engine.write("influx", ions)
        engine.advance(4)
        peak = max(peak, engine.read("counts")[0, 0])
        open_sum += engine.read("means")[0, 0]
    spent = time.process_time() - start
    lost = before + sent - int(contents @ engine.read("counts")[0])
    report(f"spine of {molecules} molecules: a window of 0.1 ms", spent / windows * 1e3, "ms")
    report("spine: free calcium at its peak", peak, "ions")
    report("spine: open SK channels on average", open_sum / windows, "")
    report("spine: calcium lost", abs(lost), "ions", 0)


def kernel(edge: int, n: int, react: bool) -> float:
    """ns of CPU per visit, best of several runs: n molecules in a box of edge^3 cells, with A + B <-> C or without."""
    names = {k: Species(k, 1e-3) for k in "ABC"}
    reactions = read_reaction(names, "A + B <-> C", "1e7 /M/s", "16.6 /s") if react else []
    network = ReactionNetwork(names.values(), reactions)
    site = Site("s", Geometry.box(edge * 0.01, edge * 0.01, edge * 0.01), (n // 2, n // 2, 0))
    options = Lattice.Options.model_validate({"spacing": "10 nm"})
    engine = Lattice(EngineSetup("x", network, (site,), 0.5, options=options))
    engine.advance(1)
    ticks = max(1, 300_000 // n)
    best = np.inf
    for _ in range(12):
        start = time.process_time()
        engine.advance(ticks)
        spent = time.process_time() - start
        best = min(best, spent / (ticks * 30 * engine.read("counts").sum()))
    return float(best * 1e9)


if __name__ == "__main__":
    for edge, n in ((40, 1000), (100, 10_000), (100, 100_000)):
        for react, what in ((False, "a visit"), (True, "a visit with A + B <-> C")):
            report(f"{n} molecules in {edge}^3 cells: {what}", kernel(edge, n, react), "ns")
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 300.0)
