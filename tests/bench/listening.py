"""What sites that only listen cost: `uv run python tests/bench/listening.py [SITES]`; a JSON line per figure.

A cell of 1,000 segments with its own calcium pool, as NEURON steps it alone and with a site in each of so many segments
that takes up its calcium; a window is 0.1 ms or 1 ms. The sites' engine does nothing, so that what is left is what
listening adds: charge summed at every step, handed over and booked in each window. Five values of each site are
recorded every 10 ms; a third figure says what a record of every ms costs. All in the same process and round.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from figures import interleaved, median_of, report  # noqa: E402

from couple.base import registry  # noqa: E402
from couple.base.arrays import Floats  # noqa: E402
from couple.cache.kernels import njit  # noqa: E402
from couple.cache.native import integers, rows  # noqa: E402
from couple.components.calls import Call  # noqa: E402
from couple.components.engine import SiteEngine  # noqa: E402
from couple.components.kernel_calls import kernel_call  # noqa: E402
from couple.experiment import Experiment  # noqa: E402
from couple.simulation.simulation import Simulation  # noqa: E402

MOST = 0.03
"""Of NEURON's own time."""
DURATION = 600.0
ROUNDS = 7


@njit(cache=True)
def take_up(counts: Floats, influx: Floats) -> None:
    """Ions that enter become free ones."""
    for i in range(counts.shape[0]):
        counts[i, 0] += influx[i, 0]


@njit(cache=True)
def take_up_of(context: int) -> int:
    """The same, for a compiled loop."""
    t = integers(context, 6)
    take_up(rows(t[0], t[1], t[2]), rows(t[3], t[4], t[5]))
    return 0


class NoOp(SiteEngine):
    """Takes its ions and does nothing."""

    def advance(self, ticks: int) -> None:
        take_up(self._views["counts"], self._views["influx"])

    def calls(self, ticks: int) -> list[Call]:
        kept = (self._views["counts"], self._views["influx"])
        return [kernel_call(take_up_of, kept, lambda _: None, lambda: self.advance(ticks))]

    def write_counts(self, counts: Any, rng: np.random.Generator) -> None:
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)

    def save(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


registry.register("couple.engines", "noop", NoOp)


def experiment(sites: int, window: str, every: str = "10 ms") -> Experiment:
    """Sites that listen, as many as there are segments if there are more."""
    return Experiment.parse(
        {
            "experiment": {"name": "listening", "duration": f"{DURATION:g} ms", "exchange": window},
            "neuron": {
                "model": str(HERE / "models" / "pyramidal.hoc"),
                "mechanisms": str(HERE.parent / "support" / "published" / "mod"),
                "dt": "0.025 ms",
            },
            "chemistry": {"species": {"Ca": {"contains": {"Ca": 1}}}, "initial": {"Ca": "0.1 uM"}},
            "site": [
                {
                    "name": "shell",
                    "place": {"on": "dend*", "count": sites},
                    "geometry": {"shell": {"depth": "0.1 um"}},
                    "engine": "noop",
                }
            ],
            "link": [{"from": "neuron.ica", "to": "shell_*.Ca"}],
            "record": {"every": every, "voltages": ["soma(0.5)"]},
        }
    )


def listening(sites: int, window: str, folder: Path, every: str = "10 ms") -> Callable[[], Callable[[], object]]:
    """A task: the loop with sites that listen, from the start of the model."""

    def prepare() -> Callable[[], object]:
        made = Simulation.new(experiment(sites, window, every), Path(tempfile.mkdtemp(dir=folder)))
        made.orchestrator.start()
        windows = made.system.plan.clock.windows
        return lambda: made.orchestrator.run(windows)

    return prepare


def alone(sites: int) -> Callable[[], object]:
    """NEURON's steps of the model with nothing attached."""
    from adapters.neuron.hoc.h import h, pc
    from adapters.neuron.models.start import start
    from couple.wiring import make_plan

    plan = make_plan(experiment(sites, "1 ms"))
    model: Any = plan.model
    pc.set_maxstep(10)
    start("", -65.0, cvode_off=False, second_order=None)
    h.dt = model.spec.dt
    return lambda: pc.psolve(DURATION + h.dt / 2)


def main() -> None:
    sites = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as name:
        windows = ("0.1 ms", "1 ms")
        tasks = {window: listening(sites, window, Path(name)) for window in windows}
        recorded = {"recorded": listening(sites, "1 ms", Path(name), "1 ms")}
        found = interleaved({"alone": lambda: alone(sites), **tasks, **recorded}, ROUNDS)
    bare = found["alone"]
    report(f"NEURON alone, {DURATION:g} ms of 1001 segments", median_of(lambda s: s, bare), "s")
    for window in windows:
        share = median_of(lambda whole, own: whole / own - 1, found[window], bare)
        report(f"{sites} sites that listen, windows of {window}: more than NEURON's time", 100 * share, "%", 100 * MOST)
    more = median_of(lambda with_it, own, whole: (with_it - whole) / own, found["recorded"], bare, found["1 ms"])
    report(f"{5 * sites} values of them recorded every ms: more than NEURON's time", 100 * more, "%")


if __name__ == "__main__":
    main()
