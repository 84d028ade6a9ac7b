"""The surrogate in the closed loop of examples/spine: against SSA and lattice, with controls that must differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import couple
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from reducers.markov.file import read_block, write_block
from reducers.markov.markov import MarkovBlock
from support.command_line import assert_equal_results
from support.command_line import couple as command
from support.paths import EXAMPLES
from support.statistics import z_bound

SK = EXAMPLES / "sk" / "sk.h5"
QUANTITIES = ("V", "Ca", "SK")
WINDOWS = ((20.0, 110.0), (110.0, 150.0), (150.0, 190.0))
"""ms, in which traces are averaged: the train, the tail after it, the spike."""


@dataclass(frozen=True)
class Averages:
    """values: (n_runs, n_quantities, n_windows) of head V (mV), free Ca (uM) and open SK channels."""

    values: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.values.mean(axis=0))

    @property
    def error(self) -> np.ndarray:
        return np.asarray(self.values.std(axis=0, ddof=1) / np.sqrt(len(self.values)))


def averages(folder: Path, name: str, runs: int, *changes: str) -> Averages:
    duration = WINDOWS[-1][1]
    base = Experiment.load(EXAMPLES / "spine" / "spine.toml", [f"experiment.duration={duration} ms"])
    with couple.sample(base.changed(*changes), runs, 1, folder / name) as found:
        traces = found["neuron.head(0.5)"], found.micromolar("head", "Ca"), found.observable("head", "SK_open")
        inside = [(found.time > a) & (found.time <= b) for a, b in WINDOWS]
        return Averages(np.array([[[x[r, w].mean() for w in inside] for x in traces] for r in range(runs)]))


def surrogate(model: Path = SK) -> tuple[str, str]:
    return "site.head.engine=surrogate", f'site.head.surrogate.models={{SK="{model}"}}'


def apart(a: Averages, b: Averages) -> np.ndarray:
    """(n_quantities, n_windows) differences in combined standard errors."""
    return np.asarray((a.mean - b.mean) / np.hypot(a.error, b.error))


def slowed(folder: Path, factor: float) -> Path:
    block = read_block(SK)
    assert isinstance(block, MarkovBlock)
    path = folder / "slow.h5"
    write_block(MarkovBlock(replace(block.about), factor * block.base, factor * block.slope), path)
    return path


def report(found: dict[str, Averages]) -> str:
    lines = ["quantity, window, " + ", ".join(f"{k} (mean, error)" for k in found)]
    for i, quantity in enumerate(QUANTITIES):
        for j, window in enumerate(WINDOWS):
            cells = ", ".join(f"{a.mean[i, j]:.5g} ± {a.error[i, j]:.2g}" for a in found.values())
            lines.append(f"{quantity} {window}: {cells}")
    return "\n".join(lines)


def test_one_spine_on_the_lattice_the_others_reduced(tmp_path: Path) -> None:
    """examples/surrogate with fewer spines: both engines in one run, and the same file without the lattice."""
    changes = [
        "experiment.duration=2 ms",
        "spine.0.place.count=4",
        "spine.0.synapse.count=2",
        "spine.0.synapse.times=0 ms",
    ]
    for more, engines in (
        ([], {"spine_0", "surrogate"}),
        (["site.spine_0.engine=surrogate"], {"surrogate", "surrogate_"}),
    ):
        experiment = Experiment.load(EXAMPLES / "surrogate" / "surrogate.toml", [*changes, *more])
        simulation = Simulation.in_memory(experiment)
        simulation.run()
        found = simulation.system.engines
        assert {e.name for e in found} <= engines and sum(len(e.sites) for e in found) == 4
        held = sum(float(e.read("counts")[:, e.network.index("Ca")].sum()) for e in found)
        assert held > 0 and simulation.orchestrator.ledger().max_imbalance < 1e-6


@pytest.mark.acceptance
def test_the_spine_is_that_of_the_ssa(tmp_path: Path) -> None:
    """Well mixed against well mixed: nothing but chance may differ."""
    runs, bound = 24, z_bound(9)
    ssa = averages(tmp_path, "ssa", runs, "site.head.engine=ssa")
    mine = averages(tmp_path, "surrogate", runs, *surrogate())
    assert abs(apart(mine, ssa)).max() < bound, report({"ssa": ssa, "surrogate": mine})
    none = averages(tmp_path, "none", runs, *surrogate(), "chemistry.initial.SK_C1.count=0")
    assert abs(apart(none, ssa)).max() > 2 * bound, "no SK would pass"
    slow = averages(tmp_path, "slow", runs, *surrogate(slowed(tmp_path, 0.5)))
    assert abs(apart(slow, ssa)).max() > bound, "SK at half speed would pass"


@pytest.mark.acceptance
def test_the_spine_is_that_of_the_lattice(tmp_path: Path) -> None:
    """Within chance and what the calcium under the membrane changes: the difference of SSA and lattice, reported."""
    bound = z_bound(9)
    lattice = averages(tmp_path, "lattice", 12, "site.head.engine=lattice")
    ssa = averages(tmp_path, "ssa", 96, "site.head.engine=ssa")
    mine = averages(tmp_path, "surrogate", 96, *surrogate())
    slow = averages(tmp_path, "slow", 96, *surrogate(slowed(tmp_path, 0.5)))
    none = averages(tmp_path, "none", 96, *surrogate(), "chemistry.initial.SK_C1.count=0")
    text = report({"lattice": lattice, "ssa": ssa, "surrogate": mine, "half speed": slow, "no SK": none})
    print(text)

    def fits(other: Averages) -> bool:
        under_the_membrane = abs(ssa.mean - lattice.mean)
        chance = bound * np.sqrt(other.error**2 + lattice.error**2 + ssa.error**2)
        return bool((abs(other.mean - lattice.mean) <= under_the_membrane + chance).all())

    assert abs(apart(mine, ssa)).max() < bound, text
    assert fits(mine), text
    assert not fits(slow) and not fits(none), text


@pytest.mark.parametrize(
    "changes",
    [(), ("site.head.engine=adaptive", 'site.head.adaptive.engines=["surrogate", "ssa"]')],
    ids=["surrogate", "adaptive"],
)
def test_a_markov_field_resumes_to_the_bit(tmp_path: Path, changes: tuple[str, ...]) -> None:
    """Its values have names like "CaMKII/found", which go through a file."""
    burst, quiet = str(EXAMPLES / "camkii" / "burst.toml"), ("--quiet", "--no-figure")
    change = [part for text in ("experiment.duration=26 ms", *changes) for part in ("--set", text)]
    assert command("run", burst, *change, "--out", str(tmp_path / "whole"), *quiet) == 0
    assert command("run", burst, *change, "--until", "21 ms", "--out", str(tmp_path / "parts"), *quiet) == 0
    assert command("resume", str(tmp_path / "parts"), *quiet) == 0
    assert_equal_results(tmp_path / "whole" / "results.h5", tmp_path / "parts" / "results.h5")
