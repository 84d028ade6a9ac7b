"""A fault of one rank ends all, soon, with its message; the last checkpoint goes on."""

import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import pytest

from support.mpi_runs import assert_same, command, needs_mpiexec, ranks

pytestmark = needs_mpiexec


FAULT = """
import errno, os, sys
from couple.files import write_hdf5
from couple.storage import atomic_file
from couple.cli.main import main
from couple.base.errors import RunError
from couple.simulation.orchestrator import Orchestrator

kind, step = sys.argv[1], Orchestrator.step

def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")

def faulty(self):
    if self.window == 60 and os.environ["PMI_RANK"] == "1":
        print("FAULT", flush=True)
        if kind == "raise":
            raise RunError("nothing goes any more")
        if kind == "bug":
            raise ZeroDivisionError("a bug")
        if kind == "kill":
            os.kill(os.getpid(), 9)
        atomic_file.flush_and_rename = write_hdf5.flush_and_rename = full
    step(self)

Orchestrator.step = faulty
main(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raise", "error: rank 1: t = 6 ms: nothing goes any more"),
        pytest.param("bug", "error: rank 1: a bug", marks=pytest.mark.acceptance),
        ("kill", "KILLED BY SIGNAL: 9|EXIT CODE: 9"),
        pytest.param(
            "disk", "error: rank 1: .*: cannot be written: No space left on device", marks=pytest.mark.acceptance
        ),
    ],
)
def test_a_fault_of_one_rank_ends_all(folder: Path, alone: Path, kind: str, says: str) -> None:
    """Not zero, soon, with the message of that rank; the last checkpoint goes on to the same end."""
    (folder / "fault.py").write_text(FAULT)
    out = folder / kind
    line = command(2, kind, "run", "network.toml", "--out", out, "--quiet", "--no-figure", program=("fault.py",))
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert running.stdout is not None and "FAULT" in running.stdout.readline()
    begun = time.monotonic()
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode != 0 and time.monotonic() - begun < 30
    assert re.search(says, stdout + stderr), stdout + stderr
    assert not (out / "summary.json").exists()
    ranks(2, "resume", out, folder=folder)
    assert_same(alone, out)


def test_sigterm_and_walltime_leave_a_checkpoint(folder: Path, alone: Path) -> None:
    """As schedulers send it; all ranks stop after the same window."""
    long = ("--set", "experiment.duration=10 s", "--set", "record.every=1 ms")
    out = folder / "term"
    line = command(2, "run", "network.toml", *long, "--out", out)
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    while not (out / "checkpoint.h5").exists() and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    _, stderr = running.communicate(timeout=60)
    assert running.returncode != 0 and time.monotonic() - begun < 30
    assert stderr.count("stopped by SIGTERM") == 1 and "couple resume" in stderr
    with h5py.File(out / "results.h5") as file:
        assert file.attrs["status"] == "interrupted"
    before = (out / "checkpoint.h5").read_bytes()
    done = ranks(2, "resume", out, "--walltime", "1 ms", folder=folder, code=130)
    assert done.stderr.count("stopped by --walltime") == 1 and (out / "checkpoint.h5").read_bytes() != before
