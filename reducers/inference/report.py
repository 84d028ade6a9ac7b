"""What is said and drawn of a posterior file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from couple.analysis.plot.style import save, styled
from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.inference.density.file import Found
from reducers.inference.density.posterior import summary
from reducers.inference.diagnostics import pictures
from reducers.inference.diagnostics.simulation_based_calibration import Calibration
from reducers.inference.simulation.simulations import Simulations

DRAWS = 10_000
MOST = 10
"""Rounds of which each is said how many simulations were valid."""


def draws_of(found: Found, n: int = DRAWS, seed: int = 0) -> Floats:
    """(n, d) of the posterior. Raises InputError without an observation, and of a method without a posterior."""
    if found.posterior is not None:
        return found.posterior.draw(n, seed)
    if found.samples is None:
        raise InputError(f"{found.file.infer.method} finds a point, not a posterior")
    return found.samples[np.random.default_rng(seed).integers(0, len(found.samples), n)]


def calibration_of(found: Found) -> Calibration | None:
    """As it was measured; None if it was not."""
    part = {k.partition("/")[2]: v for k, v in found.tables.items() if k.startswith("calibration/")}
    if not part:
        return None
    return Calibration(part["ranks"], part["density_ranks"], int(part["draws"]), part["entropies"])  # type: ignore[arg-type]


def facts(found: Found) -> dict[str, Any]:
    """Plain values for JSON."""
    made, names = found.simulations, found.prior.names
    said: dict[str, Any] = {
        "name": found.file.infer.name,
        "method": found.file.infer.method,
        "simulations": len(made),
        "valid": _by_round(made),
        "reasons": list(made.reasons[:3]),
        "epochs": [len(one.training) for one in found.losses],
        "training_seconds": round(sum(one.seconds for one in found.losses), 3),
        "validation_loss": [float(one.validation[one.best]) for one in found.losses],
    }
    if found.point is not None:
        said["point"] = dict(zip(names, found.point.tolist(), strict=True))
    if found.samples is not None or (found.posterior is not None and found.observation is not None):
        said["posterior"] = summary(draws_of(found), names)
    calibration = calibration_of(found)
    if calibration is not None:
        said["calibration"] = {
            "truths": len(calibration.ranks),
            "uniform": calibration.uniform(),
            "p": dict(zip(names, calibration.uniformity().tolist(), strict=True)),
            "coverage_95": dict(zip(names, calibration.coverage().tolist(), strict=True)),
            "entropy": float(calibration.entropies.mean()),
        }
    if "predictive/features" in found.tables:
        said["predictive"] = _predictive(found)
    return said


def _by_round(made: Simulations) -> list[float]:
    """Share of valid simulations in each round."""
    return [round(float(made.valid[made.rounds == k].mean()), 4) for k in np.unique(made.rounds)]


def _predictive(found: Found) -> dict[str, Any]:
    """Median and 95 % of each feature of draws of the posterior."""
    made = found.tables["predictive/features"]
    whole = made[np.isfinite(made).all(axis=1)]
    if not len(whole):
        return {"valid": 0.0}
    low, middle, high = np.quantile(whole, [0.025, 0.5, 0.975], axis=0)
    rows = {name: [float(low[k]), float(middle[k]), float(high[k])] for k, name in enumerate(found.features)}
    return {"valid": len(whole) / len(made), **rows}


def lines(found: Found) -> list[tuple[str, str]]:
    """For the terminal."""
    said, units = facts(found), dict(zip(found.prior.names, found.prior.units, strict=True))
    shares = said["valid"] if len(said["valid"]) <= MOST else [float(found.simulations.valid.mean())]
    valid = ", ".join(f"{100 * share:.3g} %" for share in shares)
    shown = [("method", said["method"]), ("simulations", f"{said['simulations']}, {valid} with all features")]
    if found.losses:
        epochs = " + ".join(map(str, said["epochs"]))
        shown.append(("training", f"{epochs} epochs, {said['training_seconds']:.3g} s of CPU"))
    for name, value in said.get("point", {}).items():
        shown.append((name, f"{value:.5g} {units[name]}".rstrip()))
    for name, row in said.get("posterior", {}).items():
        shown.append((name, f"{row['median']:.4g} ({row['low']:.4g} .. {row['high']:.4g}) {units[name]}".rstrip()))
    if "calibration" in said:
        one = said["calibration"]
        shares = one["coverage_95"].values()
        text = f"ranks of {one['truths']} truths are {'uniform' if one['uniform'] else 'NOT uniform'}"
        shown.append(("calibration", f"{text}; 95 % intervals hold {min(shares):.3f} .. {max(shares):.3f} of them"))
    if "predictive" in said:
        shown.append(("predictive", f"{100 * said['predictive']['valid']:.3g} % of draws give all features"))
    return shown


def draw(found: Found, folder: Path) -> list[Path]:
    """Pictures in a folder: pairs, training, calibration, predictive; those for which there is something."""
    drawn: list[tuple[str, Any]] = []
    with styled():
        if found.samples is not None or (found.posterior is not None and found.observation is not None):
            drawn.append(("pairs", pictures.pairs(draws_of(found), found.prior, found.file.truth)))
        if found.losses:
            drawn.append(("training", pictures.training(found.losses)))
        calibration = calibration_of(found)
        if calibration is not None:
            drawn.append(("calibration", pictures.calibration(calibration, found.prior.names)))
        if "predictive/features" in found.tables and found.observation is not None:
            first = found.simulations.where(found.simulations.rounds == 1)
            made = found.tables["predictive/features"]
            drawn.append(("predictive", pictures.predictions(first.features, made, found.observation, found.features)))
        for name, drawing in drawn:
            save(drawing, folder / f"{name}.png", 150)
    return [folder / f"{name}.png" for name, _ in drawn]
