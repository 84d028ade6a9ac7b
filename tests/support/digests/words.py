"""What may be renamed: words of the command line and of the files, and how examples are shortened."""

from __future__ import annotations

EXAMPLES = "examples"
PROGRAM, PYTHON, MPIEXEC = "couple", "python", "mpiexec"
RUN = (PROGRAM, "run", "--quiet", "--no-figure")
RESUME = (PROGRAM, "resume", "--quiet", "--no-figure")
TRAIN = (PROGRAM, "train", "--quiet", "--no-figure")
SAMPLE = (PROGRAM, "sample", "--quiet", "--jobs", "1", "--seed", "3")
REGIMES = (PROGRAM, "regimes", "--json", "--no-figure", "--seconds", "1e9")
COMPARE = (PROGRAM, "compare", "--json", "--no-figure", "--jobs", "1", "--seed", "3")
SET, OUT, UNTIL, RUNS = "--set", "--out", "--until", "--runs"
ONE_CORE = ("python", "train")
"""Words of commands that would start a process on every core, which costs more than it saves here."""
DURATION, SEED = "experiment.duration", "experiment.seed"
CHECKPOINT = "out/checkpoint.h5"
INPUT_FILES = "checkpoint*"
"""HDF5 files by name that are no results."""
IGNORED_PARTS = ("timing*", "versions", "overhead")
"""Groups and datasets, and keys of JSON, that say how long something took or with what."""
IGNORED_ATTRIBUTES = ("experiment", "training", "folder", "versions", "parts", "*seconds*")
"""Attributes, and keys of JSON: input as text, paths, times, and seals of files that hold such."""
INPUTS = "inputs"
"""Attribute: files that were read, with their paths."""
IGNORED_KEYS = ("*seconds*", "folder", "out", "path", "file", "results", "figure", "picture", "warnings", "version*")
"""Keys of JSON besides."""
SHORT: dict[str, tuple[str, ...]] = {
    "adaptive/burst.toml": (f"{DURATION}=125 ms",),
    "camkii/burst.toml": (f"{DURATION}=65 ms",),
    "camkii/site.toml": (f"{DURATION}=30 ms",),
    "camkii/spine.toml": (f"{DURATION}=20 ms",),
    "hoc/hoc.toml": (f"{DURATION}=40 ms",),
    "lattice/annihilation.toml": (f"{DURATION}=60 steps",),
    "lattice/annihilation_drawn.toml": (f"{DURATION}=60 steps",),
    "lattice/lotka_volterra.toml": (f"{DURATION}=60 steps",),
    "lattice/roessler.toml": (f"{DURATION}=40 steps",),
    "morphology/morphology.toml": (f"{DURATION}=50 ms",),
    "network/network.toml": (
        f"{DURATION}=12 ms",
        "network.population.0.count=16",
        "network.population.1.count=8",
        "network.connection.0.inputs=4",
    ),
    "questions/neighbours.toml": (f"{DURATION}=120 ms",),
    "questions/timescale.toml": (f"{DURATION}=200 ms",),
    "reduce/decay_site.toml": (),
    "reduce/enzyme_ring.toml": (f"{DURATION}=60 steps",),
    "reduce/field_site.toml": (f"{DURATION}=0.6 ms",),
    "reduce/ising_ring.toml": (f"{DURATION}=60 steps",),
    "regimes/agree.toml": (),
    "regimes/bistable.toml": (f"{DURATION}=50 ms",),
    "regimes/segregation.toml": (f"{DURATION}=10 ms",),
    "shaft/shaft.toml": (f"{DURATION}=8 ms",),
    "sir/town.toml": (f"{DURATION}=30 steps",),
    "spine/spine.toml": (f"{DURATION}=30 ms",),
    "spines/spines.toml": (f"{DURATION}=15 ms",),
    "surrogate/surrogate.toml": (f"{DURATION}=12 ms",),
}
"""Experiments under EXAMPLES → changes that make them short."""
_FEW = ("train.allowed=1e6", "data.runs=4", "train.held_out=2", "fit.steps=3", "train.checkpoint=2")
_SMALL = (*_FEW, "data.until=12", "report.chains=2", "report.sweeps=2")
_ONE = 'data.conditions=[["site.chain.lattice.couplings.h=0.5"]]'
_CHAIN = (*_SMALL, _ONE, "model.static=5", "report.likelihood=[12]")
_FOLLOWED = ("follow.chains=8", "follow.sweeps=2", "follow.draws=2", "follow.settle=2")
SHORT_TRAININGS: dict[str, tuple[str, ...]] = {
    "reduce/annihilation.toml": _CHAIN,
    "reduce/annihilation_full.toml": _CHAIN,
    "reduce/decay.toml": _FEW,
    "reduce/enzyme.toml": (*_FEW, "data.runs=30", "data.until=20"),
    "reduce/field.toml": ("train.allowed=1e6", "data.runs=12", "train.held_out=2", "model.smooth=0.3", "data.until=6"),
    "reduce/ising.toml": _FEW,
    "reduce/lotka_volterra.toml": _SMALL,
    "reduce/lotka_volterra_followed.toml": (*_SMALL, *_FOLLOWED, "model.absent=[]", "law.domain.4=a1_P"),
    "reduce/rossler.toml": _SMALL,
    "reduce/rossler_adam.toml": _SMALL,
    "sir/train.toml": (*_SMALL, *_FOLLOWED),
    "sir/wellmixed.toml": (*_FEW, "data.until=12"),
    "sk/train.toml": (
        "train.allowed=1e6",
        "sample.molecules=2000",
        "sample.duration=30 ms",
        "sample.stimuli.0.duration=10 20 ms",
        "path.points=12",
        "path.folds=3",
        "refine.iterations=8",
    ),
}
"""Trainings under EXAMPLES → changes that make them short."""
SCRIPTS: dict[str, tuple[str, ...]] = {
    "api/spine.py": (),
    "questions/neighbours.py": (RUNS, "4"),
    "questions/timescale.py": (RUNS, "4"),
}
"""Scripts under EXAMPLES → their arguments."""
LEFT_OUT = {
    "camkii/train.toml": "ten minutes, and its protocols cannot be shortened by --set; own/train-camkii in its place",
    "questions/chemistry.toml": "no experiment: the chemistry of others",
    "surrogate/chemistry.toml": "no experiment: the chemistry of others",
}
"""Files under EXAMPLES that are not run, and why. A file in none of these tables is an error."""
NOT_RUN = ("*/cell.py",)
"""Parts of other examples."""
