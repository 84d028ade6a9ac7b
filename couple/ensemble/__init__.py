"""Many runs of one experiment: made by `sample`, read by `Ensemble`. Imports `simulation` and what is below it.

To read needs no engine and no kernel: what makes runs is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from couple.ensemble.ensemble import Ensemble
from couple.ensemble.run_to_run import Statistics, autocorrelation, correlation, statistics
from couple.ensemble.seeds import run_seed

if TYPE_CHECKING:
    from couple.ensemble.sampling import branch, resume_sampling, sample

__all__ = [
    "Ensemble",
    "Statistics",
    "autocorrelation",
    "branch",
    "correlation",
    "resume_sampling",
    "run_seed",
    "sample",
    "statistics",
]


def __getattr__(name: str) -> Any:
    """`sample`, `branch` and `resume_sampling`."""
    if name not in ("branch", "resume_sampling", "sample"):
        raise AttributeError(f"module 'couple.ensemble' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("couple.ensemble.sampling"), name)
