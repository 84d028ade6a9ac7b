"""What a person, and what a program, sees of an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from couple.base.arrays import Floats
    from couple.ensemble import Ensemble


def summary(ensemble: Ensemble, seconds: float) -> dict[str, Any]:
    """Plain values for JSON. seconds: of wall-clock time for what was made now."""
    return {
        "name": ensemble.name,
        "status": ensemble.status,
        "runs": len(ensemble.runs),
        "seed": ensemble.seed,
        "file": str(ensemble.path),
        "simulated_ms": float(ensemble.time[-1]),
        "rows": len(ensemble.time),
        "seconds": round(seconds, 3),
        "cpu_seconds_per_run": round(_of_whole_runs("mean", ensemble.cpu_seconds), 6),
        "max_imbalance_ions": _of_whole_runs("max", ensemble.imbalance),
        "parameters": {k: [float(v.min()), float(v.max())] for k, v in ensemble.parameters.items()},
        "failures": {str(run): reason for run, reason in ensemble.failures.items()},
        "versions": {k: str(v) for k, v in ensemble.file["versions"].attrs.items()},
    }


def ensemble_lines(ensemble: Ensemble) -> list[tuple[str, str]]:
    """Lines that `couple show` prints of an ensemble."""
    found = summary(ensemble, 0.0)
    return [
        ("experiment", found["name"]),
        ("status", found["status"]),
        ("runs", f"{found['runs']} of {found['simulated_ms']:g} ms in {found['rows']} rows"),
        ("seed", str(found["seed"])),
        *([("branches of", ensemble.origin)] if ensemble.origin else []),
        *_parameter_lines(ensemble),
        *_spike_lines(ensemble),
        ("CPU time", f"{found['cpu_seconds_per_run']:.4g} s per run"),
        ("largest imbalance", f"{found['max_imbalance_ions']:g} ions"),
    ]


def _spike_lines(ensemble: Ensemble) -> list[tuple[str, str]]:
    """Spikes of each recorded soma in a run."""
    from couple.storage.records.spike_trains import soma_spikes

    counts = {name: [len(train) for train in trains] for name, trains in soma_spikes(ensemble).items()}
    return [(f"spikes {name}", f"{sum(n) / len(n):.4g} per run, {min(n)} .. {max(n)}") for name, n in counts.items()]


def _of_whole_runs(measure: Literal["mean", "max"], values: Floats) -> float:
    """Of the runs that did not fail; 0 if there is none."""
    import numpy as np

    there = values[np.isfinite(values)]
    return float(there.mean() if measure == "mean" else there.max()) if there.size else 0.0


def _parameter_lines(ensemble: Ensemble) -> list[tuple[str, str]]:
    """What varies, between which values; and how many runs failed, with the first reason."""
    units = {k: "" if unit == "1" else f" {unit}" for k, unit in ensemble.parameter_units.items()}
    lines = [
        (key, f"{values.min():.6g} .. {values.max():.6g}{units[key]}, {len(set(values.tolist()))} values")
        for key, values in ensemble.parameters.items()
    ]
    failures = ensemble.failures
    if failures:
        run, reason = next(iter(failures.items()))
        changes = " ".join(f"--set '{change}'" for change in ensemble.overrides(run))
        lines.append(
            ("failed", f"{len(failures)} of {len(ensemble.runs)} runs; run {run}: {reason} (repeat it: {changes})")
        )
    return lines
