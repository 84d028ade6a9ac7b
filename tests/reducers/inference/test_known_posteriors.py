"""Flows against posteriors that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reducers.inference.diagnostics.two_sample import c2st
from reducers.inference.inference import Inference
from support.inference_cases import CASES, SIMULATOR

BUDGETS = {
    ("linear_gaussian", "npe"): (10_000, 1, 0.55, {"rate": 1e-3}),
    ("linear_gaussian", "tsnpe"): (2_500, 4, 0.55, {}),
    ("two_moons", "npe"): (20_000, 1, 0.58, {"batch": 200, "rate": 1e-3}),
    ("two_moons", "tsnpe"): (3_000, 3, 0.58, {}),
}
"""Case, method → simulations of a round, rounds, largest C2ST, settings of the flow."""


@pytest.mark.acceptance
@pytest.mark.parametrize(("name", "method"), BUDGETS)
def test_the_posterior_is_found(name: str, method: str, tmp_path: Path) -> None:
    """Told from exact draws hardly better than by chance; draws moved by half a standard deviation are told."""
    case, (simulations, rounds, most, flow) = CASES[name], BUDGETS[name, method]
    (tmp_path / "simulator.py").write_text(SIMULATOR)
    (tmp_path / "infer.toml").write_text(case.file(method, simulations, rounds, **flow))
    found = Inference.load(tmp_path / "infer.toml", tmp_path / "out", jobs=1).run()
    assert found.posterior is not None
    exact, drawn = case.exact(case.observation, 2000, np.random.default_rng(0)), found.posterior.draw(2000, 1)
    assert c2st(exact, drawn) <= most < c2st(exact, drawn + 0.5 * exact.std(axis=0))
