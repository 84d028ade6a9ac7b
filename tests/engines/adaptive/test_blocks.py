"""Adaptive sites with a model in the place of species: one component for all, of which some sites advance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adapters.adaptive import Adaptive
from adapters.adaptive.accuracy import Together
from adapters.surrogate import Surrogate
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from support.engine_under_test import same
from support.paths import EXAMPLES

CAMKII = EXAMPLES / "camkii"
NAMES = ("a", "b", "c")
RULE = "def choose(now):\n    return 'ssa' if now.site == 'b' and 1 <= now.time < 2 else 'surrogate'\n"


def sites(folder: Path, names: Sequence[str] = NAMES) -> Adaptive:
    """CaMKII by its model; site b goes through the SSA of its 155 species and back."""
    (folder / "rules.py").write_text(RULE)
    content = Experiment.load(CAMKII / "site.toml").source
    own = {"engines": ["surrogate", "ssa"], "rule": f"{folder / 'rules.py'}:choose", "dwell": "0 ms"}
    models = {"models": {"CaMKII": str(CAMKII / "camkii.h5")}}
    site = {**content["site"][0], "engine": "adaptive", "adaptive": own, "surrogate": models}
    tables = {
        **content,
        "experiment": {**content["experiment"], "duration": "3 ms", "exchange": "0.1 ms"},
        "site": [{**site, "name": name} for name in names],
        "drive": [{"to": f"{name}.Ca", "influx": {"times": "0 3 ms", "rate": "0 /ms"}} for name in names],
    }
    (engine,) = Simulation.in_memory(Experiment.parse(tables, path=CAMKII / "site.toml")).system.engines
    assert isinstance(engine, Adaptive)
    return engine


def influx(names: Sequence[str], window: int) -> np.ndarray:
    """Ions of each site, different everywhere, a fraction among them."""
    return np.array([(10.3 + 7 * NAMES.index(name)) * (window < 20) for name in names])


def drive(e: Adaptive, names: Sequence[str], start: int = 0, end: int = 30) -> np.ndarray:
    """Counts after each window (n, n_sites, n_states)."""
    rows = []
    for window in range(start, end):
        e.read("influx")[:, 0] = influx(names, window)
        e.advance(round(0.1 / e.setup.tick))
        rows.append(e.read("counts").copy())
    return np.array(rows)


def surrogate(e: Adaptive) -> Surrogate:
    first = e.accuracies[0]
    assert isinstance(first, Together) and list(first.components()) == ["all"]
    engine = first.components()["all"]
    assert isinstance(engine, Surrogate)
    return engine


def test_sites_with_a_model_share_a_component_and_do_not_see_their_batch(tmp_path: Path) -> None:
    together = sites(tmp_path)
    assert len(surrogate(together).sites) == 3
    rows = drive(together, NAMES)
    assert [(s.site, s.after) for s in together.switches] == [("b", "ssa"), ("b", "surrogate")]
    for k, name in enumerate(NAMES):
        alone = drive(sites(tmp_path, [name]), [name])
        assert same(alone[:, 0].copy(), rows[:, k].copy()), name


def test_a_site_that_rests_keeps_its_model_to_the_bit(tmp_path: Path) -> None:
    e = sites(tmp_path)
    drive(e, NAMES, end=11)
    assert e.active.tolist() == [0, 1, 0]
    engine = surrogate(e)
    before = {key: np.array(array) for key, array in engine.save().items() if not isinstance(array, str)}
    drive(e, NAMES, start=11, end=19)
    after = {key: np.array(array) for key, array in engine.save().items() if not isinstance(array, str)}
    of_sites = [key for key, array in before.items() if array.shape[:1] == (3,)]
    assert any("CaMKII" in key for key in of_sites)
    assert all(same(before[key][1].copy(), after[key][1].copy()) for key in of_sites)
    assert any(not same(before[key][0].copy(), after[key][0].copy()) for key in of_sites if "CaMKII" in key)


def test_a_handed_over_site_holds_what_it_held(tmp_path: Path) -> None:
    """Calmodulin, CaMKII and calcium over both switches; the others' models are not touched."""
    e = sites(tmp_path)
    rows, network = drive(e, NAMES), e.network
    for substance, per_window in (("Ca", [influx(NAMES, w) for w in range(30)]), ("CaM", 0), ("CaMKII", 0)):
        held = rows @ network.contents(substance)
        start = np.array([site.initial for site in e.sites]) @ network.contents(substance)[: len(e.sites[0].initial)]
        entered = np.cumsum(per_window, axis=0) if substance == "Ca" else 0.0
        np.testing.assert_allclose(held, np.broadcast_to(start + entered, held.shape), rtol=1e-9, atol=1e-9 * 300)


def test_going_on_from_a_state_is_exact_with_a_site_elsewhere(tmp_path: Path) -> None:
    e = sites(tmp_path)
    drive(e, NAMES, end=15)
    state, memory = e.save(), e.memory.copy()
    rows = drive(e, NAMES, start=15)
    twin = sites(tmp_path)
    twin.restore(state)
    twin.memory[:] = memory
    assert same(drive(twin, NAMES, start=15), rows)
