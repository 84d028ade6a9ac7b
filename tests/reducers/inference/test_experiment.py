"""Inference over keys of an experiment, by ensembles."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from couple import InputError
from reducers.inference.inference import Inference

EXPERIMENT = """
[experiment]
name = "decay"
duration = "10 ms"
exchange = "1 ms"

[chemistry]
species.A = {}
species.B = {}
reactions = [{ equation = "A -> B", forward = "0.1 /ms" }]
initial.A = "4 uM"

[[site]]
name = "box"
engine = "ode"
geometry.sphere = { diameter = "1 um" }

[record]
every = "1 ms"

[features]
left = { of = "box.A", measure = "last", unit = "uM" }
top = { of = "box.A", measure = "peak", unit = "uM" }
"""
FILE = """
[infer]
name = "decay"
method = "abc"
experiment = "decay.toml"
simulations = 120

[prior]
"chemistry.reactions.0.forward" = "loguniform 0.01 .. 1 /ms"
"chemistry.initial.A" = "uniform 2 .. 8 uM"

[observation]
values = { left = "1471.52 nM", top = 4 }

[diagnostics]
predictive = 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "decay.toml").write_text(EXPERIMENT)
    (tmp_path / "infer.toml").write_text(FILE)
    return tmp_path / "infer.toml"


def test_features_of_an_experiment_give_its_keys_back(file: Path, tmp_path: Path) -> None:
    """A concentration that decays: exp(-10 r) c and c give r and c; each run has the features of its own parameters."""
    found = Inference.load(file, tmp_path / "out", jobs=1).run()
    rate, start = found.simulations.theta.T
    expected = np.stack([start * np.exp(-10 * rate), start], axis=1)
    np.testing.assert_allclose(found.simulations.features, expected, rtol=2e-3)  # whole molecules at the start
    assert found.features == {"left": "uM", "top": "uM"} and found.samples is not None
    chance = found.prior.draw(100, np.random.default_rng(0))
    errors = [np.sqrt(np.mean((np.log(t) - np.log([0.1, 4])) ** 2, axis=0)) for t in (found.samples, chance)]
    assert (errors[0] < 0.7 * errors[1]).all()  # 100 of 120 are kept: it is the regression that tells


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            'prior."chemistry.reactions.0.foward"=uniform 1 .. 2 /ms',
            'prior."chemistry.reactions.0.foward": cannot vary',
        ),
        ('prior."chemistry.reactions.0.forward"=uniform 1 .. 2 mV', "cannot vary"),
        ("observation.values.left=3 mV", 'observation.left: "3 mV" is not in uM'),
    ],
)
def test_keys_that_cannot_vary(change: str, says: str, file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        Inference.load(file, tmp_path / "out", [change], 1)
