"""What can be said of ranks without starting any: who is launched, who has which cell, what a doctor makes of a job."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.doctor.ranks import Seen, judge, libraries
from couple.experiment import Experiment
from couple.files.write_hdf5 import replacing
from couple.parallel.communicator import SingleProcess, is_first_launched, launched_ranks
from couple.parallel.stop_agreement import MOST, StopAgreement
from couple.simulation.load_report import RankLoad, lines
from couple.simulation.results.rank_results import merge, rank_file
from couple.storage.records.results import FORMAT
from couple.wiring.cells.network_cells import owners
from support.paths import EXAMPLES

EXAMPLE = EXAMPLES / "network" / "network.toml"


SRUN = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "3",
    "SLURM_STEP_NUM_TASKS": "8",
}
OPEN = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_RANK": "1"}
LAUNCHES = {
    "nobody": ({}, 1, True),
    "a script of Slurm": ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, 1, True),
    "srun --mpi=pmix": ({**SRUN, "PMIX_RANK": "3", "PMIX_NAMESPACE": "slurm.7.0"}, 8, False),
    "srun --mpi=pmi2": ({**SRUN, "PMI_RANK": "3", "PMI_SIZE": "8", "PMI_FD": "9"}, 8, False),
    "srun, its first rank": ({**SRUN, "SLURM_PROCID": "0"}, 8, True),
    "mpiexec of MPICH in a step of one task": (
        {**SRUN, "SLURM_STEP_NUM_TASKS": "1", "PMI_RANK": "1", "PMI_SIZE": "4"},
        4,
        False,
    ),
    "mpiexec of Open MPI in a script of Slurm": ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0", **OPEN}, 2, False),
    "PALS": ({"PALS_RANKID": "0", "PALS_SIZE": "16"}, 16, True),
    "Flux": ({"FLUX_TASK_RANK": "2", "FLUX_JOB_SIZE": "4"}, 4, False),
    "switched off": ({**SRUN, "COUPLE_RANKS": "off"}, 1, True),
}


@pytest.mark.parametrize("by", LAUNCHES)
def test_launchers_are_known_by_their_environment(by: str) -> None:
    """As their manuals describe it; of these only MPICH and Open MPI have been run."""
    environment, size, first = LAUNCHES[by]
    assert launched_ranks(environment) == size and (size == 1 or is_first_launched(environment) == first)


@pytest.mark.parametrize("counts", [[80, 20], [1, 1, 1, 1], [5], [3, 2, 7], [1, 10]])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_rank_has_its_share_of_every_population(counts: list[int], size: int) -> None:
    whose = owners(counts, size)
    assert len(whose) == sum(counts)
    start = 0
    for n in counts:
        part = whose[start : start + n]
        held = np.bincount(part, minlength=size)
        assert held.max() - held.min() <= 1 and part == sorted(part)  # even, and in one piece
        start += n
    held = np.bincount(whose, minlength=size)
    assert held.max() - held.min() <= 1  # what does not divide goes round


def test_a_doctor_sees_two_libraries_strangers_and_crowds(tmp_path: Path) -> None:
    def status(*seen: Seen) -> dict[str, str]:
        return {finding.name: finding.status for finding in judge(seen)}

    good = [Seen("a", frozenset({0, 1}), ("/x/libmpi.so.12",), "") for _ in range(2)]
    assert set(status(*good).values()) == {"ok"}
    assert status(*good, good[0])["cores of ranks"] == "warn"
    bound = [Seen("a", frozenset({0}), (), "") for _ in range(2)]  # both on one core, though there are two
    assert status(*bound)["cores of ranks"] == "warn"
    assert status(*bound[:1], Seen("b", frozenset({0}), (), ""))["cores of ranks"] == "ok"
    both = Seen("a", frozenset({0}), ("/x/libmpi.so.12", "/y/libmpi.so.40"), "")
    assert status(both)["libmpi"] == "fail"
    assert status(Seen("a", frozenset({0}), (), "NEURON sees 1"))["NEURON ranks"] == "fail"
    for name in ("libmpi.so.12", "libmpi.so.40", "libmpifort.so.12"):
        (tmp_path / name).touch()
    maps = tmp_path / "maps"
    maps.write_text("".join(f"7f r-xp 0 00:00 1 {tmp_path / n}\n" for n in ("libmpi.so.12", "libmpi.so.40") * 2))
    assert libraries(maps) == (str(tmp_path / "libmpi.so.12"), str(tmp_path / "libmpi.so.40"))


class Two(SingleProcess):
    """Two ranks in one process, that meet in the order in which they are asked."""

    def __init__(self, rank: int, board: list[list[float]]) -> None:
        self.rank, self.size, self.board = rank, 2, board

    def maximum(self, values: Any) -> list[float]:
        self.board.append(list(values))
        return [max(column) for column in zip(*self.board[-2:], strict=True)]


def test_ranks_stop_after_the_same_window() -> None:
    """Rank 1 alone is told to stop; the meeting after that both know. Between meetings nothing is sent."""
    boards: list[list[float]] = []
    told: list[list[int]] = [[], []]
    paces = [StopAgreement(Two(rank, boards)) for rank in (0, 1)]
    for pace in paces:
        pace._every = pace._left = 5
    meetings = 0
    for window in range(1, 100):
        before = len(boards)
        # rank 1 comes to the board first, so that rank 0's answer has both
        answers = {
            rank: paces[rank].agree("SIGTERM" if rank == 1 and window > 2 else None, False, False) for rank in (1, 0)
        }
        meetings += len(boards) > before
        paces[1]._every, paces[1]._left = paces[0]._every, paces[0]._left
        for rank, (reason, _, _) in answers.items():
            if reason is not None:
                told[rank].append(window)
        if told[0]:
            break
    assert told[0] == [5] and meetings == 1 and paces[0]._every <= MOST


def test_the_master_has_the_order_of_one_process(tmp_path: Path) -> None:
    """Sites of two ranks interleaved, one component on one rank only, attributes along with their sites."""
    parts = ((["a", "c"], [[0, 0], [0, 2]], [1.0, 3.0]), (["b", "d"], [[0, 1], [0, 3]], [2.0, 4.0]))
    for rank, (names, order, sizes) in enumerate(parts):
        with replacing(rank_file(tmp_path, rank), FORMAT) as file:
            file.create_dataset("time", data=[0.0, 1.0]).attrs.update({"unit": "ms", "dims": ["time"]})
            data = file.create_dataset("ssa/counts", data=np.array([[sizes, sizes]] * 2).transpose(0, 2, 1) + rank * 10)
            data.attrs.update({"dims": ["time", "site", "species"], "site": names, "order": str(order)})
            file["ssa"].attrs.update({"volume_um3": sizes, "reservoirs": ["out", "in"]})
            if rank == 1:
                lone = file.create_dataset("ode/counts", data=np.ones((2, 1, 1)))
                lone.attrs.update({"dims": ["time", "site", "species"], "site": ["e"], "order": "[[1, 0]]"})
            file.create_dataset("spikes/time", data=[1.0 + rank, 5.0])
            file.create_dataset("spikes/cell", data=[rank, 7 - rank])
    merge(tmp_path / "results.h5", 2, {"format": "x"}, {"timing": {"neuron": 1.0}})
    with h5py.File(tmp_path / "results.h5") as file:
        assert list(file["ssa/counts"].attrs["site"]) == ["a", "b", "c", "d"]
        assert file["ssa/counts"][1, :, 0].tolist() == [1, 12, 3, 14] and "order" not in file["ssa/counts"].attrs
        assert file["ssa"].attrs["volume_um3"].tolist() == [1, 2, 3, 4]
        assert list(file["ssa"].attrs["reservoirs"]) == ["out", "in"]
        assert file["ode/counts"].shape == (2, 1, 1)
        assert file["spikes/time"][()].tolist() == [1, 2, 5, 5] and file["spikes/cell"][()].tolist() == [0, 1, 6, 7]


def test_the_balance_names_the_slowest() -> None:
    loads = [RankLoad(2, 4, {"neuron": 1.0, "ssa": 1.0}), RankLoad(2, 4, {"neuron": 1.0, "ssa": 3.0})]
    found = [*lines(loads)]
    assert len(found) == 3 and "2 ranks (1) has 1.333 x the mean; in a [network] --balance OUT" in found[-1]
    assert [*lines(loads[:1])][-1].endswith("1.000 x the mean")
    assert len([*lines(loads * 100)]) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("network.connection.0.to=X", 'no population "X"'),
        ("network.connection.0.inputs=80", "80 of 79 cells"),
        ("network.connection.1.name=E_to_E", "give each a name of its own"),
        ("network.connection.0.delay=3 .. 1 ms", "is empty"),
        ("network.connection.0.delay=3 mV", "give a delay like"),
        ("network.stimulus.0.times=5 ms", 'times = "20 40 ms" or rate'),
        ("network.population.1.name=E", "two populations"),
        ("neuron.model=cell.py:excitatory", "every population has its own"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(change: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("(", r"\(")):
        Experiment.load(EXAMPLE, [change])
