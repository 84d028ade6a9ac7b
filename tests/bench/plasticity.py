"""Time of the headline example: `uv run --group bench python tests/bench/plasticity.py`; a JSON line per figure.

2 s of `examples/plasticity` with its learned models in every spine, in a process of its own, kernels compiled before.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import report

EXAMPLE = Path(__file__).parents[2] / "examples" / "plasticity" / "plasticity.toml"
WALL = 60.0
"""Seconds for 2 s on 2 cores, at the most."""


def run(duration: str, folder: Path) -> None:
    command = [sys.executable, "-m", "couple", "run", str(EXAMPLE), "--quiet", "--no-figure", "-o", str(folder)]
    subprocess.run([*command, "--until", duration], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        run("20 ms", Path(place) / "first")
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run("2 s", Path(place) / "whole")
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        report("plasticity, 2 s: wall clock", seconds, "s", WALL)
        report("plasticity, 2 s: CPU", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "s")


if __name__ == "__main__":
    main()
