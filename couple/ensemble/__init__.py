"""Many runs of one experiment: made by `sample`, read by `Ensemble`. Imports `simulation` and what is below it."""

from couple.ensemble.ensemble import Ensemble
from couple.ensemble.sampling import resume_sampling, sample
from couple.ensemble.seeds import run_seed
from couple.ensemble.statistics import Statistics, autocorrelation, correlation, statistics

__all__ = [
    "Ensemble",
    "Statistics",
    "autocorrelation",
    "correlation",
    "resume_sampling",
    "run_seed",
    "sample",
    "statistics",
]
