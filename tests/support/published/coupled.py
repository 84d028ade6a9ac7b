"""Models under couple with sites that listen: python -m support.published.coupled FOLDER < rounds of jobs as JSON.

A job is [NAME, [ARGUMENTS, ...]]: commands of couple that are run in FOLDER/NAME, in one process, a fork of one that
has run another model before; what they say on stderr goes to log.txt. A round begins when the one before it has ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from couple.cli.main import main as couple

EXPERIMENT = """
[experiment]
name = "listening"
duration = "20 ms"
exchange = "0.1 ms"
seed = 0
[neuron]
model = "cell.hoc"
mechanisms = "{mod}"
dt = "0.025 ms"
{neuron}
[chemistry]
species.Ca = {{ contains = {{ Ca = 1 }} }}
initial.Ca = "0.1 uM"
[[site]]
name = "one"
segment = "soma(0.5)"
engine = "ode"
geometry.cylinder = {{ diameter = "0.4 um", length = "1000 um" }}
[[site]]
name = "two"
segment = "soma(0.5)"
engine = "ode"
geometry.cylinder = {{ diameter = "0.4 um", length = "100 um" }}
[[link]]
from = "neuron.ica"
to = "*.Ca"
{checkpoint}
[record]
every = "0.1 ms"
voltages = ["soma(0.5)"]
"""


def run(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    """Commands in this process, until one fails."""
    os.chdir(folder)
    with Path("log.txt").open("a") as log:
        os.dup2(log.fileno(), 2)
        for command in commands:
            try:
                couple(list(command))
            except SystemExit as end:
                print(f"exit {end.code}: {' '.join(command)}", file=log, flush=True)
                if end.code:
                    return


def main() -> None:
    """All rounds."""
    place, rounds = Path(sys.argv[1]), json.load(sys.stdin)
    run_first(place)
    for jobs in rounds:
        run_round(place, jobs)


def run_round(place: Path, jobs: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> None:
    """Jobs, two at a time."""
    waiting = 0
    for name, commands in jobs:
        if waiting == 2:
            os.wait()
            waiting -= 1
        if not os.fork():
            code = 1
            try:
                run(place / name, commands)
                code = 0
            finally:
                os._exit(code)
        waiting += 1
    while waiting:
        os.wait()
        waiting -= 1


def run_first(place: Path) -> None:
    """Another model: no later one may depend on it."""
    here = Path.cwd()
    run(place / "first", [["run", "run.toml", "--out", "out", "--quiet", "--no-figure"]])
    os.chdir(here)


if __name__ == "__main__":
    main()
