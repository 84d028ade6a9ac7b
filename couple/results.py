"""Reading the result file of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from couple.recording import Floats, Recording

FORMAT = "couple results 1"
"""Attribute `format` of a result file."""


class Results(Recording):
    """The results of one run: time series are (n_rows,). `Results("OUT")` opens OUT/results.h5."""

    FORMAT, FILE, MADE_BY = FORMAT, "results.h5", "run"

    def ledger(self) -> dict[str, Any]:
        """The books at the end."""
        return {k: json.loads(v) for k, v in self.file["ledger"].attrs.items()}

    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds per component."""
        return {k: float(v) for k, v in self.file["timing"].attrs.items()}

    def peaks(self) -> dict[str, dict[str, float]]:
        """Largest values: "V ..." in mV, free ions in µM, observables."""
        found: dict[str, dict[str, float]] = {"neuron": {f"V {s} [mV]": _peak(v) for s, v in self.voltages().items()}}
        for site in self.sites():
            entry = {}
            for species in self.free(site):
                entry[f"{species} [uM]"] = _peak(self.micromolar(site, species))
            for name in self.labels(site, "means", "observable"):
                entry[name] = _peak(self.observable(site, name))
            found[site] = entry
        return {k: v for k, v in found.items() if v}


def _peak(values: Floats) -> float:
    return float(values.max()) if values.size else float("nan")


# Pairs (what, value) for a person.


def show_lines(results: Results) -> list[tuple[str, str]]:
    """All that `couple show` prints."""
    time = results.time
    lines = [("experiment", results.name), ("status", results.status)]
    lines.append(("simulated", f"{time[-1]:g} {results.time_unit} in {len(time)} rows" if len(time) else "nothing"))
    lines += peak_lines(results.peaks()) + ledger_lines(results.ledger())
    return lines + [(f"time in {k}", f"{v:.3f} s") for k, v in results.seconds().items() if k != "cpu_seconds"]


def peak_lines(peaks: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """One line per largest value."""
    return [
        (f"peak {name}" if owner == "neuron" else f"peak {owner} {name}", f"{value:.4g}")
        for owner, entries in peaks.items()
        for name, value in entries.items()
    ]


def ledger_lines(ledger: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The books: a line per link and per site, and the largest imbalance."""
    lines = [
        (
            e["link"],
            f"{e['sent']:.3f} sent = {e['received']:.3f} received + {e['carried']:.3f} carried - {e['owed']:.3f} owed",
        )
        for e in ledger["links"]
    ]
    for e in ledger.get("diffusion", ()):
        lines.append((e["link"], f"{e['forth']:.6g} {e['species']} forth, {e['back']:.6g} back"))
    for e in ledger["sites"]:
        start, parts = e["held_at_start"], " + ".join(f"{e[k]:.6g} {k}" for k in ("free", "bound", "extruded"))
        lines.append(
            (f"{e['substance']} in {e['site']}", f"{start:.0f} at start + {e['received']:.6g} received = {parts}")
        )
    return [*lines, ("largest imbalance", f"{ledger['max_imbalance_ions']:g} ions")]
