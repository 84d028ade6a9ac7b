"""Many reduced spines in one process: `uv run python tests/bench/scale.py [SITES ...]`; a JSON line per figure.

Spine heads with SK and CaMKII (both learned blocks) on a cell of 10,000 segments (`models/branches.py`), in CPU
seconds, each number of them in a process of its own; the peak of memory with ten sites is subtracted from that of many.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from figures import report

ROOT = Path(__file__).parents[2]
EXAMPLES, MODEL = ROOT / "examples", Path(__file__).parent / "models" / "branches.py"
SK = """Ca + SK_C1 <-> SK_C2|200 /uM/s|80 /s
Ca + SK_C2 <-> SK_C3|160 /uM/s|80 /s
Ca + SK_C3 <-> SK_C4|80 /uM/s|200 /s
SK_C3 <-> SK_O1|160 /s|1000 /s
SK_C4 <-> SK_O2|1200 /s|100 /s"""
LARGE, WINDOWS = 100_000, 20
TARGETS = {"wire": 60.0, "check": 20.0, "window": 0.025, "checkpoint": 5.0}
"""Seconds, at 100,000 sites."""


def experiment_text(sites: int) -> str:
    """The experiment as TOML, its chemistry that of examples/camkii/spine.toml and SK."""
    text = (EXAMPLES / "camkii" / "spine.toml").read_text()
    chemistry = text[text.index("[chemistry]") : text.index("[[site]]")]
    species = "\n".join(
        f'species.SK_{state} = {{ on = "membrane", contains = {{ Ca = {n} }} }}'
        for state, n in (("C1", 0), ("C2", 1), ("C3", 2), ("C4", 3), ("O1", 2), ("O2", 3))
    ).replace(", contains = { Ca = 0 }", "")
    reactions = "".join(
        f'  {{ equation = "{equation}", forward = "{forward}", backward = "{backward}" }},\n'
        for equation, forward, backward in (line.split("|") for line in SK.splitlines())
    )
    chemistry = chemistry.replace("include.camkii", f"{species}\ninclude.camkii")
    chemistry = chemistry.replace("reactions = [\n", f"reactions = [\n{reactions}")
    chemistry += '\ninitial.SK_C1 = { count = 20, at = "steady" }\nobservables.SK_open = ["SK_O1", "SK_O2"]\n'
    return f"""
[experiment]
name = "scale"
duration = "2 ms"
exchange = "0.1 ms"
[neuron]
model = "{MODEL}:build"
dt = "0.025 ms"
celsius = 34.0
v_init = "-65 mV"
{chemistry}
[[site]]
name = "head"
place = {{ on = "dend_*", count = {sites} }}
engine = "surrogate"
geometry.cylinder = {{ diameter = "0.5 um", length = "0.5 um" }}
surrogate.models = {{ SK = "{EXAMPLES}/sk/sk.h5", CaMKII = "{EXAMPLES}/camkii/camkii.h5" }}
[[link]]
from = "neuron.ica"
to = "head_*.Ca"
[[link]]
from = "head_*.Ca"
to = "neuron.cai"
[[link]]
from = "head_*.SK_open"
to = "neuron.SK"
conductance = "10 pS"
[record]
every = "1 ms"
species = ["Ca"]
voltages = ["soma(0.5)"]
"""


class Stages:
    """CPU seconds of stages, of the fastest pass where there are several, and the process's peak of memory in MB."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """One of them."""
        begun = time.process_time()
        yield
        self.seconds[name] = min(time.process_time() - begun, self.seconds.get(name, math.inf))
        self.memory[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """What such a process has said."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)


def command(*words: object) -> tuple[float, int]:
    """CPU seconds of a command, and the lines that it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "couple", *map(str, words)], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, len(done.stdout.splitlines())


def stages_of(sites: int) -> dict[str, Any]:
    """Every stage of a run, in this process and in commands."""
    from couple.experiment import Experiment
    from couple.simulation.simulation import Simulation

    with TemporaryDirectory() as made:
        stages, file, out = Stages(), Path(made) / "scale.toml", Path(made) / "out"
        file.write_text(experiment_text(10))
        Simulation.in_memory(Experiment.load(file)).step()  # all modules and kernels are there
        with stages.stage("nothing"):
            pass
        file.write_text(experiment_text(sites))
        with stages.stage("parse"):
            experiment = Experiment.load(file)
        with stages.stage("wire"):
            run = Simulation.new(experiment, out)
        for _ in range(WINDOWS):
            with stages.stage("window"):
                run.step()
        loop = run.orchestrator.seconds
        with stages.stage("checkpoint"):
            run.write_checkpoint()
        with stages.stage("record"):
            run.finish("partial")
        memory = stages.memory["record"] - stages.memory["nothing"]
        size = {path.name: path.stat().st_size / 2**20 for path in out.iterdir() if path.is_file()}
        del run
        with stages.stage("resume"):
            Simulation.resumed(out)
        seconds = {**stages.seconds}
        seconds["check"], lines = command("check", file)
        seconds["show"], shown = command("show", out)
    return {"seconds": seconds, "MB": memory, "files": size, "loop": loop, "lines": [lines, shown]}


def main(sizes: list[int]) -> None:
    """Print each figure, and cost per site of the largest in units of that of the next."""
    found = {}
    for sites in sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(sites)], capture_output=True, text=True, check=True
        )
        found[sites] = json.loads(done.stdout.splitlines()[-1])
        targets = TARGETS if sites == LARGE else {}
        for stage, seconds in found[sites]["seconds"].items():
            if stage != "nothing":
                report(f"{stage}, {sites} sites", seconds, "s of CPU", targets.get(stage))
        report(f"memory of {sites} sites, above that of the model", found[sites]["MB"], "MB", 1500 if targets else None)
        for name, size in found[sites]["files"].items():
            report(f"{name}, {sites} sites", size, "MB")
        for name, seconds in found[sites]["loop"].items():
            report(f"{name}, {sites} sites", 1e3 * seconds / WINDOWS, "ms/window")
        report(f"lines of couple check, {sites} sites", found[sites]["lines"][0], "1", 100 if targets else None)
    for few, many in itertools.pairwise(sizes):
        for stage in ("wire", "window", "checkpoint", "record", "resume", "check"):
            each = found[many]["seconds"][stage] / found[few]["seconds"][stage] * few / many
            report(f"{stage}, a site of {many} in units of one of {few}", each, "1", 1.15)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(stages_of(int(sys.argv[2]))))
    else:
        main([int(n) for n in sys.argv[1:]] or [10_000, LARGE])
