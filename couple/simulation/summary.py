"""What summary.json says of a run."""

from __future__ import annotations

from typing import Any

from couple.base.versions import versions
from couple.components.capabilities import timings_of
from couple.simulation.orchestrator import Orchestrator
from couple.simulation.results.validity_counts import validity_counts_of
from couple.simulation.schemes.scheme import Scheme
from couple.simulation.schemes.window_pass import EXCHANGE
from couple.wiring import System


def run_summary(system: System, orchestrator: Orchestrator, status: str, cpu_seconds: float) -> dict[str, Any]:
    """Ledger, seconds per component, overhead, passes and validity counts so far, as plain values for JSON.

    status: "complete", "partial", "interrupted" or "failed". cpu_seconds: spent so far, those before a resume too.
    """
    seconds = dict(orchestrator.seconds)
    spent = sum(seconds.values())
    return {
        "name": system.plan.experiment.experiment.name,
        "status": status,
        "simulated_ms": orchestrator.time,
        "exchanges": orchestrator.exchanges,
        "engines": dict(system.plan.kinds),
        "channel_path": None if system.electrics is None else system.electrics.channel_path,
        "ledger": orchestrator.ledger().as_dict(),
        "seconds": {k: round(v, 6) for k, v in seconds.items()},
        "cpu_seconds": round(cpu_seconds, 6),
        "overhead": {
            "us_per_exchange": 1e6 * seconds[EXCHANGE] / max(orchestrator.exchanges, 1),
            "share": seconds[EXCHANGE] / spent if spent else 0.0,
        },
        **_seconds_inside(system),
        **_passes(orchestrator.scheme, bool(system.plan.clock.shortest)),
        **_validity_counts(system, orchestrator.scheme),
        "warnings": system.plan.warnings,
        "seed": system.plan.experiment.experiment.seed,
        "versions": versions(),
    }


def _seconds_inside(system: System) -> dict[str, Any]:
    """Seconds inside of engines that say more than one number, if there are any."""
    found = {e.name: timings_of(e) for e in system.engines}
    rounded = {name: {k: round(v, 6) for k, v in parts.items()} for name, parts in found.items() if parts}
    return {"seconds_inside": rounded} if rounded else {}


def _validity_counts(system: System, scheme: Scheme | None) -> dict[str, Any]:
    """How often engines left what they can be trusted with, if any count that."""
    found = validity_counts_of(system.engines)
    if scheme is not None and (left := scheme.validity_counts()):
        found["exchange"] = {what: {"total": n, "sites": {}} for what, n in left.items()}
    return {"validity_counts": found} if found else {}


def _passes(scheme: Scheme | None, adaptive: bool) -> dict[str, Any]:
    """How often windows were repeated, and undone, by a scheme that does so."""
    passes = {} if scheme is None else scheme.passes()
    found: dict[str, Any] = {"passes": {str(n): windows for n, windows in passes.items()}} if passes else {}
    if scheme is not None and adaptive:
        found["rejected"] = scheme.rejected()
    return found
