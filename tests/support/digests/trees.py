"""Cases run with the `couple` of a tree."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from support.digests.case import Case
from support.digests.cases import cases, unknown
from support.digests.content import Digests, of_folder, of_text
from support.digests.words import EXAMPLES, MPIEXEC, ONE_CORE, PROGRAM, PYTHON

LIMIT = 300.0
"""Seconds after which a case is stopped."""


class Failed(Exception):
    """A command of a case did not end as it should; the message is the last line that it said."""


def words(command: Sequence[str], tree: Path) -> list[str]:
    """A command line with the programs of the tree."""
    programs = tree / ".venv" / "bin"
    made = [word.replace("{tree}", str(tree)) for word in command]
    return [str(programs / word) if word in (PROGRAM, PYTHON, MPIEXEC) else word for word in made]


def environment() -> dict[str, str]:
    """One thread for BLAS, and nothing of the environment that this script itself runs in."""
    found = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return {**found, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg", "COLUMNS": "100"}


RUNNING: set[int] = set()
"""Processes that were started and are not done; each leads a group."""


def stop(number: int, _frame: object) -> None:
    """End all that runs, and this script, at a signal."""
    for process in tuple(RUNNING):
        os.killpg(process, signal.SIGKILL)
    os._exit(128 + number)


def start(command: Sequence[str], tree: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a command, on one core if it would only start more processes on others."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    one = bool(cores and {*ONE_CORE} & {*command[:2]})
    if one:
        os.sched_setaffinity(0, {random.choice(sorted(cores))})  # of this thread
    try:
        return subprocess.Popen(
            words(command, tree), cwd=folder, env=environment(), stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    finally:
        if one:
            os.sched_setaffinity(0, cores)


def call(command: Sequence[str], tree: Path, folder: Path, end: float) -> str:
    """What a command prints. Raises Failed if it fails or is not done at `end`."""
    process = start(command, tree, folder)
    RUNNING.add(process.pid)
    try:
        said, errors = process.communicate(timeout=max(end - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Failed(f"took more than {LIMIT:.0f} s") from None
    finally:
        RUNNING.discard(process.pid)
    if process.returncode:
        lines = [line for line in errors.splitlines() if line.strip()] or [f"exit code {process.returncode}"]
        raise Failed(lines[-1].replace(str(folder), "").replace(str(tree), ""))
    return said


def run(case: Case, tree: Path) -> Digests:
    """The digests of a case, or its error."""
    with tempfile.TemporaryDirectory() as place:
        folder, end = Path(place).resolve(), time.monotonic() + LIMIT
        for name, content in case.files.items():
            if isinstance(content, np.ndarray):
                np.save(folder / name, content)
            else:
                (folder / name).write_text(content.replace("{tree}", str(tree)))
        try:
            said = [call(command, tree, folder, end) for command in case.commands]
            found = of_folder(folder, tuple(case.files))
            if case.spoken:
                found |= of_text(said[-1], "stdout")
        except (Failed, OSError) as error:
            return {"error": str(error)}
    return found or {"error": "no results"}


def check_tree(tree: Path) -> None:
    """Exit if the environment of the tree runs the modules of another one."""
    ask = "import importlib.util as u; print(u.find_spec('couple').origin)"
    with tempfile.TemporaryDirectory() as place:
        origin = call((PYTHON, "-c", ask), tree, Path(place), time.monotonic() + LIMIT).strip()
    if not Path(origin).resolve().is_relative_to(tree):
        sys.exit(f"{tree}/.venv does not run this tree but {origin}")


def digest(tree: Path, out: Path, only: Sequence[str], jobs: int) -> int:
    """Run the cases and write OUT after each; those that OUT has and that are not run stay. Returns how many failed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    check_tree(tree)
    chosen = [c for c in cases() if not only or any(fnmatch(c.name, p) or p in c.name for p in only)]
    found: dict[str, Digests] = json.loads(out.read_text()) if only and out.exists() else {}
    found |= {f"{EXAMPLES}/{name}": {"error": "no table of the script names it"} for name in unknown(tree)}
    begun = time.monotonic()

    def one(case: Case) -> tuple[Case, Digests, float]:
        start = time.monotonic()
        return case, run(case, tree), time.monotonic() - start

    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(one, case) for case in chosen]):
            case, digests, seconds = done.result()
            found[case.name] = digests
            out.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
            print(f"{seconds:6.1f} s  {case.name}: {digests.get('error', len(digests))}", flush=True)
    failed = [name for name, digests in found.items() if "error" in digests]
    seconds = time.monotonic() - begun
    print(f"{len(chosen)} cases in {seconds:.0f} s, {len(failed)} failed: {', '.join(failed) or 'none'}")
    return len(failed)
