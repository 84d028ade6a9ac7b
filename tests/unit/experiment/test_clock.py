"""Steps that cannot be counted are refused with what they are."""

import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.experiment.clock import Clock


def of(**changes: str) -> Clock:
    record = {"every": changes.pop("every")} if "every" in changes else {}
    times = {"name": "x", "duration": "1 ms", "exchange": "0.1 ms", **changes}
    site = {"name": "s", "engine": "ode", "geometry": {"sphere": {"diameter": "1 um"}}}
    return Clock.of(Experiment.build(experiment=times, record=record, chemistry={"species": {"A": {}}}, site=[site]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": "1e-320 ms"}, r"experiment\.duration: 1 ms is inf times record\.every = 9\.99988867e-321 ms"),
        ({"exchange": "1e-320 ms"}, r"experiment\.exchange = 9\.99988867e-321 ms; more than 1e\+\d+ are refused"),
        ({"duration": "1e300 ms"}, r"is 1\.0e\+301 times experiment\.exchange = 0\.1 ms; more than"),
        ({"duration": "0.25 ms"}, r'not a multiple of experiment\.exchange = 0\.1 ms; the nearest are "0\.2 ms" or'),
    ],
)
def test_what_is_too_often_or_no_multiple(changes: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        of(**changes)
    assert of().windows == 10
