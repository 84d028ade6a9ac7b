"""Every command that writes, on an experiment of milliseconds: what it is called with, and where it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.command_line import couple
from support.small_dbd_training import TRAINING, place_files

BOX = """
[experiment]
name = "box"
duration = "3 ms"
exchange = "0.1 ms"

[chemistry]
species.A = {}
observables.a = ["A"]
reactions = [{ equation = "0 -> A", forward = "1e-3 mM/ms" }, { equation = "A -> 0", forward = "0.1 /ms" }]

[[site]]
name = "box"
engine = "ssa"
geometry.sphere = { diameter = "1 um" }

[record]
species = "all"

[checkpoint]
every = "1 ms"
"""


@dataclass(frozen=True)
class WritingCommand:
    """arguments: from the folder of inputs and the output. begun: what is in the output before it is called.

    writes: names in the output that it writes. folders: those that it makes. again: arguments that go on after a
    failure, if they are others. sweeps: whether what killed processes have left there goes.
    """

    arguments: Callable[[Path, Path], tuple[object, ...]]
    writes: tuple[str, ...]
    folders: tuple[str, ...] = ()
    begun: str = ""
    again: Callable[[Path, Path], tuple[object, ...]] | None = None
    sweeps: bool = True

    def call(self, inputs: Path, out: Path) -> int | str | None:
        """The exit code; the output is as it has to be before."""
        return couple(*map(str, self.arguments(inputs, out)))

    def prepare(self, inputs: Path, out: Path) -> None:
        """Put into the output what the command needs in it."""
        if self.begun:
            shutil.copytree(inputs / self.begun, out)


COMMANDS = {
    "run": WritingCommand(
        lambda inputs, out: ("run", inputs / "box.toml", "--quiet", "--out", out),
        ("checkpoint.h5", "results.h5", "summary.json", "figure.png"),
        ("segments",),
        again=lambda inputs, out: ("run", inputs / "box.toml", "--quiet", "--force", "--out", out),
    ),
    "resume": WritingCommand(
        lambda inputs, out: ("resume", out, "--quiet"),
        ("results.h5", "summary.json", "figure.png"),
        begun="half",
    ),
    "sample": WritingCommand(
        lambda inputs, out: ("sample", inputs / "box.toml", "--runs", 3, "--jobs", 1, "--quiet", "--out", out),
        ("sampling.json", "ensemble.h5"),
        ("parts",),
    ),
    "branch": WritingCommand(
        lambda inputs, out: ("branch", inputs / "half", "--runs", 2, "--jobs", 1, "--quiet", "--out", out),
        ("sampling.json", "ensemble.h5"),
        ("parts",),
    ),
    "compare": WritingCommand(
        lambda inputs, out: (
            "compare",
            inputs / "box.toml",
            "site.box.engine=langevin",
            "-n",
            2,
            "-j",
            1,
            "--out",
            out,
        ),
        ("compare.png",),
        ("A", "B"),
    ),
    "regimes": WritingCommand(
        lambda inputs, out: (
            *("regimes", inputs / "box.toml", "--engines", "ssa ode", "--runs", 3, "--seconds", 1),
            *("--out", out / "map.png"),
        ),
        ("map.png",),
        begun="empty",
        sweeps=False,
    ),
    "plot": WritingCommand(lambda inputs, out: ("plot", out), ("figure.png",), begun="drawn", sweeps=False),
    "train": WritingCommand(
        lambda inputs, out: ("train", inputs / "train.toml", "--quiet", "--out", out),
        ("checkpoint.h5", "model.h5", "summary.json", "model.png"),
        again=lambda inputs, out: ("train", inputs / "train.toml", "--force", "--quiet", "--out", out),
    ),
    "model": WritingCommand(lambda inputs, out: ("model", out), ("model.png",), begun="trained", sweeps=False),
}


def place_inputs(folder: Path) -> Path:
    """The experiment, a training, a run that was stopped half-way, one that is complete, a trained model."""
    (folder / "box.toml").write_text(BOX)
    (folder / "empty").mkdir()
    place_files(folder)
    quick = TRAINING.replace('closure = ["P"]\n', "").replace("steps = 12", "steps = 4").replace("= 5", "= 3")
    (folder / "train.toml").write_text(quick)
    run = ("run", str(folder / "box.toml"), "--quiet", "--no-figure", "--out")
    assert couple(*run, str(folder / "half"), "--until", "1.5 ms") == 0
    assert couple(*run, str(folder / "drawn")) == 0
    assert couple("train", str(folder / "train.toml"), "--quiet", "--no-figure", "--out", str(folder / "trained")) == 0
    return folder
