"""Facts of a run or an ensemble in two columns."""

from __future__ import annotations

import math

import numpy as np

from couple.analysis.peak_lines import peak_lines
from couple.ensemble.ensemble import Ensemble
from couple.storage.records.results import Results

MOST_PEAKS = 12

Fact = tuple[str, str]


def run_facts(results: Results) -> list[Fact]:
    """Of one run: engines, time, seed, peaks, spikes, seconds."""
    time, engines = results.time, results.engines()
    kinds = {kind: sum(e == kind for e in engines.values()) for kind in dict.fromkeys(engines.values())}
    facts = [
        ("status", results.status),
        ("sites", ", ".join(f"{n} {kind}" for kind, n in kinds.items())),
        ("simulated", f"{time[-1]:g} {results.time_unit} in {len(time)} rows" if len(time) else "nothing"),
        ("seed", str(int(results.file.attrs["seed"]))),
    ]
    found = results.peaks()
    sites_first = {k: v for k, v in found.items() if k != "neuron"} | {k: v for k, v in found.items() if k == "neuron"}
    peaks = peak_lines(sites_first)
    facts += peaks[:MOST_PEAKS]
    if len(peaks) > MOST_PEAKS:
        facts.append(("peaks", f"{len(peaks) - MOST_PEAKS} more are in the file"))
    facts += [(f"spikes {name}", str(n)) for name, n in results.spike_counts().get("count", {}).items()][:MOST_PEAKS]
    seconds = results.seconds()
    facts.append(("CPU time", f"{seconds.pop('cpu_seconds', 0.0):.3f} s"))
    facts += [(f"time in {name}", f"{spent:.3f} s") for name, spent in seconds.items()]
    return facts


def ensemble_facts(ensemble: Ensemble) -> list[Fact]:
    """Of many runs: how many, what varies, what failed."""
    time, cpu = ensemble.time, ensemble.cpu_seconds
    there = cpu[np.isfinite(cpu)]
    units = {k: "" if unit == "1" else f" {unit}" for k, unit in ensemble.parameter_units.items()}
    facts = [
        ("status", ensemble.status),
        ("runs", str(len(ensemble.runs))),
        ("simulated", f"{time[-1]:g} {ensemble.time_unit} in {len(time)} rows" if len(time) else "nothing"),
        ("seed", str(ensemble.seed)),
    ]
    facts += [("branches of", ensemble.origin)] if ensemble.origin else []
    facts += [(key, f"{v.min():.6g} .. {v.max():.6g}{units[key]}") for key, v in ensemble.parameters.items()]
    facts += [(f"run {run} failed", why) for run, why in list(ensemble.failures.items())[:5]]
    largest = float(np.nanmax(ensemble.imbalance)) if np.isfinite(ensemble.imbalance).any() else math.nan
    facts.append(("CPU time", f"{there.mean():.4g} s per run" if there.size else "unknown"))
    return [*facts, ("largest imbalance", f"{largest:g} ions")]
