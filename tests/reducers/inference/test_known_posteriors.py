"""Flows against posteriors that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reducers.inference.diagnostics.two_sample import c2st
from reducers.inference.inference import Inference
from support.inference_cases import CASES, SIMULATOR

BUDGETS = {
    "linear_gaussian": (10_000, 0.55, {"rate": 1e-3}),
    "two_moons": (20_000, 0.58, {"batch": 200, "rate": 1e-3}),
}
"""Case → simulations, largest C2ST, settings of the flow."""


@pytest.mark.acceptance
@pytest.mark.parametrize("name", BUDGETS)
def test_npe_finds_the_posterior(name: str, tmp_path: Path) -> None:
    """Told from exact draws hardly better than by chance; draws moved by half a standard deviation are told."""
    case, (simulations, most, flow) = CASES[name], BUDGETS[name]
    (tmp_path / "simulator.py").write_text(SIMULATOR)
    (tmp_path / "infer.toml").write_text(case.file("npe", simulations, 1, **flow))
    found = Inference.load(tmp_path / "infer.toml", tmp_path / "out", jobs=1).run()
    assert found.posterior is not None
    exact, drawn = case.exact(case.observation, 2000, np.random.default_rng(0)), found.posterior.draw(2000, 1)
    assert c2st(exact, drawn) <= most < c2st(exact, drawn + 0.5 * exact.std(axis=0))
