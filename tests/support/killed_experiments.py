"""Short experiments of all kinds, each a command line with its result, for kills at random instants."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import h5py

from support.field_cases import place_field_training
from support.mpi_runs import MPIEXEC, write_network
from support.paths import EXAMPLES, SUPPORT
from support.small_dbd_training import place_files
from support.small_gccd_training import SHORT as GCCD
from support.writing_commands import BOX

BURST = (EXAMPLES / "adaptive" / "burst.toml").read_text()

SITES = {
    "lattice": ('engine = "lattice"\nlattice.spacing = "20 nm"', "6 ms"),
    "gridded": ('engine = "gridded"\ngridded.spacing = "100 nm"', "20 ms"),
    "ssa": ('engine = "ssa"', "40 ms"),
    "langevin": ('engine = "langevin"', "40 ms"),
    "ode": ('engine = "ode"', "200 ms"),
    "pde": ('engine = "pde"\npde.resolution = "150 nm"', "3 ms"),
    "knp": ('engine = "knp"\nknp.resolution = "150 nm"', "3 ms"),
    "spde": ('engine = "spde"\nspde.resolution = "150 nm"', "2 ms"),
    "surrogate, pools": ('engine = "surrogate"', "400 ms"),
    "surrogate, markov": (f'engine = "surrogate"\nsurrogate.models = {{ SK = "{EXAMPLES}/sk/sk.h5" }}', "400 ms"),
    "surrogate, mean": (
        f'engine = "surrogate"\nsurrogate.law = "mean"\nsurrogate.models = {{ SK = "{EXAMPLES}/sk/sk.h5" }}',
        "400 ms",
    ),
    "adaptive": (
        f'engine = "adaptive"\nadaptive.engines = ["surrogate", "lattice"]\nadaptive.dwell = "0 ms"\n'
        f'adaptive.rule = "{SUPPORT}/rules/flap.py:surrogate"\nlattice.spacing = "20 nm"',
        "6 ms",
    ),
}
"""Name → the lines of a site, and a duration of about a second."""

CME = BOX.replace('engine = "ssa"', 'engine = "cme"').replace(
    'reactions = [{ equation = "0 -> A", forward = "1e-3 mM/ms" }, { equation = "A -> 0", forward = "0.1 /ms" }]',
    'reactions = [{ equation = "A <-> B", forward = "1 /ms", backward = "2 /ms" }]\n'
    "species.B = {}\ninitial.A = { count = 30 }",
)


@dataclass(frozen=True)
class Killed:
    """A command and its output. result: the file in it that holds what was computed."""

    command: tuple[object, ...]
    result: str = "results.h5"
    ranks: int = 1

    def line(self, *arguments: object) -> list[str]:
        """The words of a command line of couple."""
        launch = [str(MPIEXEC), "-n", str(self.ranks)] if self.ranks > 1 else []
        return [*launch, sys.executable, "-m", "couple", *map(str, arguments)]

    def begin(self, out: Path) -> subprocess.Popen[str]:
        """The command, into a new folder, in a process of its own."""
        line = self.line(*self.command, "--out", out)
        return subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def go_on(self, out: Path) -> str:
        """Go on as a user would: resume what has a checkpoint, else the same command, else with --force; what was said.

        The last process of several ranks may need a moment to be gone.
        """
        again = (*self.command, "--out", out)
        quiet = self.command[-2:]
        ways = [again, (*again, "--force")]
        if self.command[0] == "run":
            ways.insert(0, ("resume", out, *quiet))
        elif self.command[0] == "train":
            ways.insert(0, ("train", "--resume", out, *quiet))
        else:
            ways.pop()
        said, end = [], time.monotonic() + 20
        while True:
            for way in ways:
                done = subprocess.run(self.line(*way), capture_output=True, text=True, check=False, timeout=300)
                said.append(f"{' '.join(map(str, way[:2]))}: {done.returncode}: {done.stderr}")
                assert "Traceback" not in done.stderr, said
                if done.returncode == 0:
                    return "\n".join(said)
                if "is writing into this folder" in done.stderr:
                    break
            assert "is writing into this folder" in said[-1] and time.monotonic() < end, said
            time.sleep(0.5)


def killed_experiments(folder: Path) -> dict[str, Killed]:
    """All of them, with their files in `folder`."""
    quiet = ("--quiet", "--no-figure")
    found: dict[str, Killed] = {}
    for name, (site, duration) in SITES.items():
        file = folder / f"{name.replace(', ', '-')}.toml"
        head, _, rest = BURST.partition("engine = ")
        text = head + site + "\n" + rest[rest.index("\n[[drive]]") :] + '\n[checkpoint]\nwall = "150 ms"\n'
        text = text.replace('"300 ms"', f'"{duration}"').replace("100 101 115 116 ms", "0 0.5 1.5 2 ms")
        file.write_text(text)
        found[name] = Killed(("run", file, *quiet))
    (folder / "cme.toml").write_text(CME.replace('"3 ms"', '"300 ms"').replace('every = "1 ms"', 'wall = "150 ms"'))
    found["cme"] = Killed(("run", folder / "cme.toml", *quiet))
    for name, file, changes in (
        (
            "surrogate, mrf",
            EXAMPLES / "camkii" / "burst.toml",
            ("experiment.duration=200 ms", "checkpoint.wall=150 ms"),
        ),
        ("surrogate, copy numbers", EXAMPLES / "kinase" / "burst.toml", ("checkpoint.wall=150 ms",)),
        ("surrogate, machine", EXAMPLES / "array" / "burst.toml", ("checkpoint.wall=150 ms",)),
        (
            "plasticity",
            EXAMPLES / "plasticity" / "plasticity.toml",
            ("experiment.duration=100 ms", "checkpoint.wall=150 ms"),
        ),
        ("neuron", EXAMPLES / "spine" / "spine.toml", ("experiment.duration=60 ms", "site.head.engine=ssa")),
    ):
        sets = [word for change in (*changes, "checkpoint.every=5 ms") for word in ("--set", change)]
        found[name] = Killed(("run", file, *sets, *quiet))
    write_network(folder)
    found["network on 2 ranks"] = Killed(("run", folder / "network.toml", *quiet), ranks=2)
    (folder / "box.toml").write_text(BOX.replace('"3 ms"', '"2000 ms"'))
    sample = ("sample", folder / "box.toml", "--runs", 30, "--jobs", 2, "--quiet")
    found["sample"] = Killed(sample, "ensemble.h5")
    place_files(folder)
    train = ("--set", "train.checkpoint=10", "--set", "fit.steps=200", "--set", "fit.slide=50", *quiet)
    found["train, dbd"] = Killed(("train", folder / "train.toml", *train), "model.h5")
    (folder / "gccd.toml").write_text(GCCD.replace("EXPERIMENT", str(EXAMPLES / "camkii" / "site.toml")))
    found["train, gccd"] = Killed(("train", folder / "gccd.toml", *quiet), "model.h5")
    place_field_training(folder)
    found["train, field"] = Killed(("train", folder / "field.toml", *quiet), "model.h5")
    return found


def assert_same_content(first: Path, second: Path) -> None:
    """Every dataset of two HDF5 files to the bit, but timings."""

    def content(path: Path) -> dict[str, bytes]:
        found: dict[str, bytes] = {}

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("timing"):
                found[name] = item[()].tobytes() if hasattr(item[()], "tobytes") else repr(item[()]).encode()

        with h5py.File(path) as file:
            file.visititems(visit)
        return found

    a, b = content(first), content(second)
    assert a.keys() == b.keys() and a
    assert [name for name in a if a[name] != b[name]] == []
