"""CaMKII as a block of the surrogate engine: bits, totals, ions, and mass action of all 155 species beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple import Experiment, Simulation
from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError, RunError
from couple.base.units import IONS_PER_MM_UM3
from couple.geometry.geometry import Geometry
from couple.rng.streams import stream
from reducers.gccd.block import FieldsAtSites, MarkovFieldBlock
from reducers.gccd.law.kernel import EXACT, INDEPENDENT, N_STATE, ON, PAIRS, run
from reducers.gccd.law.lanes import LANES
from reducers.gccd.law.propagators import tables
from reducers.markov.file import read_block, write_block
from support.camkii_law import network, true_block
from support.paths import ROOT

TIMES = (20, 60, 80, 100, 120, 140)
CHEMISTRY = {
    "species": {"Ca": {"contains": {"Ca": 1}, "D": "220 um^2/s"}, "CBP": {}, "CaCBP": {"contains": {"Ca": 1}}},
    "include": {"camkii": {}},
    "reactions": [
        {"equation": "Ca + CBP <-> CaCBP", "forward": "2.47e8 /M/s", "backward": "524 /s"},
        {"equation": "Ca -> Ca_out", "forward": "300 /s"},
        {"equation": "Ca_out -> Ca", "forward": "0.03 uM/ms"},
    ],
    "reservoirs": ["Ca_out"],
    "initial": {"Ca": "0.1 uM", "CaM_c0n0": "30 uM", "K": "80 uM", "CBP": {"total": "78.7 uM", "at": "steady"}},
}


def experiment(engine: str, model: Path | str, **chemistry: object) -> Experiment:
    times = " ".join(f"{t} {t + 0.01} {t + 2} {t + 2.01}" for t in TIMES) + " ms"
    influx = {"times": times, "rate": " ".join("0 1500 1500 0" for _ in TIMES) + " /ms"}
    site = {"name": "head", "engine": engine, "geometry": {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}}
    return Experiment.build(
        experiment={"name": "block", "duration": "300 ms", "exchange": "0.1 ms"},
        chemistry={**CHEMISTRY, **chemistry},
        site=[{**site, "surrogate": {"models": [str(model)], "law": "mean"}}],
        drive=[{"to": "head.Ca", "influx": influx}],
        record={"every": "0.5 ms"},
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("block") / "camkii.h5"
    write_block(true_block(), path)
    return path


def traces(engine: str, model: Path) -> dict[str, Floats]:
    simulation = Simulation.in_memory(experiment(engine, model))
    simulation.run()
    with simulation.results as results:
        names = ("K_with_CaM", "K_in_pairs", "K_phosphorylated")
        return {"Ca": results.micromolar("head", "Ca"), **{k: np.asarray(results[f"head.{k}"]) for k in names}}


@pytest.mark.parametrize("which", ["true", "shipped"])
def test_in_a_site_it_follows_mass_action_of_all_species(which: str, model: Path) -> None:
    """Free calcium and CaMKII within 3 % (NRMSE); the ledger is audited in every window."""
    fine = traces("ode", model)
    found = traces("surrogate", model if which == "true" else ROOT / "examples/camkii/camkii.h5")
    assert fine["Ca"].max() > 1.0 and fine["K_with_CaM"][-1] > 100
    for key, values in fine.items():
        error = float(np.sqrt(((found[key] - values) ** 2).mean() / (values**2).mean()))
        assert error < 0.03, (key, error)


HEAD = Geometry.cylinder(0.5, 0.5)


def bound_at(block: MarkovFieldBlock, n: int, empty: bool = True) -> FieldsAtSites:
    species = block.about.species
    counts: Counts = np.zeros((n, len(species)), dtype=np.int64)
    counts[:, species.index("CaM_c0n0")], counts[:, species.index("K")] = 1774, 4730
    if not empty:
        counts[:, species.index("CaM_c0n0")] -= 20
        counts[:, species.index("K")] -= 20
        counts[:, species.index("K_K_c1n0_c2n2")] += 10
    return block.bind([HEAD] * n, counts, list(block.about.observables.values()))


def advance(bound: FieldsAtSites, drives: Floats, take: Floats) -> None:
    """Windows as the engine makes them; drives (windows, sites)."""
    for drive in drives:
        bound.uptake(take)
        bound.advance(np.ascontiguousarray(drive), 0.1)


def test_bits_of_a_site_do_not_depend_on_the_others() -> None:
    rng, block, n = np.random.default_rng(0), true_block(), LANES + 6
    drives = np.exp(rng.normal(0, 1.5, (1, n))) * np.exp(rng.normal(0, 0.2, (300, n)))
    whole, take = bound_at(block, n), np.zeros((n, 2))
    advance(whole, drives, take)
    order = [LANES + 3, 0, 5]
    some, less = bound_at(block, 3), np.zeros((3, 2))
    advance(some, drives[:, order], less)
    for key, array in some.private().items():
        if key != "span":
            assert np.array_equal(np.asarray(array), np.asarray(whole.private()[key])[order]), key
    assert np.array_equal(take[order], less)


def test_it_goes_on_to_the_bit_from_its_arrays() -> None:
    block, drives = true_block(), np.exp(np.random.default_rng(1).normal(0, 1, (60, 2)))
    one, take = bound_at(block, 2), np.zeros((2, 2))
    advance(one, drives[:30], take)
    other = bound_at(block, 2, empty=False)
    for key, array in one.private().items():
        np.asarray(other.private()[key])[...] = np.asarray(array)
    advance(one, drives[30:], take)
    again = np.zeros((2, 2))
    advance(other, drives[30:], again)
    assert np.array_equal(one.state, other.state) and np.array_equal(take, again)


def phosphorylated(bound: FieldsAtSites) -> Floats:
    return np.asarray(bound.state[:, 18:27].sum(axis=1) * IONS_PER_MM_UM3 * 1e-3 * HEAD.volume)


def test_how_many_are_phosphorylated_scatters_as_events_do() -> None:
    """A few tens of 4,730, each by an event: variance equal to the mean, which stays; a phosphatase adds its own."""
    block, n, take = true_block(), 1000, np.zeros((1000, 2))
    drawn, alone = bound_at(block, n), bound_at(block, 1)
    drawn.seed(np.array([stream(1, "test", str(i), "CaMKII") for i in range(n)]))
    advance(drawn, np.full((900, n), 20.0), take)
    advance(alone, np.full((900, 1), 20.0), take[:1])
    found, mean = phosphorylated(drawn), float(phosphorylated(alone)[0])
    assert 20 < mean < 200 and alone.state.shape[0] == 1
    assert abs(found.mean() - mean) < 4 * np.sqrt(mean / n)
    assert abs(found.var() / mean - 1) < 4 * np.sqrt(2 / n) + 0.02, "and some wait to be drawn"
    for bound, sites in ((drawn, n), (alone, 1)):
        for _ in range(200):
            bound.convert(np.full(sites, 0.05), 0.1)
            bound.advance(np.full(sites, 0.01), 0.1)
    rest, left = phosphorylated(drawn), float(phosphorylated(alone)[0])
    assert left < 0.6 * mean and abs(rest.mean() - left) < 4 * np.sqrt(left / n)
    assert abs(rest.var() / left - 1) < 4 * np.sqrt(2 / n) + 0.02, "some of a Poisson number is a Poisson number"


@pytest.mark.parametrize("graph", [EXACT, PAIRS, INDEPENDENT])
def test_lanes_are_the_law_of_one_site_to_the_bit(graph: int) -> None:
    """A window of five steps in a batch is that of `run`, in the first lane, across blocks and in the last."""
    true, n = true_block(), LANES + 3
    block = MarkovFieldBlock(true.about, true.rates, graph, true.totals)
    bound, take = bound_at(block, n, empty=False), np.zeros((n, 2))
    drives, ends = np.exp(np.random.default_rng(2).normal(0, 2, (40, n))), {}
    for site in (0, LANES - 1, LANES, n - 1):
        path, course, start = np.empty((201, N_STATE)), np.ascontiguousarray(drives[:, site]), bound.state[site].copy()
        table, subunits = tables(block.rates[:16], 0.1), float(bound._totals[site, 1])
        run(start, block.rates, subunits, table, course, 5, 0.1, graph, path)
        bound.state[site], ends[site] = path[0], path[-1]
    for drive in drives:
        bound.uptake(take)
        bound.advance(drive, 0.5)
    for site, end in ends.items():
        assert np.array_equal(bound.state[site], end)
    assert not bound._all[:, n:].any()


@pytest.mark.parametrize("calcium", [0.0, 0.05, 1.0, 30.0])
def test_uptake_is_the_chord_of_the_next_step(calcium: float) -> None:
    """At the calcium of the last window, so that what a window takes there is what is held more after it."""
    bound, take, held, more = bound_at(true_block(), 1, empty=False), np.zeros((1, 2)), np.zeros(1), np.zeros(1)
    block = bound._block
    block.rates[ON:] = 0.0  # what comes before calcium in a step moves lobes to other chains
    bound.advance(np.full(1, calcium), 0.1)
    bound.uptake(take)
    bound.held(held)
    bound.advance(np.full(1, calcium), 0.1)
    bound.held(more)
    assert (take[0, 0] + take[0, 1] * calcium) * 0.1 == pytest.approx(more[0] - held[0], rel=1e-6, abs=1e-9 * held[0])
    assert take[0, 1] > 0.0


def test_a_site_that_diverges_is_named() -> None:
    bound = bound_at(true_block(), LANES + 2)
    with pytest.raises(RunError, match=f'"CaMKII" diverges at site {LANES + 1}'):
        bound.advance(np.where(np.arange(LANES + 2) == LANES + 1, np.nan, 1.0), 0.1)


def test_whole_molecules_have_the_totals_and_the_ions() -> None:
    block = true_block()
    bound, take = bound_at(block, 4, empty=False), np.zeros((4, 2))
    advance(bound, np.full((2000, 4), [0.1, 1.0, 4.0, 30.0]), take)
    held, seen = np.zeros(4), np.zeros((4, 3))
    bound.held(held)
    bound.watch(seen)
    whole = np.rint(held).astype(np.int64)
    draws = np.stack(
        [bound.read_counts(whole, [np.random.default_rng(10 * k + i) for i in range(4)]) for k in range(40)]
    )
    for substance, total in (("CaM", 1774), ("CaMKII", 4730)):
        assert (draws @ np.array(block.about.contents[substance]) == total).all()
    assert (draws @ np.array(block.about.contents["Ca"]) == whole).all() and (draws >= 0).all()
    for k, weights in enumerate(block.about.observables.values()):
        found = draws @ np.array(weights)
        spread = np.maximum(found.std(axis=0, ddof=1), 1.0)
        # 12 comparisons: 3.5 standard errors; parity of pairs moves the mean by up to one molecule
        assert (np.abs(found.mean(axis=0) - seen[:, k]) < 3.5 * spread / np.sqrt(40) + 1.0).all()
    again = bound_at(block, 4)
    again.write_counts(draws[0])
    again.held(held)
    assert np.allclose(held, whole, rtol=1e-12)


def test_a_file_is_read_back(model: Path) -> None:
    block = read_block(model)
    assert isinstance(block, MarkovFieldBlock)
    assert np.array_equal(block.rates, true_block().rates) and block.about.species == true_block().about.species


def test_other_totals_and_other_chemistries_are_refused(model: Path) -> None:
    with pytest.raises(InputError, match=r"trained at 30 \.\. 30 uM calmodulin; a site has 59.99"):
        Simulation.in_memory(experiment("surrogate", model, initial={**CHEMISTRY["initial"], "CaM_c0n0": "60 uM"}))  # type: ignore[dict-item]
    with pytest.raises(InputError, match="another chemistry"):
        Simulation.in_memory(experiment("surrogate", model, include={"camkii": {"rates": "verbatim"}}))
    pairs_alone = {"odd": ["K_K_c1n0_c2n2"]}
    with pytest.raises(InputError, match="which two are in one pair"):
        Simulation.in_memory(experiment("surrogate", model, observables=pairs_alone))
    assert network().names


def test_the_example_runs_with_the_shipped_model() -> None:
    ends = {}
    for engine in ("surrogate", "ode"):
        loaded = Experiment.load(
            ROOT / "examples/camkii/burst.toml", [f"site.head.engine={engine}", 'site.head.surrogate.law="mean"']
        )
        simulation = Simulation.in_memory(loaded)
        simulation.run()
        with simulation.results as results:
            ends[engine] = [results[f"head.{k}"][-1] for k in ("K_with_CaM", "K_phosphorylated")]
    assert ends["ode"][1] > 10
    np.testing.assert_allclose(ends["surrogate"], ends["ode"], rtol=0.03)
