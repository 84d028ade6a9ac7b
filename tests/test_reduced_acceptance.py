"""Long campaigns: the systems of the papers, learned from lattice runs made here. `uv run pytest -m acceptance`."""

from pathlib import Path

import numpy as np
import pytest

from reducers.boltzmann.dbm import DeepBoltzmann
from reducers.evaluate import model_moments
from reducers.moments import Estimate, data_moments, nrmse
from reducers.training import Training
from reducers.trajectories import Floats, Trajectories

pytestmark = pytest.mark.acceptance
paper = pytest.importorskip("adapters.lattice.paper", reason="needs the paper's lattice")
EXAMPLES = Path(__file__).parent.parent / "examples" / "reduce"


def write(ensemble: object, path: Path) -> Path:
    """An ensemble of `adapters.lattice.paper` as a file."""
    states = ensemble.snapshots  # type: ignore[attr-defined]
    flat = states.reshape(*states.shape[:2], -1)
    time, species = ensemble.steps, ensemble.species  # type: ignore[attr-defined]
    Trajectories.of_snapshots(time.astype(float), species, flat, states.shape[2:]).write(path)
    return path


def trained(name: str, files: list[Path], folder: Path, *overrides: str) -> Training:
    listed = ", ".join(f'"{f}"' for f in files)
    text = (EXAMPLES / f"{name}.toml").read_text()
    kept, skipping = [], False
    for line in text.splitlines():
        skipping = skipping or line.startswith("conditions = [")
        if not skipping and not line.startswith(("experiment = ", "runs = ")):
            kept.append(line)
        if line == "[data]":
            kept.append(f"files = [{listed}]")
        skipping = skipping and line != "]"
    (folder / "train.toml").write_text("\n".join(kept))
    training = Training.new(folder / "train.toml", folder / "out", overrides, force=True)
    training.run()
    return training


def errors(training: Training, until: int | None = None) -> dict[str, float]:
    """NRMSE of each moment of the free-running model on the held-out runs."""
    assert isinstance(training.model, DeepBoltzmann) and training.held_out is not None
    rows = np.arange(0, (until or len(training.data.time) - 1) + 1, 5)
    first = np.flatnonzero(training.held_out.conditions == 0)
    data = data_moments(training.held_out.select(first).thinned(rows), training.file.data.periodic)
    theta: Floats = training.fit.trajectory()[rows, 0]
    model = model_moments(training.model, theta, chains=32, sweeps=200, periodic=training.file.data.periodic)
    return {name: nrmse(model[name].mean(axis=0), data[name].mean(axis=0)) for name in data}


def test_lotka_volterra_by_both_recipes(tmp_path: Path) -> None:
    """Better recipe: at most half of the NRMSE of the paper's recipe; and the paper's recipe has the known signs."""
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
    file = write(runs, tmp_path / "ensemble.h5")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = trained("lotka_volterra", [file], tmp_path / "a")
    second = trained("lotka_volterra_followed", [file], tmp_path / "b")
    by_paper, followed = errors(first), errors(second)
    print("NRMSE paper", by_paper, "followed", followed)
    assert np.mean(list(followed.values())) <= 0.5 * np.mean(list(by_paper.values()))
    theta = dict(zip(first.model.parameters, first.fit.trajectory()[:, 0].T, strict=True))
    # the reference run at t = 100 … 200: prey cluster through the first hidden layer; hunters first repel, then attract
    assert 0.3 < theta["W01_PP"][100] < 1.0 < theta["W01_PP"][200] + 0.3
    assert -1.0 < theta["W01_HH"][100] < -0.3 and 0.3 < theta["W01_HH"][200] < 1.0
    assert theta["a0_H"][100] < -2.8 and theta["a0_P"][100] > -2.5
    assert theta["W12_PP"][200] < -0.2 and theta["a1_P"][200] < -0.2


def test_annihilation_hidden_units_beat_couplings(tmp_path: Path) -> None:
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
    hidden = trained("annihilation", files, tmp_path)
    by_hidden = errors(hidden, 100)["AA nn"]
    options = ("model.family=triplets", 'law.domain=["h","J","K"]', "law.side=0.5", "fit.rate=0.05")
    visible = trained("annihilation", files, tmp_path, *options)
    assert visible.held_out is not None and not isinstance(visible.model, DeepBoltzmann)
    theta = visible.fit.trajectory()[:101, 0]
    model = np.array([visible.model.moments(t)[1] for t in theta])
    data = data_moments(visible.held_out.select(np.flatnonzero(visible.held_out.conditions == 0)), False)
    by_visible = nrmse(model, Estimate.of(data["AA nn"][:, :101] / 999).mean)
    print(f"NRMSE of neighbour pairs: {by_hidden:.4f} with hidden units, {by_visible:.4f} with couplings")
    assert by_hidden < by_visible
