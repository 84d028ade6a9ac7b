"""Set-up of large networks: `uv run --group bench python tests/bench/large_networks.py`; a JSON line per figure.

From a `.net` file on, with the window that wiring runs to warm up, kernels compiled already: a network of 1,281 species
and 12,904 reactions, and per reaction beside one of 1,304 reactions. Linear set-up takes as long per reaction.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import report

from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.large_networks import large_net, one_site

ROUNDS = 3
LARGER = {"ode": None, "ssa": 1.5, "langevin": 1.5}
"""Time per reaction in units of that of a network of a tenth; no bound where elimination fills in more and more."""


def seconds(folder: Path, engine: str, species: int, reactions: int) -> float:
    """CPU seconds of one set-up."""
    (folder / "m.net").write_text(large_net(species, reactions))
    experiment = Experiment.parse(one_site(engine), path=folder / "x.toml")
    begun = time.process_time()
    Simulation.in_memory(experiment)
    return time.process_time() - begun


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        for engine, most in LARGER.items():
            seconds(Path(place), engine, 60, 400)
            rounds = [[seconds(Path(place), engine, n, 10 * n) for n in (128, 1281)] for _ in range(ROUNDS)]
            report(f"{engine}: set-up of 12,810 reactions", median(large for _, large in rounds), "s")
            ratio = median(large / small for small, large in rounds) * 1280 / 12810
            report(f"{engine}: per reaction, in units of 1,280", ratio, "1", most)


if __name__ == "__main__":
    main()
