"""Long campaigns: the systems of the papers, learned from lattice runs made here. `uv run pytest -m acceptance`."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.data.moments import Estimate, data_moments, nrmse
from reducers.data.trajectories import Trajectories
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.closure_terms import learned_closure
from reducers.dbd.report.moment_errors import mean_error, model_moments
from reducers.dbd.training import DistributionTraining
from support.paths import EXAMPLES

pytestmark = pytest.mark.acceptance
paper = pytest.importorskip("adapters.lattice.paper", reason="needs the paper's lattice")
FOLDER = EXAMPLES / "reduce"


def write(ensemble: object, path: Path) -> Path:
    """An ensemble of `adapters.lattice.paper` as a file."""
    states = ensemble.snapshots  # type: ignore[attr-defined]
    flat = states.reshape(*states.shape[:2], -1)
    time, species = ensemble.steps, ensemble.species  # type: ignore[attr-defined]
    Trajectories.of_snapshots(time.astype(float), species, flat, states.shape[2:]).write(path)
    return path


def trained(name: str, files: list[Path], folder: Path, *overrides: str) -> DistributionTraining:
    listed = ", ".join(f'"{f}"' for f in files)
    text = (FOLDER / f"{name}.toml").read_text()
    kept, skipping = [], False
    for line in text.splitlines():
        skipping = skipping or line.startswith("conditions = [")
        if not skipping and not line.startswith(("experiment = ", "runs = ")):
            kept.append(line)
        if line == "[data]":
            kept.append(f"files = [{listed}]")
        skipping = skipping and line != "]"
    (folder / "train.toml").write_text("\n".join(kept))
    training = DistributionTraining.new(folder / "train.toml", folder / "out", overrides, force=True)
    training.run()
    return training


def errors(training: DistributionTraining, until: int | None = None) -> dict[str, float]:
    """NRMSE of each moment of the free-running model on the held-out runs."""
    assert isinstance(training.model, DeepBoltzmann) and training.held_out is not None
    rows = np.arange(0, (until or len(training.data.time) - 1) + 1, 5)
    first = np.flatnonzero(training.held_out.conditions == 0)
    data = data_moments(training.held_out.select(first).thinned(rows), training.file.data.periodic)
    theta: Floats = training.fit.trajectory()[rows, 0]
    model = model_moments(training.model, theta, chains=32, sweeps=200, periodic=training.file.data.periodic)
    return {name: nrmse(model[name].mean(axis=0), data[name].mean(axis=0)) for name in data}


REFERENCE_TIMES = np.arange(0, 376, 25)
REFERENCE = {
    "a0_P": """-2.630 -2.643 -2.539 -2.347 -2.253 -2.271 -2.348 -2.499
               -2.815 -3.034 -3.106 -2.958 -2.760 -2.631 -2.630 -2.671""",
    "a0_H": """-2.630 -2.766 -2.957 -3.087 -3.070 -2.814 -2.387 -2.213
               -2.432 -2.587 -2.695 -2.737 -2.752 -2.712 -2.669 -2.630""",
    "W01_PP": "0.000 -0.020 0.108 0.394 0.616 0.674 0.802 1.112 1.263 1.402 1.502 1.511 1.436 1.373 1.298 1.409",
    "W01_HH": """0.000 -0.170 -0.396 -0.560 -0.572 -0.398 0.014 0.657
                 0.487 0.237 -0.049 -0.164 -0.223 -0.046 0.220 0.491""",
    "a1_P": """0.000 -0.006 -0.025 -0.014 0.027 0.051 -0.017 -0.227
               -0.468 -0.582 -0.619 -0.623 -0.622 -0.594 -0.543 -0.504""",
    "a1_H": "0.000 0.013 0.064 0.100 0.072 -0.010 -0.034 0.131 0.220 0.285 0.320 0.329 0.327 0.293 0.250 0.220",
    "W12_PP": """0.000 -0.011 -0.043 -0.027 0.024 0.016 -0.074 -0.311
                 -0.513 -0.593 -0.611 -0.608 -0.605 -0.601 -0.597 -0.612""",
    "W12_HH": "0.000 0.020 0.101 0.181 0.108 -0.001 -0.035 0.219 0.382 0.611 0.757 0.769 0.726 0.598 0.491 0.506",
}
"""One training by the authors' program: a single stochastic run, of which signs and sizes count."""

