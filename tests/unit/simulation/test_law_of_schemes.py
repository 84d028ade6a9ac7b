"""With whole ions all schemes have one law: that of staggered windows of an eightieth of a millisecond."""

import numpy as np
import pytest
from scipy.stats import norm, ttest_ind

from couple.base.arrays import Floats
from couple.simulation.simulation import Simulation
from support.coupled_compartment import EXPERIMENT, course_of, experiment

TEXT = EXPERIMENT.replace("models/compartment.py", "models/gated_compartment.py").replace("count = 400", "count = 200")
SEEDS = 40
DT = 0.0125
EVERY = ("experiment.duration=60 ms", "record.every=10 ms", f"neuron.dt={DT} ms", "neuron.second_order=true")


def samples(*overrides: str, first: int = 1) -> Floats:
    """(SEEDS, n) V, calcium and open SK channels from 20 to 60 ms on, with seeds of their own."""
    found = []
    for seed in range(first, first + SEEDS):
        more = (*EVERY, "site.head.engine=ssa", f"experiment.seed={seed}", *overrides)
        simulation = Simulation.in_memory(experiment(0.1, *more, text=TEXT))
        assert simulation.run()["ledger"]["max_imbalance_ions"] == 0
        with simulation.results as results:
            found.append(course_of(results)[:, 2:].ravel())
    return np.array(found)


def smallest(first: Floats, second: Floats) -> float:
    """Least p of equal means and of equal scatter, times the number of comparisons."""
    means = ttest_ind(first, second, equal_var=False).pvalue
    spread = [np.abs(x - np.median(x, axis=0)) for x in (first, second)]  # Brown & Forsythe
    return float(min(means.min(), ttest_ind(*spread, equal_var=False).pvalue.min()) * 2 * first.shape[1])


@pytest.mark.acceptance
def test_schemes_have_the_law_of_short_staggered_windows() -> None:
    short = samples(f"experiment.exchange={DT} ms")
    level = 2 * norm.sf(3.0)
    for k, more in enumerate(
        (
            ("experiment.scheme=iterated",),
            ("experiment.scheme=extrapolated",),
            ("experiment.scheme=iterated", "experiment.exchange=auto", "exchange.longest=1 ms"),
        )
    ):
        p = smallest(short, samples(*more, first=1000 * (k + 1)))
        print(f"\n{' '.join(more)}: p = {p:.3g}, of {short.shape[1]} numbers and {SEEDS} seeds")
        assert p > level
    other = samples("experiment.scheme=iterated", "chemistry.initial.CBP.total=14 uM", first=5000)
    assert smallest(short, other) < level  # the control: less buffer
