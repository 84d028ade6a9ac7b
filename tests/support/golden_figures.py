"""Figures of every kind that does not show times of the machine, of runs that are the same everywhere: to be held
against pictures that somebody has looked at.

    uv run python tests/support/golden_figures.py     # draws tests/support/golden anew: look at what changed
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden"
WIDTH = 480
"""px of what is kept: labels can still be read."""


def tables(engine: str, sites: int = 3) -> dict[str, Any]:
    """Calcium that comes into a few sites, is bound, and goes through a pump that the ledger books."""
    names = [f"spine_{i}" for i in range(sites)]
    return {
        "experiment": {"name": "golden", "duration": "20 ms", "exchange": "0.5 ms"},
        "chemistry": {
            "species": {"Ca": {"contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
            "reservoirs": ["Ca_out"],
            "reactions": [
                {"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"},
                {"equation": "Ca -> Ca_out", "forward": "200 /s"},
            ],
            "observables": {"bound": ["CaB"]},
            "initial": {"B": {"count": 40}},
        },
        "site": [{"name": n, "engine": engine, "geometry": {"sphere": {"diameter": "0.5 um"}}} for n in names],
        "drive": [
            {"to": f"{n}.Ca", "influx": {"times": f"{2 * i + 1} {2 * i + 4} ms", "rate": f"{20 + 10 * i} /ms"}}
            for i, n in enumerate(names)
        ],
        "record": {"every": "0.5 ms"},
    }


def draw_all(folder: Path) -> dict[str, Path]:
    """Kind → picture in `folder`."""
    from couple import Experiment, Results, Simulation, figure, sample

    drawn = {}
    Simulation.new(Experiment.build(**tables("ode")), folder / "run").run()
    with Results(folder / "run") as results:
        for kind in ("traces", "sites", "ledger"):
            drawn[kind] = figure(results, folder / f"{kind}.png", kind)  # type: ignore[arg-type]
        drawn["by-site"] = figure(results, folder / "by-site.png", "traces", "Ca", by_site=True)
    few = Experiment.build(**tables("ssa", 1))
    with sample(few, runs=20, seed=1, folder=folder / "many", jobs=1) as many:
        drawn["ensemble"] = figure(many, folder / "ensemble.png")
    varied = {"chemistry.initial.B.count": "10 20 40 80"}
    with sample(few, runs=5, seed=1, folder=folder / "varied", jobs=1, vary=varied) as ensemble:
        drawn["parameters"] = figure(ensemble, folder / "parameters.png", "parameters")
    return drawn


def reduced(picture: Path | bytes) -> Any:
    """(height, width, 3) of a picture, WIDTH px wide, 0 to 255."""
    from PIL import Image

    with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
        size = (WIDTH, round(image.height * WIDTH / image.width))
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), dtype=float)


def difference(one: Any, other: Any) -> float:
    """Root mean square over pixels and colours, of 255; infinite for other shapes."""
    return float(np.sqrt(np.mean((one - other) ** 2))) if one.shape == other.shape else float("inf")


def keep(drawn: Mapping[str, Path]) -> None:
    """Write the pictures, small, into the folder of those that were looked at."""
    from PIL import Image

    for name, path in drawn.items():
        image = Image.fromarray(reduced(path).astype(np.uint8))
        image.quantize(64).save(GOLDEN / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    with tempfile.TemporaryDirectory() as folder:
        keep(draw_all(Path(folder)))
