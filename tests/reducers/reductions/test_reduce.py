"""A reduced model in five lines: systems that are not of neurons, which family fits, and what is refused."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from couple import Experiment, InputError, Simulation, reduce
from couple.reduction.family import LearnedModel, Reduction
from reducers.copy_numbers.chemistry import kinetics
from reducers.copy_numbers.mean_field import mean_field
from reducers.copy_numbers.sampling import CopyNumberRuns
from reducers.training.verdict import judge
from support.paths import EXAMPLES

SYSTEMS = {
    "driven_sir": ("town", ("S", "I", "R"), "80 ms"),
    "toggle": ("cell", ("A", "B"), "120 ms"),
}


def system(name: str, *changes: str) -> Experiment:
    return Experiment.load(EXAMPLES / "reduce" / f"{name}.toml", list(changes))


def small(name: str, folder: Path, *changes: str) -> Reduction:
    _, species, duration = SYSTEMS[name]
    return reduce(system(name, *changes), species, duration=duration, every="4 ms", runs=64, folder=folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LearnedModel]:
    folder = tmp_path_factory.mktemp("models")
    return {name: small(name, folder / name).fit(tell=lambda line: None) for name in SYSTEMS}


def learned_rates(model: LearnedModel) -> list[tuple[float, float]]:
    """Each rate and its standard error, per ms and mM."""
    found = [re.search(r": (\S+) ± (\S+) ", line) for line in model.summary["rates"]]
    return [(float(one[1]), float(one[2])) for one in found if one is not None]


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_that_are_not_ours_are_learned(name: str, models: dict[str, LearnedModel]) -> None:
    """The verdict is good beside both baselines. Each rate of the chemistry is found within 5 standard errors, or the
    10 % by which a law of second order that follows two stable states is off; half of the best known one is not.
    """
    model = models[name]
    verdict = model.summary["verdict"]
    assert model.good and verdict["error"] < 0.5 * verdict["peer"] < verdict["baseline"]
    assert "mean field" in verdict["text"] and model.report().splitlines()[0].startswith("model ")
    exact = [reaction.rate for reaction in system(name).network().reactions]
    found = learned_rates(model)
    assert len(found) == len(exact)
    assert all(
        abs(value - rate) < max(5 * error, 0.1 * rate) for (value, error), rate in zip(found, exact, strict=True)
    )
    value, error = min(found, key=lambda one: one[1] / one[0])
    assert 0.5 * value > max(5 * error, 0.1 * value)


def test_a_model_takes_the_place_of_its_species(models: dict[str, LearnedModel]) -> None:
    """The epidemic under its visitors: everybody is counted at each time, and between 25 and 50 ms, while they come,
    as many are infected as in `ssa`: 8 runs a side, within 5 standard errors. Without visitors they are not.
    """
    experiment = system("driven_sir", "experiment.duration=50 ms")
    changed = experiment.with_surrogate("town", models["driven_sir"])
    assert changed.site[0].engine == "surrogate" and experiment.site[0].engine == "ssa"
    alone = changed.changed("drive.0.clamp=0 nM")
    found = {}
    for key, one in (("ssa", experiment), ("surrogate", changed), ("alone", alone)):
        means = []
        for seed in range(8):
            simulation = Simulation.in_memory(one.changed(f"experiment.seed={seed}"))
            simulation.run()
            with simulation.results as results:
                sick, healthy = results["town.infected"], results["town.healthy"]
                means.append(float(sick[25:].mean()))
                assert sick.min() >= 0 and sick + healthy == pytest.approx(300, abs=1e-6)
        found[key] = np.array(means)
    bound = 5 * np.sqrt(sum(found[key].var(ddof=1) / 8 for key in ("ssa", "surrogate")))
    assert abs(found["ssa"].mean() - found["surrogate"].mean()) < bound
    assert abs(found["ssa"].mean() - found["alone"].mean()) > bound


def test_two_states_stay_between_none_and_all(models: dict[str, LearnedModel]) -> None:
    changed = system("toggle", "experiment.duration=150 ms").with_surrogate("cell", models["toggle"])
    simulation = Simulation.in_memory(changed)
    simulation.run()
    with simulation.results as results:
        on = results["cell.on"]
    assert on.min() >= 0 and on.max() <= 60 and on[131:].mean() > 30 > on[:5].mean()  # the inducer came


def test_the_same_training_is_not_done_twice(tmp_path: Path, models: dict[str, LearnedModel]) -> None:
    model, said = models["toggle"], list[str]()
    again = small("toggle", model.path.parent).fit(tell=said.append)
    assert again.summary["rates"] == model.summary["rates"] and said == [f"toggle was learned before: {model.path}"]
    with pytest.raises(InputError, match=r"holds a model of another training: give fit\(force=True\)"):
        small("toggle", model.path.parent, "chemistry.initial.B.count=50").fit(tell=said.append)


@pytest.mark.acceptance
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "reduce" / "five_lines.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert said.count("verdict  ") == 2 and said.count("good (") == 2 and "town infected" in said


CHANNEL = {
    "experiment": {"name": "channel", "duration": "40 ms", "exchange": "0.5 ms"},
    "chemistry": {
        "species": {"Ca": {"contains": {"Ca": 1}}, "C": {}, "O": {"contains": {"Ca": 1}}, "X": {}},
        "reactions": [
            {"equation": "Ca + C <-> O", "forward": "200 /uM/s", "backward": "300 /s"},
            {"equation": "2 X -> 0", "forward": "1 /uM/s"},
        ],
        "initial": {"C": {"count": 20}},
    },
    "site": [{"name": "head", "engine": "ssa", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    "drive": [{"to": "head.Ca", "clamp": {"times": "0 20 ms", "values": "0.1 5 uM"}}],
}


def channel(**changes: object) -> Experiment:
    return Experiment.build(**{**CHANNEL, **changes})


def test_independent_molecules_are_recognised(tmp_path: Path) -> None:
    made = reduce(channel(), ["C", "O"], runs=2000, folder=tmp_path)
    assert made.family == "markov"
    assert [s["kind"] for s in made.content["sample"]["stimuli"]] == ["step", "step", "noise", "spikes"]
    assert reduce(channel(), ["C", "O"], order=3).family == "copy_numbers"
    model = made.fit(tell=lambda line: None)
    rates = dict(re.findall(r"^(\w -> \w): (\S+)", "\n".join(model.summary["transitions"]), re.M))
    assert float(rates["C -> O"]) == pytest.approx(0.2, rel=0.05)  # of 2000 molecules a run
    assert float(rates["O -> C"]) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize(
    ("species", "more", "message"),
    [
        (["Q"], {}, r'species: no species "Q"'),
        ([], {}, "species: names no species"),
        (["C", "O"], {"drive": "Ka"}, r'drive: no species "Ka"'),
        (["C", "O"], {"site": "haed"}, r'site: no site "haed"; did you mean "head"'),
        (["C", "O"], {"family": "markof"}, r'unknown reduction "markof"; did you mean "markov"'),
        (["C", "O"], {"drive_range": "5 1 uM"}, "drive_range: .* give the least and the largest"),
        (["C", "O"], {"drive_range": "1 5 ms"}, "drive_range: .*not a unit of concentration"),
        (["C", "O"], {"duration": "4 ms", "every": "1 ms"}, "every: rows every 1 ms of 4 ms: give ten rows or more"),
        (["C", "O"], {"duration": "-4 ms"}, "give ten rows or more"),
        (["C"], {}, "family: no family fits: markov: .* couples it to O, not only to Ca.*; copy_numbers: .*couples"),
        (["C", "O"], {"family": "markov", "order": 2}, '"markov" does not fit: independent molecules have no order'),
        (["X"], {"family": "markov"}, '"markov" does not fit: in "X \\+ X -> 0" molecules are not independent'),
        (["C", "O"], {"order": 7}, "copy_numbers.order"),
    ],
)
def test_what_does_not_fit_is_refused(species: list[str], more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        reduce(channel(), species, **more)  # type: ignore[arg-type]


def test_a_drive_of_few_molecules_is_refused(tmp_path: Path) -> None:
    """In 1 µm³ a molecule makes 1.66 nM: 3 of them are the least plateau, and 6 are too few to be told apart."""
    made = reduce(system("toggle"), ["A", "B"], drive_range="0 100 nM", folder=tmp_path)
    steps = [s["peak"] for s in made.content["sample"]["stimuli"] if s["kind"] == "step"]
    assert float(steps[1].split()[0]) == pytest.approx(3 / 602.214, rel=1e-3)
    with pytest.raises(InputError, match=r"drive_range: Inducer has 6\.02 molecules at most, too few to be told apart"):
        reduce(system("toggle"), ["A", "B"], drive_range="0 10 nM", folder=tmp_path)


def test_what_drives_has_to_be_known() -> None:
    with pytest.raises(InputError, match=r'nothing comes to head by a drive or a link: say what .* drive = "Ca"'):
        reduce(channel(drive=[]), ["C", "O"])
    with pytest.raises(InputError, match=r'say between which concentrations Ca moves, as drive_range = "0.1 10 uM"'):
        reduce(channel(drive=[]), ["C", "O"], drive="Ca")


def test_a_model_is_named_in_the_site_that_gets_it(tmp_path: Path) -> None:
    sk = SimpleNamespace(name="SK", path=EXAMPLES / "sk" / "sk.h5")
    spine = Experiment.load(EXAMPLES / "spine" / "spine.toml")
    made = spine.with_surrogate("head", sk)
    assert made.site[0].engine == "surrogate" and made.site[0].options["surrogate"]["models"] == {"SK": str(sk.path)}
    with pytest.raises(InputError, match='the file of the model "SK" is not there'):
        spine.with_surrogate("head", SimpleNamespace(name="SK", path=tmp_path / "model.h5"))
    with pytest.raises(InputError, match="haed"):
        spine.with_surrogate("haed", sk)


def test_mean_field_of_molecules_that_do_not_meet_is_exact() -> None:
    """A <-> B of N: mean N p(t) and variance N p (1 - p); twice the variance would be noticed."""
    found = kinetics(channel().network(), ("C", "O"), "Ca")
    geometry = channel().site[0].geometry
    assert geometry is not None
    drive = np.full((1, 20), 2.0)
    start = np.tile(np.array([[[40.0, 0.0]]]), (1, 8, 1))
    runs = CopyNumberRuns((), geometry.build(), 0.5, drive, np.zeros((1, 8, 21, 1)), start)
    on, off = 0.4, 0.3
    p = on / (on + off) * (1 - np.exp(-(on + off) * 0.5 * np.arange(21)))
    got = mean_field(found, runs)
    assert found.names == ("O",)
    assert got["mean"][0, :, 0] == pytest.approx(40 * p, rel=1e-4, abs=1e-9)
    assert got["variance"][0, 1:, 0] == pytest.approx(40 * p[1:] * (1 - p[1:]), rel=1e-4)


def test_a_model_that_mean_field_beats_is_no_good() -> None:
    errors, rest = {"mean": 0.2, "variance": 0.2}, {"mean": 1.0, "variance": 1.0}
    worse = judge(errors, rest, "start", "runs", "try order 3", 0.5, {}, {"mean": 0.1, "variance": 0.1}, "mean field")
    assert not worse.good and worse.worse
    assert worse.line.startswith("this model is no good: worse than mean field (") and worse.line.endswith(
        "try order 3"
    )
    assert judge(errors, rest, "start", "runs", "", 0.5, {}, {"mean": 0.1, "variance": 0.4}, "mean field").good
    chance = {"mean": 0.07, "variance": 0.07}  # three of them are more than either error
    assert judge(errors, rest, "start", "runs", "", 0.5, chance, {"mean": 0.1, "variance": 0.1}, "mean field").good
