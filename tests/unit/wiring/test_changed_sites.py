"""One site of a block that makes many is changed by its name, from outside or by a block that says what differs."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.experiment.understood.resolved import resolved_text
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring.plan.plan import Plan, make_plan
from support.paths import EXAMPLES

SPINES = EXAMPLES / "spines" / "spines.toml"
SHORT = ("experiment.duration=0.4 ms", "site.spine_1.engine=ode")
NETWORK = ("network.population.E.count=3", "network.population.I.count=2")
FEW = (*NETWORK, "network.connection.0.inputs=1", "network.connection.1.inputs=1")


def with_blocks(*blocks: dict[str, Any], path: Path = SPINES) -> Experiment:
    content = tomllib.loads(path.read_text())
    return Experiment.parse({**content, "site": [*content["site"], *blocks]}, path=path, overrides=SHORT)


def kinds(plan: Plan) -> dict[str, str]:
    """Site → engine, in the order of the sites."""
    return {site.name: site.engine.kind for site in sorted(plan.sites, key=lambda site: site.order)}


def test_by_key_and_by_block_are_one_plan() -> None:
    by_key = Experiment.load(SPINES, [*SHORT, "site.spine_3.engine=lattice", "site.spine_3.lattice.spacing=12 nm"])
    by_block = with_blocks({"name": "spine_3", "engine": "lattice", "lattice": {"spacing": "12 nm"}})
    assert by_key.site == by_block.site
    plain, plan = make_plan(Experiment.load(SPINES, SHORT)), make_plan(by_key)
    assert kinds(plan) == kinds(plain) | {"spine_3": "lattice"}
    assert [*kinds(plan)] == [*kinds(plain)], "sites stay in order"
    (changed,) = (site for site in plan.sites if site.name == "spine_3")
    assert changed.segments == ("spine_3.head(0.5)",) and changed.engine.options.spacing == pytest.approx(0.012)
    assert by_key.changed("site.spine_4.engine=ssa").whole_site(4).engine == "ssa"


def test_what_differs_wins_key_by_key() -> None:
    content = tomllib.loads(SPINES.read_text())
    content["site"][0] |= {"lattice": {"spacing": "10 nm"}, "ssa": {"method": "direct"}}
    content["site"] += [
        {"name": "spine_3", "lattice": {"spacing": "12 nm"}, "geometry": {"sphere": {"diameter": "0.4 um"}}}
    ]
    experiment = Experiment.parse(content, path=SPINES)
    whole = experiment.whole_site(3)
    assert whole.engine == "ode" and whole.options == {"lattice": {"spacing": "12 nm"}, "ssa": {"method": "direct"}}
    assert whole.place == experiment.site[0].place


def test_a_shape_of_its_own_is_shared_out_over_its_segments() -> None:
    plan = make_plan(with_blocks({"name": "spine_3", "geometry": {"sphere": {"diameter": "0.4 um"}}}))
    (site,) = (site for site in plan.sites if site.name == "spine_3")
    assert sum(s.volume for s in site.shares) == pytest.approx(np.pi / 6 * 0.4**3)
    assert sum(s.area for s in site.shares) == pytest.approx(site.geometry.area) == pytest.approx(np.pi * 0.4**2)


@pytest.mark.parametrize(
    "block",
    [{"name": "spine_3", "engine": "ssa"}, {"name": "spine_3", "lattice": {"spacing": "12 nm"}}, {"name": "spine_3"}],
    ids=["engine", "options", "nothing"],
)
def test_resolved_reads_as_the_same(block: dict[str, Any]) -> None:
    experiment = with_blocks(block)
    again = Experiment.parse(tomllib.loads(resolved_text(experiment)), path=SPINES)
    assert again.site[-1] == experiment.site[-1] and again.site_changes == experiment.site_changes == {3: 0}
    assert resolved_text(again) == resolved_text(experiment)


def test_it_runs_as_a_site_written_by_hand(tmp_path: Path) -> None:
    """To the bit; and not as without the change."""
    changed = Experiment.load(SPINES, [*SHORT, "site.spine_3.engine=ssa"])
    content = tomllib.loads(SPINES.read_text())
    content["site"][0]["place"]["except"] = ["spine_1.head", "spine_3.head"]
    content["site"].insert(1, {"name": "spine_3", "segment": "spine_3.head(0.5)", "engine": "ssa"})
    found = {}
    for name, experiment in (
        ("changed", changed),
        ("by hand", Experiment.parse(content, path=SPINES, overrides=SHORT)),
        ("without", Experiment.load(SPINES, SHORT)),
    ):
        Simulation.new(experiment, tmp_path / name).run()
        with Results(tmp_path / name) as results:
            found[name] = {site: results.micromolar(site, "Ca") for site in results.sites()}
    assert len(found["changed"]) == 21
    for site, calcium in found["changed"].items():
        np.testing.assert_array_equal(calcium, found["by hand"][site])
    assert (found["changed"]["spine_3"] != found["without"]["spine_3"]).any()


def test_one_spine_of_one_cell_of_a_network() -> None:
    path = EXAMPLES / "network" / "network.toml"
    plain = make_plan(Experiment.load(path, FEW))
    plan = make_plan(Experiment.load(path, [*FEW, "site.E_1_spine_3.engine=ode"]))
    assert kinds(plan) == kinds(plain) | {"E_1_spine_3": "ode"} and [*kinds(plan)] == [*kinds(plain)]
    with pytest.raises(InputError, match=r'site\[1\]\.name: no site "E_7_spine_3" .* did you mean "E_\d_spine_'):
        make_plan(Experiment.load(path, [*FEW, "site.E_7_spine_3.engine=ode"]))


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([{"name": "spine_99", "engine": "ssa"}], r'site\[3\]\.name: no site "spine_99" .* did you mean "spine_9"'),
        ([{"name": "spine_3", "engine": "sa"}], r'site\[3\]\.engine: .*"ssa"'),
        ([{"name": "spine_3", "lattice": {"spcing": "1 nm"}}], r'site\[3\]\.lattice: unknown key "spcing"'),
        ([{"name": "spin_3"}], r'site\[3\]\.engine: is missing; "spin_3" is no site of "spine_\*"'),
        ([{"name": "spin_3", "engine": "ode"}], r'site\[3\]: give segment = .* "spin_3" is no site of "spine_\*"'),
        ([{"name": "spine_3", "segment": "spine_3.head(0.5)"}], r"site\[3\]\.engine: is missing"),
        (
            [{"name": "spine_3", "segment": "spine_3.head(0.5)", "engine": "ssa"}],
            r'site\[3\]\.name: another site, of site\[0\], is also named "spine_3"; for what differs at that site',
        ),
        (
            [{"name": "s*", "place": {"on": "*.neck"}, "engine": "ode"}, {"name": "spine_3"}],
            r'site\[4\]\.name: site\[0\] \("spine_\*"\) and site\[3\] \("s\*"\) can both make a site "spine_3"',
        ),
    ],
)
def test_what_cannot_be_meant(blocks: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_plan(with_blocks(*blocks))


def test_from_outside_a_wrong_name_is_met_by_the_nearest() -> None:
    with pytest.raises(InputError, match=r'no entry "spin_0"; did you mean "spine_\*"'):
        Experiment.load(SPINES, ["site.spin_0.engine=ssa"])
