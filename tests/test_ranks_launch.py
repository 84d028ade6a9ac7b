"""Who has started the ranks, and what is said where that cannot work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ranked import command, needs_mpiexec, write_network

pytestmark = needs_mpiexec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("ranks"))


def test_without_mpiexec_mpi4py_is_not_imported(folder: Path) -> None:
    code = (
        "import sys; from couple import Experiment, Simulation;"
        "Simulation.in_memory(Experiment.load('network.toml')).step(); print('mpi4py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert done.stdout.strip().endswith("False")


def test_a_wrong_mpiexec_is_refused(folder: Path) -> None:
    """Ranks of another MPI, as its environment shows them, that mpi4py knows nothing of."""
    environment = {**os.environ, "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
    done = subprocess.run(
        command(1, "run", "network.toml", "--out", "wrong"),
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 1 and "each believes to be alone" in done.stderr and "Traceback" not in done.stderr


def test_the_doctor_looks_at_the_ranks(folder: Path) -> None:
    done = subprocess.run(command(3, "doctor"), capture_output=True, text=True, cwd=folder, check=False)
    assert done.stdout.count("3 on 1 machine(s)") == 1 and "NEURON ranks" in done.stdout
    crowded = len(os.sched_getaffinity(0)) < 3
    assert ("3 ranks on" in done.stdout) == crowded
