"""The receptors of examples/array as a learned machine, against whole molecules under drives of kinds never seen.

`array.h5` was learned from steps and noise; here it follows theta bursts and STDP pairings, 1,000 runs
of each course. Fixed beforehand: NRMSE of means 3 %, of variances 10 %, correlation times 10 %, 30 times the SSA.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from couple.base import registry
from couple.base.arrays import Floats
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.rng.streams import stream
from couple.wiring.sites.initial_amounts import initial_amounts
from reducers.data.stimuli import StimulusBlock
from reducers.machines.block import MachineBlock, MachinesAtSites
from reducers.machines.sampling import UnitRuns, sample_units
from reducers.machines.settings import MachineFile
from reducers.machines.units import units_of
from reducers.markov.file import read_block
from support.ensemble_memory import correlation_time
from support.paths import EXAMPLES

pytestmark = pytest.mark.acceptance
RUNS = 1000
FOLDER = EXAMPLES / "array"
STATES = ("bound", "active")


def stimuli() -> tuple[StimulusBlock, ...]:
    """Theta bursts and pairings to test on; the step is there because a training needs one."""
    common = {"peak": "1 5 uM", "decay": "10 30 ms", "delay": "5 20 ms", "test": True, "count": 2}
    made = [{"kind": "theta", "rate": "5 8 /s", **common}, {"kind": "stdp", "rate": "10 20 /s", **common}]
    step = {"kind": "step", "peak": "1 uM"}
    return tuple(StimulusBlock.model_validate(m) for m in (*made, step))


def block() -> MachineBlock:
    found = read_block(FOLDER / "array.h5")
    assert isinstance(found, MachineBlock)
    return found


@pytest.fixture(scope="module")
def fine() -> UnitRuns:
    file, _ = MachineFile.load(FOLDER / "train.toml")
    given = file.sample.model_copy(update={"runs": RUNS, "stimuli": stimuli()})
    file = file.model_copy(update={"sample": given, "train": file.train.model_copy(update={"seed": 77})})
    experiment = Experiment.load(FOLDER / file.experiment)
    return sample_units(file, experiment, units_of(experiment.network(), block().about.species, "Ca")).select(test=True)


def learned(runs: UnitRuns, slower: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """(C, R, T + 1, S) numbers drawn, and means and variances (C, T + 1, S) of the law, each run from where it was."""
    made = block()
    made.model = made.model._replace(law=slower * made.model.law, turn=slower * made.model.turn)
    c, r, t, s = runs.numbers.shape
    drawn, means, variances = np.empty((c, r, t, s), dtype=np.float32), np.empty((c, t, s)), np.empty((c, t, s))
    for k in range(c):
        at = made.bind([runs.geometry] * r, runs.start[k].astype(np.int64), [])
        assert isinstance(at, MachinesAtSites)
        at.seed(np.array([stream(5, "acceptance", f"{k} {i}", "array") for i in range(r)]))
        for j in range(t):
            if j:
                at.advance(np.full(r, runs.drive[k, j - 1]), runs.every)
            drawn[k, :, j], means[k, j] = at.state, at.means.mean(axis=0)
            spread = np.diagonal(at.spread, axis1=1, axis2=2)
            variances[k, j] = spread.mean(axis=0) + at.means.var(axis=0)
    return drawn, means, variances


def errors(found: tuple[Floats, Floats, Floats], runs: Floats) -> dict[str, tuple[float, float]]:
    """name → NRMSE of means and of variances, of the law and of what is drawn."""
    drawn, means, variances = found
    out = {}
    for s, name in enumerate(STATES):
        mean, variance = runs[..., s].mean(axis=1), runs[..., s].var(axis=1, ddof=1)
        size = np.ptp(mean, axis=1, keepdims=True)
        for what, m, v in (
            ("law", means[..., s], variances[..., s]),
            ("draws", drawn[..., s].mean(axis=1), drawn[..., s].var(axis=1, ddof=1)),
        ):
            off = float(np.sqrt((((m - mean) / size) ** 2).mean()))
            wide = float(np.sqrt(((v[:, 1:] - variance[:, 1:]) ** 2).mean()) / variance[:, 1:].mean())
            out[f"{name}, {what}"] = off, wide
        halves = [runs[:, k::2, :, s].var(axis=1, ddof=1) for k in (0, 1)]
        chance = float(np.sqrt(((halves[0] - halves[1]) ** 2).mean()) / 2 / variance.mean())
        law, draws = out[f"{name}, law"], out[f"{name}, draws"]
        print(f"{name}: (means, variances) of the law {law}, of draws {draws}; chance in variances {chance:.3f}")
    return out


def test_means_and_variances_on_drives_of_another_kind(fine: UnitRuns) -> None:
    runs = fine.numbers.astype(float)
    for name, (off, wide) in errors(learned(fine), runs).items():
        assert off <= 0.03 and wide <= 0.10, (name, off, wide)
    slow = errors(learned(fine, 0.5), runs)
    assert max(off for off, _ in slow.values()) > 0.06, "control: half the speed"


def test_correlation_times(fine: UnitRuns) -> None:
    """On average over four courses; single ones are up to 12 % off (active, strong pairings). Of correlations averaged
    over starts: times of single starts scatter by 7 % between ensembles of this size."""
    drawn, _, _ = learned(fine)
    found, starts = [], range(100, 600, 25)
    for c in range(len(drawn)):
        x, y = fine.numbers[c].astype(float), drawn[c].astype(float)
        theirs, mine = (correlation_time(one, fine.every, starts) for one in (x, y))
        halves = [correlation_time(x[k::2], fine.every, starts) for k in (0, 1)]
        print(f"stimulus {c}: {theirs.round(3)} ms of runs, {mine.round(3)} of draws; halves of the runs {halves}")
        found.append(mine / theirs)
    assert (np.abs(np.mean(found, axis=0) - 1) <= 0.10).all(), found


def engine(kind: str, sites: int) -> SiteEngine:
    """Heads of examples/array/burst.toml."""
    experiment = Experiment.load(FOLDER / "burst.toml")
    network, geometry = experiment.network(), experiment.site[0].geometry
    assert geometry is not None
    counts = initial_amounts(network, experiment.chemistry.initial, geometry.build())
    factory = registry.load("couple.engines", kind)
    places = tuple(Site(f"s{i}", geometry.build(), counts.counts, together=counts.together) for i in range(sites))
    options = factory.Options.model_validate({"models": ["array.h5"]} if kind == "surrogate" else {})
    made = factory(EngineSetup(kind, network, places, 0.1, injected=("Ca",), seed=1, options=options, folder=FOLDER))
    assert isinstance(made, SiteEngine)
    return made


def test_in_a_site_with_buffers_and_pumps_and_what_it_costs() -> None:
    """Two theta bursts of ions: calcium, bound and active receptors as those of the SSA; a site costs a thirtieth."""
    t = 0.1 * np.arange(3000)
    course = np.where((t % 200 < 35) & (t % 10 < 2), 90.0, 0.2)
    found = {}
    for kind, sites in (("surrogate", 1000), ("ssa", 200)):
        made, rows, carry, begin = engine(kind, sites), [], 0.0, 0.0
        weights = made.network.observable_weights
        for k, ions in enumerate(course.tolist()):
            if k == 1:
                begin = time.process_time()
            carry += ions
            send = np.floor(carry) if made.integer else carry
            carry -= send
            made.write("influx", send)
            made.advance(1)
            if k % 20 == 0:
                counts = made.read("counts")
                calcium = counts[:, made.network.index("Ca")]
                rows.append(np.column_stack([calcium, (counts[:, None, :] * weights[:2]).sum(axis=2)]))
        spent = 1e6 * (time.process_time() - begin) / (len(course) - 1) / sites
        found[kind] = np.array(rows), spent
        print(f"{kind}: {spent:.3f} us per site and window of 0.1 ms")
    (mine, fast), (theirs, slow) = found["surrogate"], found["ssa"]
    print(f"faster than ssa: {slow / fast:.1f} times")
    for s, name in enumerate(("Ca", *STATES)):
        a, b = mine[..., s].mean(axis=1), theirs[..., s].mean(axis=1)
        off = float(np.sqrt(((a - b) ** 2).mean()) / np.ptp(b))
        wide = float(mine[..., s].var(axis=1).mean() / theirs[..., s].var(axis=1).mean())
        print(f"{name}: means {off:.4f}, variance {wide:.3f} of that of the SSA")
        assert off <= 0.04
