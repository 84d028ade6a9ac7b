"""Every command that reads a binary file, and which: for files that are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

from couple.base.errors import RunError
from couple.ensemble import job
from couple.files.write_hdf5 import replacing
from couple.storage.records.results import FORMAT
from support.command_line import couple
from support.our_files import write_a_posterior
from support.paths import EXAMPLES
from support.writing_commands import place_inputs

REPLAY = """
[experiment]
name = "replay"
duration = "1 ms"
exchange = "0.1 ms"

[chemistry]
species.Ca = { contains = { Ca = 1 } }

[[site]]
name = "box"
engine = "ssa"
geometry.sphere = { diameter = "1 um" }

[[drive]]
to = "box.Ca"
replay = "charge.h5:neuron.ica"
"""


@dataclass(frozen=True)
class ReadingCommand:
    """begun: folder of the inputs that is copied. file: pattern of the file in it that is damaged. arguments: from the
    folder of inputs and the copy. remakes: the file whose runs are made again, to the bit.
    """

    begun: str
    file: str
    arguments: Callable[[Path, Path], tuple[object, ...]]
    remakes: str = ""

    def prepare(self, inputs: Path, out: Path) -> Path:
        """Copy the folder to `out`; the file that is to be damaged."""
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(inputs / self.begun, out)
        return min(out.glob(self.file))

    def call(self, inputs: Path, out: Path) -> int | str | None:
        """The exit code."""
        return couple(*map(str, self.arguments(inputs, out)))


_SAMPLE = ("--runs", 3, "--jobs", 1, "--quiet")

READING = {
    "show": ReadingCommand("drawn", "results.h5", lambda _, out: ("show", out)),
    "plot": ReadingCommand("drawn", "results.h5", lambda _, out: ("plot", out, "--kind", "timing")),
    "compare": ReadingCommand("drawn", "results.h5", lambda i, out: ("compare", i / "drawn", out, "--json")),
    "resume": ReadingCommand("half", "checkpoint.h5", lambda _, out: ("resume", out, "--quiet", "--no-figure")),
    "branch": ReadingCommand(
        *("half", "checkpoint.h5"),
        lambda _, out: ("branch", out, "--jobs", 1, "--quiet", "--out", out.with_name("branches")),
    ),
    "resume segments": ReadingCommand(
        "half", "segments/*.npy", lambda _, out: ("resume", out, "--quiet", "--no-figure")
    ),
    "show ensemble": ReadingCommand("many", "ensemble.h5", lambda _, out: ("show", out)),
    "compare ensemble": ReadingCommand("many", "ensemble.h5", lambda i, out: ("compare", out, i / "many", "--json")),
    "sample parts": ReadingCommand(
        "parts", "parts/*.h5", lambda i, out: ("sample", i / "box.toml", *_SAMPLE, "--out", out), "ensemble.h5"
    ),
    "sample more": ReadingCommand(
        "many", "ensemble.h5", lambda i, out: ("sample", i / "box.toml", *_SAMPLE, "--out", out), "ensemble.h5"
    ),
    "resume ensemble": ReadingCommand("parts", "sampling.json", lambda _, out: ("resume", out, "--quiet")),
    "train": ReadingCommand(
        "training", "ensemble.h5", lambda _, out: ("train", out / "train.toml", "--quiet", "--out", out / "new")
    ),
    "train on": ReadingCommand("trained", "checkpoint.h5", lambda _, out: ("train", "--resume", out, "--quiet")),
    "model": ReadingCommand("trained", "model.h5", lambda _, out: ("model", out)),
    "posterior": ReadingCommand("inferred", "posterior.h5", lambda _, out: ("posterior", out)),
    "run a model": ReadingCommand(
        "examples", "sk/sk.h5", lambda _, out: ("check", out / "surrogate" / "surrogate.toml")
    ),
    "replay": ReadingCommand("replay", "charge.h5", lambda _, out: ("check", out / "replay.toml")),
}


def place_all(folder: Path) -> Path:
    """What the commands read."""
    place_inputs(folder)
    sample = ("sample", str(folder / "box.toml"), *map(str, _SAMPLE), "--out")
    assert couple(*sample, str(folder / "many")) == 0
    with mock.patch.object(job, "assemble", side_effect=RunError("no space left")):
        assert couple(*sample, str(folder / "parts")) == 1
    (folder / "training").mkdir()
    for name in ("train.toml", "ensemble.h5"):
        shutil.copy(folder / name, folder / "training" / name)
    for name in ("sk", "spines", "surrogate"):
        shutil.copytree(EXAMPLES / name, folder / "examples" / name)
    (folder / "inferred").mkdir()
    write_a_posterior(folder / "inferred" / "posterior.h5")
    (folder / "replay").mkdir()
    (folder / "replay" / "replay.toml").write_text(REPLAY)
    with replacing(folder / "replay" / "charge.h5", FORMAT) as file:
        file["time"] = np.arange(20) * 0.1
        file["neuron/charge"] = np.full((20, 1), 1e-4)
        file["neuron/charge"].attrs["segment"] = ["head(0.5)"]
    return folder