WEAK = "W12_HH"
"""Noise chooses its sign while there are few hunters: opposite to the reference with seed 1, equal with seed 2."""


def lotka_volterra(folder: Path) -> Path:
    runs = paper.ensemble(
        paper.lotka_volterra(),
        (40, 40),
        steps=500,
        runs=400,
        seed=1,
        initial={"H": 100, "P": 100},
        row_first=True,
        snapshots=True,
    )
    return write(runs, folder / "ensemble.h5")


def by_start(checked: dict[str, float]) -> dict[str, float]:
    """Number of sweeps → largest difference that the start of the chains makes to the error."""
    groups: dict[str, list[float]] = {}
    for how, error in checked.items():
        groups.setdefault(how.split(",")[0], []).append(error)
    return {sweeps: max(errors) - min(errors) for sweeps, errors in groups.items()}


def test_lotka_volterra_by_both_recipes(tmp_path: Path) -> None:
    """The paper's recipe has the known signs. The better one has at most half of its error and less than closures by
    hand, wherever chains begin and however long they run; its closure terms add up to what prey do."""
    file = lotka_volterra(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = trained("lotka_volterra", [file], tmp_path / "a", "report.checked=[10,50,200]", "report.chains=24")
    by_paper = ReducedModel.read(first.folder / "model.h5")
    trained("lotka_volterra_followed", [file], tmp_path / "b")
    followed = ReducedModel.read(tmp_path / "b" / "out" / "model.h5")
    closures = learned_closure(followed, ["P", "PP nn"])
    correlations = {name: closure.correlation for name, closure in closures.items()}
    print("paper", by_paper.held_out, by_paper.checked)
    print("followed", followed.held_out, followed.checked)
    print("by hand", followed.peers, "closure", correlations)
    assert len(followed.checked) == 12 and len(followed.peers) == 2
    worst = max(mean_error(followed.held_out), *followed.checked.values())
    assert worst <= 0.5 * min(mean_error(by_paper.held_out), *by_paper.checked.values())
    assert worst < min(followed.peers.values())
    promised = 2 * float(followed.content["follow"]["agree"])  # of the standard deviation over starts
    assert max(by_start(followed.checked).values()) <= promised < max(by_start(by_paper.checked).values())
    assert correlations["P"] >= 0.95
    theta = dict(zip(by_paper.law.parameters, by_paper.trajectory()[:, 0].T, strict=True))
    agreement = {}
    for name, text in REFERENCE.items():
        known = np.array(text.split(), dtype=float)
        found = theta[name][REFERENCE_TIMES]
        large = np.abs(known) > 0.2
        agreement[name] = float(np.mean(np.sign(found[large]) == np.sign(known[large])))
        size = np.sqrt(np.mean(found**2) / np.mean(known**2))
        print(f"{name}: signs {agreement[name]:.2f}, size {size:.2f} of the reference run")
        assert name == WEAK or (agreement[name] >= 0.75 and 0.5 < size < 2.0)
    # prey cluster through the first hidden layer; hunters first repel, then attract
    assert -1.0 < theta["W01_HH"][100] < -0.3 < 0.3 < theta["W01_HH"][200] < 1.0
    assert 0.3 < theta["W01_PP"][100] < 1.0 < theta["W01_PP"][200] + 0.3


def own_data(name: str, folder: Path, *overrides: str) -> DistributionTraining:
    """An example with the runs that it samples itself; of one folder, they are sampled once."""
    training = DistributionTraining.new(FOLDER / f"{name}.toml", folder, overrides, force=True)
    training.run()
    return training


def worst(training: DistributionTraining, until: int = 100) -> dict[str, float]:
    """Name → largest |free-running model - mean of held-out runs| over their run-to-run deviation, of all starts.

    The sampling error of the model is taken off, z of all comparisons at 1 in 100: more chains would do the same.
    """
    machine, held, periodic = training.model, training.held_out, training.file.data.periodic
    assert isinstance(machine, DeepBoltzmann) and held is not None
    rows = np.concatenate([np.arange(10), np.arange(10, until + 1, 5)])
    path, out = training.fit.trajectory()[rows], dict[str, float]()
    for c in range(path.shape[1]):
        data = data_moments(held.select(np.flatnonzero(held.conditions == c)).thinned(rows), periodic)
        model = model_moments(machine, path[:, c], chains=200, sweeps=30, periodic=periodic)
        z = norm.isf(0.01 / 2 / (len(data) * len(rows) * path.shape[1]))
        for name, values in data.items():
            band, sample = Estimate.of(values), Estimate.of(model[name])
            beyond = np.maximum(np.abs(sample.mean - band.mean) - z * sample.error, 0.0)
            most = float(np.max(beyond[beyond > 0] / band.deviation[beyond > 0], initial=0.0))
            out[name] = max(out.get(name, 0.0), most)
    return out


def test_annihilation_stays_inside_the_spread_of_runs(tmp_path: Path) -> None:
    """The authors' settings, printed; the whole adjoint with Adam: inside from every start, for numbers and pairs."""
    by_authors = own_data("annihilation", tmp_path / "out")
    print("annihilation, authors' settings, worst in run-to-run sd:", worst(by_authors))
    print("NRMSE", errors(by_authors, 100))
    better = own_data("annihilation_full", tmp_path / "out")
    found = worst(better)
    print("annihilation, whole adjoint, worst in run-to-run sd:", found)
    assert max(found.values()) < 1.0
    by_hidden = errors(better, 100)["AA nn"]
    print(f"NRMSE of neighbour pairs with hidden units: {by_hidden:.4f}")
    control = worst_of_nothing(better)
    print("annihilation, without a law:", control)
    assert control["A"] > 1.0
    visible_error(tmp_path / "out")  # lower here: units that share hidden ones attract, and annihilation repels


def worst_of_nothing(training: DistributionTraining) -> dict[str, float]:
    """The same with F = 0, which must not pass."""
    for table in training.fit.law.tables:
        table.values[:] = 0.0
    return worst(training)


def visible_error(folder: Path) -> float:
    """NRMSE of neighbour pairs of the fully visible model, trained with the authors' settings on the same runs."""
    options = ('model={family="triplets"}', 'law.domain=["h","J","K"]', "law.side=0.5", "fit.rate=0.05")
    visible = own_data("annihilation", folder, *options, "report.closure=[]", "report.likelihood=[]")
    assert visible.held_out is not None and not isinstance(visible.model, DeepBoltzmann)
    theta = visible.fit.trajectory()[:101:5, 0]
    model = np.array([visible.model.moments(t)[1] for t in theta])
    data = data_moments(visible.held_out.select(np.flatnonzero(visible.held_out.conditions == 0)), False)
    found = nrmse(model, Estimate.of(data["AA nn"][:, :101:5] / 999).mean)
    print(f"NRMSE of neighbour pairs with couplings alone: {found:.4f}")
    return found


def test_rossler_stays_inside_the_spread_of_runs(tmp_path: Path) -> None:
    """Numbers of the three species over the first 100 steps; pairs are printed."""
    by_authors = worst(own_data("rossler", tmp_path / "out"))
    print("rossler, authors' settings, worst in run-to-run sd:", by_authors)
    better = own_data("rossler_adam", tmp_path / "out")
    found = worst(better)
    print("rossler, better recipe, worst in run-to-run sd:", found)
    assert max(found[name] for name in "ABC") < 1.0
    control = worst_of_nothing(better)
    assert max(control[name] for name in "ABC") > 1.0


def test_rates_of_the_ising_example(tmp_path: Path) -> None:
    """`couple train ising.toml`: rates per pair and per particle within their errors, z of two at 1 in 1000."""
    own_data("ising", tmp_path / "out")
    rates = ReducedModel.read(tmp_path / "out" / "model.h5").rates
    print("ising", rates)
    z = norm.isf(1e-3 / 4)
    for name, true, swept in (("2 A -> 0", 0.01, 0.005), ("A -> 0", 0.002, 0.0)):
        rate, error = rates[name]
        assert abs(rate - true) < z * error + swept * true  # of an encounter's p, half may be lost within a sweep
        assert abs(rate - 1.5 * true) > z * error + swept * true


def test_rates_of_an_enzyme_where_diffusion_is_fast(tmp_path: Path) -> None:
    """E + S <-> X -> E + P, thin and slow. X -> … is counted per empty neighbour in the model and per X on the lattice:
    the factor between them is counted in the runs."""
    species, chance, back, forth = [Species(n) for n in "EPSX"], 0.005, 0.001, 0.002
    network = ReactionNetwork(
        species,
        [
            Reaction(("E", "S"), ("X",), chance, per="encounter"),
            Reaction(("X",), ("E", "S"), back, per="step"),
            Reaction(("X",), ("E", "P"), forth, per="step"),
        ],
    )
    files, room = [], np.zeros(2)
    for k, initial in enumerate(({"E": 200, "S": 200, "X": 20, "P": 20}, {"E": 100, "S": 50, "X": 150, "P": 20})):
        runs = paper.ensemble(network, (1000,), 100, 30, 1 + 1000 * k, initial=initial, every=20, snapshots=True)
        files.append(write(runs, tmp_path / f"{k}.h5"))
        m = data_moments(Trajectories.load(files[-1]), True)
        taken = m["EX nn"] + m["PX nn"] + m["SX nn"] + 2 * m["XX nn"]
        room += m["X"].mean(), (2 * m["X"] - taken).mean()
    own = ("data.every=1", "fit.substeps=20", "train.held_out=0", "fit.steps=1")
    training = trained("enzyme", files, tmp_path, *own)
    rates = ReducedModel.read(training.folder / "model.h5").rates
    print("enzyme", rates, "factor", 2 * room[0] / room[1])
    z = norm.isf(1e-3 / 6)
    per_room = 2 * room[0] / room[1]
    expected = (("E + S -> X", chance), ("X -> E + S", back * per_room), ("X -> E + P", forth * per_room))
    for name, true in expected:
        rate, error = rates[name]
        assert abs(rate - true) < z * error + chance * true
    assert any(abs(rates[name][0] - 1.2 * true) > z * rates[name][1] + chance * true for name, true in expected)


def test_annihilation_hidden_units_beat_couplings(tmp_path: Path) -> None:
    """From fixed numbers of particles, as many steps and as small a step for both models; not so from drawn rows."""
    files = []
    for n in (200, 350, 500, 650, 800):
        runs = paper.ensemble(
            paper.annihilation(),
            (1000,),
            steps=200,
            runs=70,
            seed=1000 * n,
            initial={"A": n},
            periodic=False,
            snapshots=True,
        )
        files.append(write(runs, tmp_path / f"{n}.h5"))
    small = ("model.static=0", "model.start={}", "fit.steps=400", "report.likelihood=[]")
    hidden = trained("annihilation", files, tmp_path, *small, "fit.rate=5e-5")
    by_hidden = errors(hidden, 100)["AA nn"]
    options = (
        'model={family="triplets"}',
        'law.domain=["h","J","K"]',
        "law.side=0.5",
        "fit.steps=400",
        "fit.rate=0.05",
    )
    visible = trained("annihilation", files, tmp_path, *options)
    assert visible.held_out is not None and not isinstance(visible.model, DeepBoltzmann)
    theta = visible.fit.trajectory()[:101, 0]
    model = np.array([visible.model.moments(t)[1] for t in theta])
    data = data_moments(visible.held_out.select(np.flatnonzero(visible.held_out.conditions == 0)), False)
    by_visible = nrmse(model, Estimate.of(data["AA nn"][:, :101] / 999).mean)
    print(f"NRMSE of neighbour pairs: {by_hidden:.4f} with hidden units, {by_visible:.4f} with couplings")
    assert by_hidden < by_visible
