"""A key in a table that does not have it, while another does: the message says which."""

import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from support.paths import EXAMPLES


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            'experiment.checkpoint = { every = "1 ms" }',
            'experiment: "checkpoint" is a table of its own: write [checkpoint]',
        ),
        ('record.site = "head"', 'record: "site" is a table of its own: write [[site]]'),
        ('neuron.exchange = "0.1 ms"', 'neuron: unknown key "exchange" here; it belongs to [experiment]'),
        ('duration = "3 ms"', 'unknown key "duration" here; it belongs to [experiment] or [[protocol]]'),
        ('experiment.durations = "3 ms"', 'experiment: unknown key "durations"; did you mean "duration"?'),
        ("experiment.gmax = 1", 'experiment: unknown key "gmax"; known: '),
    ],
)
def test_where_it_belongs(change: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        Experiment.load(EXAMPLES / "spine" / "spine.toml", [change])
    assert says in str(refused.value)
