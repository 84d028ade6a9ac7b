"""The kinase of the examples as a learned distribution, against whole molecules under drives of kinds never seen.

`examples/kinase/kinase.h5` was learned from steps and noise; here it follows theta bursts and STDP pairings.
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
from reducers.copy_numbers.block import CopyNumberBlock
from reducers.copy_numbers.chemistry import kinetics
from reducers.copy_numbers.sampling import CopyNumberRuns, sample_copy_numbers
from reducers.copy_numbers.settings import CopyNumberFile
from reducers.data.stimuli import StimulusBlock
from reducers.markov.file import read_block
from support.ensemble_memory import memory
from support.paths import EXAMPLES

RUNS = 1000
FOLDER = EXAMPLES / "kinase"
COLUMNS = {"surrogate": ("Ca", "kinase_Ca", "kinase_active"), "ssa": ("Ca", "CaS", "Kp")}


def stimuli() -> tuple[StimulusBlock, ...]:
    """Theta bursts and pairings to test on; the step is there because a training needs one."""
    common = {"peak": "1 5 uM", "decay": "10 30 ms", "delay": "5 20 ms", "test": True}
    made = [{"kind": "theta", "rate": "5 8 /s", **common}, {"kind": "stdp", "rate": "10 20 /s", **common}]
    step = {"kind": "step", "peak": "1 uM"}
    return tuple(StimulusBlock.model_validate(m) for m in (*made, step))


@pytest.fixture(scope="module")
def fine() -> CopyNumberRuns:
    file, _ = CopyNumberFile.load(FOLDER / "train.toml")
    given = file.sample.model_copy(update={"runs": RUNS, "stimuli": stimuli()})
    block = read_block(FOLDER / "kinase.h5")
    assert isinstance(block, CopyNumberBlock)
    experiment = Experiment.load(FOLDER / file.experiment)
    file = file.model_copy(update={"sample": given, "train": file.train.model_copy(update={"seed": 77})})
    found = kinetics(experiment.network(), block.about.species, "Ca")
    return sample_copy_numbers(file, experiment, found).select(test=True)


def learned(runs: CopyNumberRuns) -> tuple[Floats, Floats, Floats]:
    """(C, R, T + 1, S) numbers drawn, and means (C, T + 1, S) and variances (C, T + 1, S) of the law."""
    block = read_block(FOLDER / "kinase.h5")
    assert isinstance(block, CopyNumberBlock)
    c, r, t, s = runs.numbers.shape
    drawn, means, variances = np.empty((c, r, t, s), dtype=np.float32), np.empty((c, t, s)), np.empty((c, t, s))
    for k in range(c):
        start = runs.start[k].astype(np.int64)
        made = block.bind([runs.geometry] * r, start, [])
        made.seed(np.array([stream(5, "acceptance", f"{k} {i}", "kinase") for i in range(r)]))
        for j in range(t):
            if j:
                made.advance(np.full(r, runs.drive[k, j - 1]), runs.every)
            found = made.means()
            drawn[k, :, j] = made.state
            means[k, j] = found.mean(axis=0)
            variances[k, j] = np.diagonal(made.covariances(), axis1=1, axis2=2).mean(axis=0) + found.var(axis=0)
    return drawn, means, variances


@pytest.mark.acceptance
def test_means_variances_and_memory_on_drives_of_another_kind(fine: CopyNumberRuns) -> None:
    """NRMSE of means ≤ 3 %, of variances ≤ 10 %, correlation times within 10 %; half as fast a law fails."""
    drawn, means, variances = learned(fine)
    runs = fine.numbers.astype(float)
    names = ("CaS", "Kp")
    for s, name in enumerate(names):
        mean, variance = runs[..., s].mean(axis=1), runs[..., s].var(axis=1, ddof=1)
        size = np.ptp(mean, axis=1, keepdims=True)
        for what, found, spread in (
            ("law", means[..., s], variances[..., s]),
            ("draws", drawn[..., s].mean(axis=1), drawn[..., s].var(axis=1, ddof=1)),
        ):
            off = float(np.sqrt((((found - mean) / size) ** 2).mean()))
            wide = float(np.sqrt(((spread[:, 1:] - variance[:, 1:]) ** 2).mean()) / variance[:, 1:].mean())
            print(f"{name}, {what}: means {off:.4f}, variances {wide:.4f}")
            assert off <= 0.03 and wide <= 0.10
        rest = float(np.sqrt((((mean - mean[:, :1]) / size) ** 2).mean()))
        assert rest > 0.1, "control: held at the start it fails"
    for c in range(len(runs)):
        starts = range(100, 600, 25)
        theirs, mine = (memory(x[c].astype(float), fine.every, starts) for x in (runs, drawn))
        print(f"stimulus {c}: correlation times {theirs.round(3)} ms of runs, {mine.round(3)} of draws")
        assert (np.abs(mine / theirs - 1) <= 0.10).all()


def engine(kind: str, sites: int) -> SiteEngine:
    """Heads of examples/kinase/burst.toml."""
    experiment = Experiment.load(FOLDER / "burst.toml")
    network, block = experiment.network(), experiment.site[0]
    assert block.geometry is not None
    head = block.geometry.build()
    counts = initial_amounts(network, experiment.chemistry.initial, head)
    factory = registry.load("couple.engines", kind)
    options = {"models": ["kinase.h5"]} if kind == "surrogate" else {}
    places = tuple(Site(f"s{i}", head, counts.counts, together=counts.together) for i in range(sites))
    made = factory(
        EngineSetup(
            kind, network, places, 0.1, injected=("Ca",), seed=1, options=factory.Options.model_validate(options),
            folder=FOLDER,
        )
    )  # fmt: skip
    assert isinstance(made, SiteEngine)
    return made


@pytest.mark.acceptance
def test_in_closed_loop_with_buffers_and_pumps() -> None:
    """Theta bursts of ions into heads with buffers and pumps: calcium, CaS and Kp as those of the SSA; and the cost."""
    t = 0.1 * np.arange(3000)
    course = np.where((t % 200 < 35) & (t % 10 < 2), 60.0, 0.2)
    found = {}
    for kind, sites in (("surrogate", 1000), ("ssa", 100)):
        made = engine(kind, sites)
        columns = [made.network.names.index(n) for n in COLUMNS[kind]]
        rows, carry, begin = [], 0.0, 0.0
        for k, ions in enumerate(course.tolist()):
            if k == 1:
                begin = time.process_time()
            carry += ions
            send = np.floor(carry) if made.integer else carry
            carry -= send
            made.write("influx", send)
            made.advance(1)
            if k % 20 == 0:
                rows.append(made.read("counts")[:, columns].copy())
        spent = 1e6 * (time.process_time() - begin) / (len(course) - 1) / sites
        found[kind] = np.array(rows), spent
        print(f"{kind}: {spent:.3f} us per site and window of 0.1 ms")
    (mine, fast), (theirs, slow) = found["surrogate"], found["ssa"]
    print(f"faster than ssa: {slow / fast:.1f} times")
    for s, name in enumerate(("Ca", "CaS", "Kp")):
        a, b = mine[..., s].mean(axis=1), theirs[..., s].mean(axis=1)
        off = float(np.sqrt(((a - b) ** 2).mean()) / np.ptp(b))
        wide = float(mine[..., s].var(axis=1).mean() / theirs[..., s].var(axis=1).mean())
        print(f"{name}: means {off:.4f}, variance {wide:.3f} of that of the SSA")
        assert off <= 0.03
