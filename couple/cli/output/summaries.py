"""What a person sees of a run: pairs (what, value). Of many sites of one kind the extremes and the totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couple.analysis.peak_lines import FEW, Line, kinds, peak_lines

if TYPE_CHECKING:
    from couple.base.arrays import Floats
    from couple.storage.records.results import Results


def show_lines(results: Results, *, everything: bool = False) -> list[Line]:
    """All that `couple show` prints. everything: a line for each site, however many there are."""
    from couple.storage.records.spike_trains import somata, too_coarse

    time = results.time
    lines = [("experiment", results.name), ("status", results.status)]
    lines.append(("simulated", f"{time[-1]:g} {results.time_unit} in {len(time)} rows" if len(time) else "nothing"))
    lines += peak_lines(results.peaks(), everything=everything) + ledger_lines(results.ledger(), everything=everything)
    lines += spike_lines({} if "spikes" in results.file else results.spikes()[1], everything=everything)
    if somata(results) and (reason := too_coarse(results)):
        lines.append(("spikes", f"not counted: {reason}"))
    lines += past_lines(results.calcium_not_linked()) + accuracy_lines(results) + pass_lines(results.passes())
    lines += interval_lines(results.exchange_intervals())
    return lines + [(f"time in {k}", f"{v:.3f} s") for k, v in results.seconds().items() if k != "cpu_seconds"]


def shown_values(results: Results) -> dict[str, Any]:
    """What `couple show --json` prints of a run: plain numbers, in the units that their names say."""
    attributes, time = results.file.attrs, results.time
    return {
        "name": results.name,
        "status": results.status,
        "file": str(results.path),
        "time_unit": results.time_unit,
        "simulated": float(time[-1]) if len(time) else 0.0,
        "rows": len(time),
        "seed": int(attributes["seed"]),
        "engines": results.engines(),
        "peaks": results.peaks(),
        "ledger": results.ledger(),
        "spikes": results.spike_counts(),
        "calcium_not_linked": results.calcium_not_linked(),
        "seconds": results.seconds(),
        "passes": {str(n): windows for n, windows in results.passes().items()},
        "exchange_intervals_ms": results.exchange_intervals().tolist(),
        "versions": {k: str(v) for k, v in results.file["versions"].attrs.items()},
    }


def pass_lines(passes: Mapping[int, int]) -> list[Line]:
    """How often windows were carried out, where a scheme repeats them. passes: number of them → windows."""
    if not passes:
        return []
    every = sum(passes.values())
    shares = ", ".join(f"{n} in {windows / every:.1%}" for n, windows in sorted(passes.items()))
    return [("passes over a window", shares)]


def interval_lines(intervals: Floats) -> list[Line]:
    """Exchange intervals, where the run chose them. intervals: (n,) ms."""
    if not len(intervals):
        return []
    ordered = sorted(intervals.tolist())
    low, middle, high = ordered[0], ordered[len(ordered) // 2], ordered[-1]
    return [("exchange intervals", f"{len(intervals)}, {low:g} .. {high:g} ms, {middle:g} ms in the median")]


def past_lines(shares: Mapping[str, float]) -> list[Line]:
    """Calcium that entered under a name that no link takes up."""
    return [(f"calcium by i{ion}, not linked", f"{share:.1%} of what crosses there") for ion, share in shares.items()]


def unfinished_lines(state: Mapping[str, Any], folder: Path) -> list[Line]:
    """What is known of a run without results, and what to do."""
    lines = [("status", str(state["status"]))]
    if "saved" in state:
        lines.insert(0, ("experiment", str(state["name"])))
        lines.append(("saved", f"at {state['saved']:g} of {state['end']:g} {state['time_unit']}"))
    if state["status"] == "stopped":
        lines.append(("go on", f"couple resume {folder}"))
    return lines


def spike_lines(trains: Mapping[str, Floats], *, everything: bool = False) -> list[Line]:
    """Spikes of recorded somata; of many their total, the least and the most."""
    if len(trains) > FEW and not everything:
        counts = [len(times) for times in trains.values()]
        return [(f"spikes of {len(trains)} somata", f"{sum(counts)}; {min(counts)} .. {max(counts)} each")]
    spans = {name: f", {t[0]:.6g} .. {t[-1]:.6g} ms" if len(t) else "" for name, t in trains.items()}
    return [(f"spikes {name}", f"{len(t)}{spans[name]}") for name, t in trains.items()]


def accuracy_lines(results: Results) -> list[Line]:
    """Lines on sites that choose their accuracy while they run: how long they had which, how often they switched."""
    lines = []
    for component in dict.fromkeys(c for c, _ in results.sites().values()):
        group = results.file[component]
        if "accuracy" not in group or "switches" not in group:
            continue
        taken, names = group["accuracy"][1:], [str(n) for n in group.attrs["accuracies"]]
        shares = ", ".join(f"{(taken == k).mean():.1%} {n}" for k, n in enumerate(names)) if taken.size else "nothing"
        spent = ", ".join(f"{float(v):.3f} s {k}" for k, v in results.file[f"timing/{component}"].attrs.items())
        lines += [(f"accuracy of {component}", f"{shares}; {len(group['switches'])} switches")]
        lines += [(f"time inside {component}", spent)]
    return lines


NO_CONTENTS = 'no species says what it contains; say so, as in chemistry.contains = { "Ca*" = { Ca = 1 } }'


def ledger_lines(ledger: Mapping[str, Any], *, everything: bool = False) -> list[Line]:
    """The books, of many links or sites of one kind their sums; and the largest imbalance."""
    lines = []
    for name, e in _summed(((e["link"], e) for e in ledger["links"]), everything):
        parts = f"{e['received']:.3f} received + {e['carried']:.3f} carried - {e['owed']:.3f} owed"
        lines.append((name, f"{e['sent']:.3f} sent = {parts}"))
    for name, e in _summed(((e["link"], e) for e in ledger.get("diffusion", ())), everything):
        lines.append((name, f"{e['forth']:.6g} forth, {e['back']:.6g} back"))
    for name, e in _summed(((f"{e['substance']} in {e['site']}", e) for e in ledger["sites"]), everything):
        start, parts = e["held_at_start"], " + ".join(f"{e[k]:.6g} {k}" for k in ("free", "bound", "extruded"))
        lines.append((name, f"{start:.0f} at start + {e['received']:.6g} received = {parts}"))
    if not ledger["sites"]:
        lines.append(("sites", f"not audited: {NO_CONTENTS}"))
    return [*lines, ("largest imbalance", f"{ledger['max_imbalance_ions']:g} ions")]


def _summed(entries: Iterable[tuple[str, Mapping[str, Any]]], everything: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, members in kinds(list(entries), everything):
        name = members[0][0] if len(members) == 1 else f"{kind} ({len(members)})"
        keys = [k for k, v in members[0][1].items() if isinstance(v, int | float)]
        yield name, {k: sum(e[k] for _, e in members) for k in keys}
