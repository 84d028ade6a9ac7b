"""Stimuli that are scaled to what an experiment does: steps and noise to learn from, spike trains to test on."""

from __future__ import annotations

from typing import Any

from couple.base.errors import InputError
from couple.reduction.family import ReductionRequest

STEPS, NOISE, SPIKES = 5, 5, 3
"""Courses of each kind."""
LEAST, LARGEST = 0.04, 0.3
"""Share of the range at which plateaus begin; the largest that it may be."""
FEWEST = 3.0
"""Molecules of the drive."""


def scaled_stimuli(request: ReductionRequest, molecule: float = 0.0) -> list[dict[str, Any]]:
    """Tables [[sample.stimuli]]: plateaus and medians from a 25th of the range on, one plateau at its top, times in
    shares of a run.

    Spikes stay below the top so that those that add up are within what was learned. molecule: mM that one molecule of
    the drive makes where the runs are made, in whole ones: no plateau has fewer than `FEWEST`, or it may have none, and
    runs in which nothing happens. Raises InputError where the range has too few.
    """
    low, high = request.drive_range
    least = max(LEAST, FEWEST * molecule / (high - low)) if high > low else LEAST
    if least > LARGEST:
        raise InputError(
            f"{request.drive} has {(high - low) / molecule:.3g} molecules at most, too few to be told apart: give a "
            "larger drive_range (with a smaller rate), or a larger site",
            where="drive_range",
        )

    def amount(*shares: float) -> str:
        return f"{' '.join(f'{1e3 * (low + share * (high - low)):.6g}' for share in shares)} uM"

    def time(*shares: float) -> str:
        return f"{' '.join(f'{request.duration * share:.6g}' for share in shares)} ms"

    base = f"{1e3 * low:.6g} uM"
    delay = time(0.02, 0.12)
    per_run = f"{4 / request.duration:.6g} {16 / request.duration:.6g} /ms"
    common = {"base": base, "delay": delay}
    return [
        {"kind": "step", "peak": amount(1.0), "duration": time(0.4), **common},
        {"kind": "step", "count": STEPS, "peak": amount(least, 0.8), "duration": time(0.08, 0.5), **common},
        {"kind": "noise", "count": NOISE, "peak": amount(least, 0.4), "decay": time(0.01, 0.1), **common},
        {
            **{"kind": "spikes", "count": SPIKES, "test": True, "peak": amount(max(0.1, least), 0.5)},
            **{"decay": time(0.02, 0.06), "rate": per_run, **common},
        },
    ]


def common_tables(request: ReductionRequest) -> dict[str, Any]:
    """Tables that the training files of all driven families have: the experiment by what is in it, and [train]."""
    seed = request.experiment.experiment.seed if request.seed is None else request.seed
    known_by = f"{request.experiment.experiment.name} {request.experiment.digest()[:16]}"
    return {"experiment": known_by, "train": {"name": request.name, "seed": seed}}


def times(request: ReductionRequest) -> dict[str, str]:
    """duration and every of [sample]."""
    return {"duration": f"{request.duration!r} ms", "every": f"{request.every!r} ms"}
