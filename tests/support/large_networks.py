"""Networks of the size that rule-based models reach, with reactions between species at random."""

from __future__ import annotations

from typing import Any

import numpy as np


def large_net(n_species: int, n_reactions: int, seed: int = 1) -> str:
    """A `.net` of pairs that bind and come apart: no order of elimination is without fill-in."""
    rng = np.random.default_rng(seed)
    lines = ["begin parameters", *(f" {i + 1} k{i} {rng.uniform(0.1, 1)!r}" for i in range(50)), "end parameters"]
    lines += ["begin species", *(f" {i + 1} S{i}() {rng.integers(0, 100)}" for i in range(n_species)), "end species"]
    lines.append("begin reactions")
    for r in range(1, n_reactions, 2):
        a, b, c = (int(k) + 1 for k in rng.choice(n_species, 3, replace=False))
        lines.append(f" {r} {a},{b} {c} 0.01*k{rng.integers(50)}")
        lines.append(f" {r + 1} {c} {a},{b} k{rng.integers(50)}")
    return "\n".join([*lines, "end reactions", ""])


def one_site(engine: str, options: dict[str, Any] | None = None) -> dict[str, Any]:
    """An experiment with the network of `m.net` in one site."""
    return {
        "experiment": {"name": "x", "duration": "100 ms", "exchange": "50 ms"},
        "chemistry": {"file": "m.net", "units": {"amount": "count", "volume": "1 um^3", "time": "s"}},
        "site": [
            {
                "name": "s",
                "engine": engine,
                "geometry": {"box": {"size": "1 1 1 um"}},
                **({engine: options} if options else {}),
            }
        ],
    }
