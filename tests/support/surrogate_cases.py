"""Surrogates of a spine head, an exact reduced model of SK, and the course of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapters.surrogate import Surrogate
from adapters.surrogate.engine import SurrogateOptions
from adapters.surrogate.pools.network import pools_of
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site
from reducers.markov.block import About
from reducers.markov.markov import MarkovBlock
from support.networks import SK_STATES

WINDOW = 0.1
"""ms"""
SK = tuple(SK_STATES)

INFLUX = np.where((np.arange(400) % 150 > 100) & (np.arange(400) % 150 < 120), 49.0, 0.0)
"""Ions per window: pulses of 2 ms that a channel's worth of current brings."""


def exact_sk(network: ReactionNetwork, drive_box: tuple[float, float] = (0.0, 1e3), scale: float = 1.0) -> MarkovBlock:
    """The generator of the scheme itself; `scale` slows it down, for controls."""
    pool = next(p for p in pools_of(network, "Ca") if set(p.states) == set(SK))
    order = [pool.states.index(s) for s in SK]
    about = About.of(network, "SK", SK, "Ca", drive_box=drive_box, box=np.array([np.zeros(6), np.ones(6)]))
    base, slope = (scale * m[np.ix_(order, order)] for m in (pool.base, pool.slope))
    return MarkovBlock(about, base, slope)


def engine(network: ReactionNetwork, sites: Sequence[Site], folder: Path = Path(), **setup: Any) -> Surrogate:
    """The engine on these sites; `setup` as in EngineSetup, options as in a file."""
    options = SurrogateOptions.model_validate(setup.pop("options", {}))
    given = {"injected": ("Ca",), **setup}
    return Surrogate(
        EngineSetup("head", network, tuple(sites), WINDOW, seed=1, options=options, folder=folder, **given)
    )


def course(made: Any, influx: np.ndarray) -> np.ndarray:
    """(windows, n_states) counts of the first site."""
    rows = []
    for ions in influx.tolist():
        made.write("influx", ions)
        made.advance(1)
        rows.append(made.read("counts")[0].copy())
    return np.array(rows)
