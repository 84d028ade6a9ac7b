"""Branches of a closed loop: streams of NEURON go on from a saved moment with those of another seed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.ensemble import branch, run_seed
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.ensembles import noisy


def saved(folder: Path, experiment: Experiment) -> Path:
    simulation = Simulation.new(experiment, folder)
    for _ in range(50):
        simulation.step()
    simulation.write_checkpoint()
    simulation.finish("partial")
    return folder


def test_a_branch_is_the_resumed_run_with_another_seed(tmp_path: Path) -> None:
    """Made after others in a process of its own, or alone in this one, after the run itself."""
    folder = saved(tmp_path / "run", noisy(tmp_path))
    shutil.copytree(folder, tmp_path / "copy")
    with branch(folder, 4, 5, tmp_path / "out", jobs=1) as ensemble:
        alone = Simulation.resumed(tmp_path / "copy")
        alone.reseed(run_seed(5, 3))
        alone.run()
        with Results(tmp_path / "copy") as results:
            for name in ("neuron.head(0.5)", "head.Ca"):
                assert ensemble[name][3].tobytes() == results[name][51:].tobytes(), name
            assert ensemble.time.tobytes() == results.time[51:].tobytes()
        v = ensemble["neuron.head(0.5)"]
        assert len({row.tobytes() for row in v}) == 4, "the inputs differ"
        assert np.ptp(v[:, 0]) < np.ptp(v[:, -1])
        assert ensemble.imbalance.max() == 0
    with pytest.raises(InputError, match=r"neuron\.celsius: cannot change in a branch: values of the model"):
        branch(folder, 2, 5, tmp_path / "warm", changes=["neuron.celsius=30"], jobs=1)
