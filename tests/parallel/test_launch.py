"""Who has started the ranks, and what is said where that cannot work."""

import os
import subprocess
import sys
from pathlib import Path

from support.mpi_runs import command, needs_mpiexec

pytestmark = needs_mpiexec


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
    assert done.returncode == 1 and "started by the mpiexec of Open MPI" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_doctor_looks_at_the_ranks(folder: Path) -> None:
    done = subprocess.run(command(3, "doctor"), capture_output=True, text=True, cwd=folder, check=False)
    assert done.stdout.count("3 on 1 machine(s)") == 1 and "NEURON ranks" in done.stdout
    crowded = len(os.sched_getaffinity(0)) < 3
    assert ("3 ranks on" in done.stdout) == crowded


def test_advice_for_srun_is_given_to_srun(folder: Path) -> None:
    """Started by srun without a PMI that the library of mpi4py knows: each rank is alone, and one of them says so."""
    environment = {**os.environ, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "8"}
    line = command(1, "run", "network.toml", "--out", "wrong")
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 1 and "srun --mpi=pmix or --mpi=pmi2" in done.stderr and done.stderr.count("\n") == 1
    environment["SLURM_PROCID"] = "1"
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 1 and done.stderr == ""
