"""A thousand reports on equal ensembles: at most the stated share with any alarm; and a shift that is found."""

import numpy as np
import pytest
from scipy.stats import binom

from couple.analysis.compare.comparison import compare
from couple.analysis.compare.two_groups import ALPHA
from support.compared_sides import spiking_spine

pytestmark = pytest.mark.acceptance
REPORTS = 1000


@pytest.mark.parametrize("runs", [4, 10])
def test_equal_ensembles_are_rarely_called_different(runs: int) -> None:
    rng = np.random.default_rng(runs)
    alarms = sum(
        any(row.differs for row in compare([spiking_spine("A", runs, rng), spiking_spine("B", runs, rng)]).rows)
        for _ in range(REPORTS)
    )
    assert alarms <= binom.isf(5e-3, REPORTS, ALPHA) == 19


def test_two_standard_deviations_are_found_with_ten_runs() -> None:
    rng, reports, found = np.random.default_rng(1), 100, {"head Ca": 0, "head open": 0}
    for _ in range(reports):
        rows = compare([spiking_spine("A", 10, rng), spiking_spine("B", 10, rng, shift=2.0)]).rows
        for name in found:
            found[name] += any(row.differs for row in rows if row.quantity == name)
    assert min(found.values()) >= 0.9 * reports
