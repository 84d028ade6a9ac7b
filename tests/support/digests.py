"""Digests of what `couple` computes, to show that a change of the code changes no bit of a result.

    python digests.py TREE OUT.json [--only PATTERN ...] [--jobs N]    # runs TREE's own `couple`, writes the digests
    python digests.py TREE --list                                      # the cases, and what is left out and why
    python digests.py --compare A.json B.json                          # what differs; exit code 1 if anything does

TREE is a clone with an environment of its own (TREE/.venv). Every case runs in a temporary folder: the examples of
TREE, shortened, and small experiments that this file writes. Of every HDF5 file that comes out each dataset and each
attribute is digested, and of JSON each entry; times that something took, versions, paths and the experiment as text are
not. Nothing of the project is imported, so that two trees can be compared whose modules lie elsewhere.

What is digested depends on the machine (compilers, BLAS): make both sides on the same one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

LIMIT = 300.0
"""Seconds after which a case is stopped."""

Digests = dict[str, str]
"""Place in the results → SHA-256, or {"error": what was said last}."""


class Case(NamedTuple):
    """One or more command lines that share a folder.

    files: written before, by name; `{tree}` in texts and commands is the tree. commands: the first word is a program of
    the tree's environment, or `mpiexec`. spoken: whether what the last one prints is a result, too.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    files: dict[str, str | np.ndarray] = {}
    spoken: bool = False


# --- what may be renamed: words of the command line and of the files -------------------------------------------------

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
IGNORED_ATTRIBUTES = ("experiment", "training", "folder", "versions", "*seconds*")
"""Attributes, and keys of JSON: input as text, paths, times."""
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
    "spine/spine.toml": (f"{DURATION}=30 ms",),
    "spines/spines.toml": (f"{DURATION}=15 ms",),
    "surrogate/surrogate.toml": (f"{DURATION}=12 ms",),
}
"""Experiments under EXAMPLES → changes that make them short."""

_FEW = ("data.runs=4", "train.held_out=2", "fit.steps=3", "train.checkpoint=2")
_SMALL = (*_FEW, "data.until=12", "report.chains=2", "report.sweeps=2")
_ONE = 'data.conditions=[["site.chain.lattice.couplings.h=0.5"]]'
_CHAIN = (*_SMALL, _ONE, "model.static=5", "report.likelihood=[12]")
_FOLLOWED = ("follow.chains=8", "follow.sweeps=2", "follow.draws=2", "follow.settle=2")
SHORT_TRAININGS: dict[str, tuple[str, ...]] = {
    "reduce/annihilation.toml": _CHAIN,
    "reduce/annihilation_full.toml": _CHAIN,
    "reduce/decay.toml": _FEW,
    "reduce/enzyme.toml": (*_FEW, "data.runs=30", "data.until=20"),
    "reduce/field.toml": ("data.runs=12", "train.held_out=2", "model.smooth=0.3", "data.until=6"),
    "reduce/ising.toml": _FEW,
    "reduce/lotka_volterra.toml": _SMALL,
    "reduce/lotka_volterra_followed.toml": (*_SMALL, *_FOLLOWED, "model.absent=[]", "law.domain.4=a1_P"),
    "reduce/rossler.toml": _SMALL,
    "reduce/rossler_adam.toml": _SMALL,
    "sk/train.toml": (
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

CHEMISTRY = """
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = { D = "20 um^2/s" }
species.CaB = { D = "20 um^2/s", contains = { Ca = 1 } }
species.R = {}
species.CaR = { contains = { Ca = 1 } }
species.P = { on = "membrane" }
species.CaP = { on = "membrane", contains = { Ca = 1 } }
species.K = { on = "membrane" }
species.KO = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.open = ["KO"]
observables.bound = ["CaB", "CaR"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca + R <-> CaR", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca + P <-> CaP", forward = "1.5e8 /M/s", backward = "15 /s" },
  { equation = "CaP -> P + Ca_out", forward = "12 /s" },
  { equation = "P + Ca_out -> P + Ca", forward = "6.667 /s" },
  { equation = "Ca + K <-> KO", forward = "5e7 /M/s", backward = "100 /s" },
]
initial.Ca = "0.1 uM"
initial.B = { total = "20 uM", at = "steady" }
initial.R = { total = "20 uM", at = "steady" }
initial.P = { total = "200 /um^2", at = "steady" }
initial.K = { count = 20, at = "steady" }
"""

FEW_MOLECULES = """
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.K = { on = "membrane" }
species.KO = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.open = ["KO"]
reactions = [
  { equation = "Ca + K <-> KO", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca -> Ca_out", forward = "2 /ms" },
]
initial.Ca = { count = 4 }
initial.K = { count = 6 }
"""
"""For the master equation."""

ENGINES: dict[str, str] = {
    "ode": "",
    "ssa": "",
    "langevin": "",
    "gridded": 'gridded.spacing = "0.1 um"',
    "lattice": 'lattice.spacing = "20 nm"',
    "cme": "cme.leak = 1e-8",
    "pde": 'pde.cells = "triangle"\npde.resolution = "0.08 um"',
    "spde": 'spde.cells = "triangle"\nspde.resolution = "0.2 um"',
    "surrogate": "",
    "adaptive": 'adaptive.engines = ["ode", "ssa", "lattice"]\nadaptive.dwell = "1 ms"\nlattice.spacing = "20 nm"',
}
"""Engine → its options."""

RUN_BLOCK = '[experiment]\nname = "own"\nduration = "{duration}"\nexchange = "0.1 ms"\nseed = 11\n'
RECORD = '\n[record]\nspecies = "all"\nevery = "0.5 ms"\n'
CHECKPOINTS = '\n[checkpoint]\nevery = "1.3 ms"\n'
SITE = '\n[[site]]\nname = "{name}"\nengine = "{engine}"\n{options}\n'
CYLINDER = 'geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }\n'
BOX = 'geometry.box = { size = "0.5 0.4 0.3 um" }\n'
INFLUX = '\n[[drive]]\nto = "{name}.Ca"\ninflux = {{ times = "0 1 3 ms", rate = "100 300 0 /ms" }}\n'
FEW_IONS = '\n[[drive]]\nto = "{name}.Ca"\ninflux = {{ times = "0 1 3 ms", rate = "2 4 0 /ms" }}\n'
CLAMP = '\n[[drive]]\nto = "{name}.Ca"\nclamp = {{ times = "0 2 4 ms", values = "0.1 5 0.5 uM" }}\n'
REPLAY = '\n[[drive]]\nto = "head.Ca"\nreplay = "out/results.h5:neuron.ica"\n'
NECK = 'through = { diameter = "0.1 um", length = "0.5 um" }'

NEURON = """
[neuron]
model = "cell.py:build"
dt = "0.025 ms"
celsius = 34.0
v_init = "-65 mV"

[[neuron.current]]
at = "soma(0.5)"
start = "0.5 ms"
duration = "2 ms"
amplitude = "0.6 nA"

[[spine]]
name = "spine"
seed = 3
place = { on = "dend", count = COUNT }
head = { diameter = "0.5 um", length = "0.5 um", channels.couple_cav = { gmax = "1.5e-3 S/cm^2" } }
neck = { diameter = "0.15 um", length = { mean = "0.6 um", sd = "0.1 um" } }

[spine.synapse]
AMPA = "0.5 nS"
NMDA = "0.05 nS"
times = "1 3 ms"
"""
HEAD_SITE = '\n[[site]]\nname = "{name}"\nsegment = "spine_{k}.head(0.5)"\nengine = "{engine}"\n{options}\n'
LOOP = """
[[link]]
from = "neuron.ica"
to = "{site}.Ca"
[[link]]
from = "{site}.Ca"
to = "neuron.cai"
[[link]]
from = "{site}.open"
to = "neuron.SK"
conductance = "10 pS"
"""
VOLTAGES = 'voltages = ["soma(0.5)", "dend(0.3)"]\n'

CELL = """
from neuron import h

def build():
    soma, dend = h.Section(name="soma"), h.Section(name="dend")
    soma.L = soma.diam = 15
    dend.L, dend.diam, dend.nseg, dend.Ra = 4, 1, 5, 150
    dend.connect(soma(1))
    soma.insert("hh")
    for section in (soma, dend):
        section.insert("pas")
        for segment in section:
            segment.pas.g, segment.pas.e = 1e-4, -65
    return soma, dend

def excitatory():
    return build()

def inhibitory():
    soma = h.Section(name="soma")
    soma.L = soma.diam = 12
    soma.insert("hh")
    return [soma]
"""

NETWORK = """
[neuron]
dt = "0.025 ms"
celsius = 20.0
v_init = "-65 mV"

[[network.population]]
name = "E"
model = "cell.py:excitatory"
count = 4
[[network.population]]
name = "I"
model = "cell.py:inhibitory"
count = 2

[[network.connection]]
from = "E"
to = "E"
inputs = 2
at = "spine_*.head"
AMPA = "2 nS"
NMDA = "0.5 nS"
delay = "1.3 .. 3 ms"
[[network.connection]]
from = "E"
to = "I"
probability = 0.8
AMPA = "20 nS"
delay = "1.5 ms"
[[network.connection]]
from = "I"
to = "E"
inputs = 1
GABA = "5 nS"
delay = "1 ms"
[[network.stimulus]]
to = "E"
count = 3
at = ["spine_*.head", "soma"]
rate = "1 /ms"
AMPA = "4 nS"

[[spine]]
name = "spine"
cells = "E"
place = { on = "dend", count = 3 }
head = { diameter = "0.5 um", length = "0.5 um", channels.couple_cav = { gmax = "5e-5 S/cm^2" } }
neck = { diameter = "0.15 um", length = { mean = "0.8 um", sd = "0.2 um" } }
"""
NETWORK_SITES = """
[[site]]
name = "spine_*"
cells = "E"
place = { on = "spine_*.head" }
engine = "ssa"
[[site]]
name = "shaft"
cells = "E_2"
segment = "dend(0.5)"
engine = "ode"
"""

DENDRITE = """
[[site]]
name = "shaft"
sections = ["dend"]
engine = "pde"
pde.resolution = "0.3 um"
pde.ranks = "all"
[[site]]
name = "spine_*"
place = { on = "spine_*.head" }
engine = "lattice"
lattice.spacing = "20 nm"

[[link]]
from = "neuron.ica"
to = "*.Ca"
[[link]]
from = "*.Ca"
to = "neuron.cai"
[[link]]
from = "spine_*.Ca"
to = "shaft.Ca"
through = "spine_*.neck"
"""

IONS = """
[neuron]
model = "cell.py:build"
dt = "0.025 ms"
celsius = 20.0
v_init = "-65 mV"
[[neuron.current]]
at = "soma(0.5)"
start = "0.5 ms"
duration = "2 ms"
amplitude = "1 nA"

[chemistry]
species.K = { contains = { K = 1 } }
species.Na = { contains = { Na = 1 } }
reservoirs = ["K_out", "Na_out"]
reactions = [
  { equation = "Na -> Na_out", forward = "1 /s" },
  { equation = "K_out -> K", forward = "1e-3 mM/ms" },
]
initial.K = "54 mM"
initial.Na = "10 mM"

[[site]]
name = "soma"
segment = "soma(0.5)"
engine = "ode"

[[link]]
from = "neuron.ik"
to = "soma.K"
[[link]]
from = "soma.K"
to = "neuron.ki"
[[link]]
from = "neuron.ina"
to = "soma.Na"
[[link]]
from = "soma.Na"
to = "neuron.nai"
"""

PAPER = """
[experiment]
name = "paper"
duration = "40 steps"
exchange = "1 step"
seed = 11
[chemistry]
species.H = {}
species.P = {}
observables.hunters = ["H"]
reactions = [
  { equation = "P -> 2 P", forward = "0.1 per step" },
  { equation = "H -> 0", forward = "0.06 per step" },
  { equation = "H + P -> 2 H", forward = "0.4 per encounter" },
]
initial.H = { count = 60 }
initial.P = { count = 80 }
[[site]]
name = "field"
engine = "lattice"
lattice.mode = "paper"
lattice.shape = [20, 30]
lattice.boundary = "periodic"
lattice.selection = "uniform"
lattice.moments = true
lattice.snapshots = true
[record]
every = "1 step"
"""

MASKED = """
[chemistry]
species.A = { D = "50 um^2/s" }
species.B = { D = "50 um^2/s" }
species.C = { D = "10 um^2/s" }
reactions = [{ equation = "A + B <-> C", forward = "1e8 /M/s", backward = "600 /s" }]
initial.A = { count = 150 }
initial.B = { count = 120 }
[[site]]
name = "odd"
engine = "lattice"
lattice.spacing = "20 nm"
lattice.mask = "mask.npy"
lattice.moments = true
lattice.snapshots = true
[[site]]
name = "voxels"
engine = "gridded"
gridded.spacing = "0.1 um"
gridded.mask = "mask.npy"
[[site]]
name = "open"
engine = "lattice"
lattice.spacing = "20 nm"
lattice.shape = [20, 16, 12]
lattice.boundary = { x = "periodic", y = ["absorbing", "reflecting"] }
"""

NET = """# Created by BioNetGen 2.9.2
begin parameters
    1 k0 0.002  # Constant
    2 k1 30  # Constant
    3 twice 2*k0  # ConstantExpression
end parameters
begin species
    1 A() 150
    2 B() 120
    3 C() 10
end species
begin reactions
    1 1,2 3 0.5*twice #_R0
    2 3 1,2 k1 #_R1
end reactions
begin groups
    1 bound 3
end groups
"""

SBML = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
  <model id="m" substanceUnits="item" timeUnits="second" volumeUnits="um3" extentUnits="item">
    <listOfUnitDefinitions>
      <unitDefinition id="um3"><listOfUnits>
        <unit kind="metre" exponent="3" scale="-6" multiplier="1"/>
      </listOfUnits></unitDefinition>
      <unitDefinition id="per_s"><listOfUnits>
        <unit kind="second" exponent="-1" scale="0" multiplier="1"/>
      </listOfUnits></unitDefinition>
    </listOfUnitDefinitions>
    <listOfCompartments>
      <compartment id="c" spatialDimensions="3" size="1" units="um3" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" compartment="c" initialAmount="150" hasOnlySubstanceUnits="true" boundaryCondition="false"
        constant="false"/>
      <species id="B" compartment="c" initialAmount="20" hasOnlySubstanceUnits="true" boundaryCondition="false"
        constant="false"/>
    </listOfSpecies>
    <listOfParameters>
      <parameter id="k" value="300" units="per_s" constant="true"/>
      <parameter id="l" value="200" units="per_s" constant="true"/>
    </listOfParameters>
    <listOfReactions>
      <reaction id="r" reversible="false" fast="false">
        <listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
        <listOfProducts><speciesReference species="B" stoichiometry="1" constant="true"/></listOfProducts>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci> k </ci><ci> A </ci></apply></math></kineticLaw>
      </reaction>
      <reaction id="s" reversible="false" fast="false">
        <listOfReactants><speciesReference species="B" stoichiometry="1" constant="true"/></listOfReactants>
        <listOfProducts><speciesReference species="A" stoichiometry="1" constant="true"/></listOfProducts>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci> l </ci><ci> B </ci></apply></math></kineticLaw>
      </reaction>
    </listOfReactions>
  </model>
</sbml>
"""

TRAIN_CAMKII = """
experiment = "{tree}/examples/camkii/site.toml"
[train]
name = "short"
seed = 1
[gccd]
ablation = false
[refine]
first = 2
iterations = 2
[[protocol]]
name = "fast"
duration = "40 ms"
exchange = "0.1 ms"
every = "0.1 ms"
runs = 4
regress = "all"
stimuli = [
  { kind = "step", count = 5, peak = "1 40 uM", duration = "5 30 ms", delay = "1 3 ms" },
  { kind = "spikes", count = 2, peak = "2 15 uM", rate = "50 200 /s", decay = "5 20 ms", delay = "1 3 ms" },
]
[[protocol]]
name = "slow"
duration = "300 ms"
exchange = "1 ms"
every = "10 ms"
runs = 2
regress = "classes"
stimuli = [
  { kind = "step", count = 4, peak = "1 20 uM", duration = "50 200 ms", delay = "10 50 ms" },
  { kind = "theta", count = 1, peak = "3 6 uM", rate = "4 8 /s", delay = "10 50 ms", test = true },
]
[[validation]]
name = "mean"
duration = "40 ms"
exchange = "0.1 ms"
every = "1 ms"
runs = 2
against = 4
site = { engine = "ode" }
stimuli = [{ kind = "step", peak = "20 uM", duration = "15 ms", delay = "2 ms" }]
"""


# --- cases: examples -------------------------------------------------------------------------------------------------


def changes(overrides: Sequence[str]) -> tuple[str, ...]:
    """Options of a command line that change values of the experiment."""
    return tuple(word for override in overrides for word in (SET, override))


def example(name: str) -> str:
    """Its path on a command line."""
    return f"{{tree}}/{EXAMPLES}/{name}"


def of_examples() -> Iterator[Case]:
    """Every example, shortened."""
    for name, overrides in SHORT.items():
        yield Case(f"{EXAMPLES}/{name}", ((*RUN, example(name), OUT, "out", *changes(overrides)),))
    for name, overrides in SHORT_TRAININGS.items():
        yield Case(f"{EXAMPLES}/{name}", ((*TRAIN, example(name), OUT, "out", *changes(overrides)),))
    for name, arguments in SCRIPTS.items():
        yield Case(f"{EXAMPLES}/{name}", ((PYTHON, example(name), *arguments),), spoken=True)


def of_commands() -> Iterator[Case]:
    """Other commands on the examples, and other ways to run them."""
    spine = (f"{DURATION}=6 ms", "site.head.lattice.spacing=20 nm")
    line: tuple[str, ...] = (*SAMPLE, example("spine/spine.toml"), RUNS, "2", OUT, "out", *changes(spine))
    more = (*line[: line.index(RUNS)], RUNS, "3", *line[line.index(RUNS) + 2 :])
    yield Case("sample/spine", (line, more))
    engines = ("--engines", "cme gridded langevin lattice ode ssa surrogate", RUNS, "20")
    yield Case("regimes/agree", ((*REGIMES, example("regimes/agree.toml"), *engines),), spoken=True)
    fem = ("--engines", "pde spde", "--against", "pde", RUNS, "3")
    fields = changes([f"{DURATION}=0.5 ms"])
    yield Case("regimes/fields", ((*REGIMES, example("regimes/agree.toml"), *fem, *fields),), spoken=True)
    what = (example("spine/spine.toml"), "site.head.engine=ode", "site.head.engine=ssa")
    yield Case("compare/spine", ((*COMPARE, *what, RUNS, "2", OUT, "out", *changes(spine)),), spoken=True)
    hoc = changes((f"{DURATION}=30 ms", "neuron.cai_writers=ignore"))
    yield Case("hoc/ignore", ((*RUN, example("hoc/hoc.toml"), OUT, "out", *hoc),))
    network = changes(SHORT["network/network.toml"])
    yield Case("ranks/network", ((*ranks(2), *RUN, example("network/network.toml"), OUT, "out", *network),))
    shaft = changes((f"{DURATION}=2 ms", "site.shaft.pde.ranks=all"))
    yield Case("ranks/shaft", ((*ranks(2), *RUN, example("shaft/shaft.toml"), OUT, "out", *shaft),))
    half = (*RUN, example("spine/spine.toml"), OUT, "out", *changes((f"{DURATION}=10 ms",)), UNTIL, "5 ms")
    yield Case("resume/spine", (half, (*RESUME, CHECKPOINT, UNTIL, "10 ms")))
    model = (*TRAIN, example("reduce/ising.toml"), OUT, "out", *changes(_FEW))
    yield Case("model/ising", (model, (PROGRAM, "model", "out", "--json")), spoken=True)


def ranks(n: int) -> tuple[str, ...]:
    """What stands before a command that is spread over ranks."""
    return MPIEXEC, "-n", str(n)


# --- cases: experiments of its own -----------------------------------------------------------------------------------


def experiment(*blocks: str, duration: str = "4 ms") -> dict[str, str | np.ndarray]:
    """The files of an experiment."""
    return {"own.toml": RUN_BLOCK.format(duration=duration) + "\n".join(blocks), "cell.py": CELL}


def single(name: str, files: dict[str, str | np.ndarray], *before: str) -> Case:
    """One run of `own.toml`."""
    return Case(f"own/{name}", ((*before, *RUN, "own.toml", OUT, "out"),), files)


def neuron(spines: int = 1) -> str:
    """The cell with some spines."""
    return NEURON.replace("COUNT", str(spines))


def driven(engine: str) -> str:
    """A chemistry, a site `head` without NEURON, and ions that come in."""
    site = SITE.format(name="head", engine=engine, options=ENGINES[engine] + "\n" + CYLINDER)
    few = engine == "cme"
    return (FEW_MOLECULES if few else CHEMISTRY) + site + (FEW_IONS if few else INFLUX).format(name="head")


def closed_loop(*engines: str) -> str:
    """Spine heads in closed loop, `head` or one by the name of each engine."""
    few = "cme" in engines
    text = neuron(len(engines)) + (FEW_MOLECULES if few else CHEMISTRY)
    for k, engine in enumerate(engines):
        name = engine if len(engines) > 1 else "head"
        text += HEAD_SITE.format(name=name, k=k, engine=engine, options=ENGINES[engine]) + LOOP.replace("{site}", name)
    return text.replace("1.5e-3 S/cm^2", "1e-5 S/cm^2") if few else text


def of_engines() -> Iterator[Case]:
    """A driven site in each engine, and spines in closed loop."""
    for engine in ENGINES:
        yield single(f"driven-{engine}", experiment(driven(engine), RECORD))
    most = tuple(engine for engine in ENGINES if engine != "cme")
    yield single("spines-engines", experiment(closed_loop(*most), RECORD + VOLTAGES))
    yield single("spine-cme", experiment(closed_loop("cme"), RECORD + VOLTAGES))


def of_fields() -> Iterator[Case]:
    """Meshes of finite elements that the examples do not have."""
    kinds = {
        "tetrahedra": 'pde.cells = "tetrahedron"\npde.degree = 2\npde.resolution = "0.25 um"\n' + CYLINDER,
        "shells": 'pde.cells = "interval"\ngeometry.sphere = { diameter = "0.5 um" }\n',
        "hexahedra": 'pde.cells = "hexahedron"\npde.resolution = "0.15 um"\n' + BOX,
        "neck": 'pde.resolution = "0.2 um"\npde.neck = { diameter = "0.1 um", length = "0.3 um" }\n'
        'pde.head = { diameter = "0.5 um", length = "0.5 um" }\n' + CYLINDER,
    }
    for kind, options in kinds.items():
        site = SITE.format(name="head", engine="pde", options=options)
        yield single(f"pde-{kind}", experiment(CHEMISTRY, site, INFLUX.format(name="head"), RECORD, duration="1 ms"))
    site = SITE.format(name="head", engine="spde", options='spde.resolution = "0.25 um"\n' + BOX)
    yield single("spde-box", experiment(CHEMISTRY, site, INFLUX.format(name="head"), RECORD, duration="1 ms"))


def several(*engines: str) -> str:
    """Sites `s0`, `s1`, ... of these engines in a row, calcium diffusing from each to the next."""
    text = CHEMISTRY
    for k, engine in enumerate(engines):
        text += SITE.format(name=f"s{k}", engine=engine, options=ENGINES[engine] + "\n" + (CYLINDER if k else BOX))
    for k in range(1, len(engines)):
        text += f'[[link]]\nfrom = "s{k - 1}.Ca"\nto = "s{k}.Ca"\n{NECK}\n'
    return text + INFLUX.format(name="s0")


def of_links() -> Iterator[Case]:
    """Sites that exchange calcium with each other, and other ways to drive them."""
    yield single("linked-whole", experiment(several("ssa", "lattice", "gridded", "ssa"), RECORD))
    yield single("linked-real", experiment(several("ode", "langevin", "surrogate", "pde"), RECORD))
    yield single("linked-mixed", experiment(several("lattice", "ode", "ssa", "adaptive"), RECORD))
    clamped = CHEMISTRY
    for engine in ("ode", "ssa", "lattice", "langevin", "gridded", "pde", "surrogate"):
        clamped += SITE.format(name=engine, engine=engine, options=ENGINES[engine] + "\n" + CYLINDER)
        clamped += CLAMP.format(name=engine)
    yield single("clamps", experiment(clamped, RECORD))
    ssa = ENGINES["ssa"] + CYLINDER
    again = RUN_BLOCK.format(duration="4 ms") + CHEMISTRY + SITE.format(name="head", engine="ssa", options=ssa) + REPLAY
    first = experiment(closed_loop("ssa"), RECORD.replace("0.5 ms", "0.1 ms"))
    yield Case(
        "own/replay",
        ((*RUN, "own.toml", OUT, "out"), (*RUN, "again.toml", OUT, "replayed")),
        {**first, "again.toml": again + RECORD},
    )


def of_lattices() -> Iterator[Case]:
    """Lattices in steps, of any shape, with walls."""
    yield single("paper", {"own.toml": PAPER})
    mask = np.ones((20, 16, 12), dtype=np.uint8)
    mask[:8, :6] = 0
    yield single("masks", {**experiment(MASKED, RECORD, duration="1 ms"), "mask.npy": mask})


def of_neuron() -> Iterator[Case]:
    """What the engines do not matter for: many spines, networks, ranks, other ions, a field under NEURON."""
    spines = '[[site]]\nname = "spine_*"\nplace = { on = "spine_*.head" }\nengine = "ssa"\n'
    yield single("spines", experiment(neuron(4), CHEMISTRY, spines, LOOP.replace("{site}", "spine_*"), RECORD))
    many = experiment(NETWORK, CHEMISTRY, NETWORK_SITES, LOOP.replace("{site}", "E_*"), RECORD, duration="10 ms")
    yield single("network", many)
    yield single("network-2-ranks", many, *ranks(2))
    yield single("ions", experiment(IONS, RECORD))
    dendrite = experiment(neuron(2), CHEMISTRY, DENDRITE, RECORD, duration="1.5 ms")
    yield single("dendrite", dendrite)
    yield single("dendrite-2-ranks", dendrite, *ranks(2))
    yield single("sites-2-ranks", experiment(several("ssa", "ode", "langevin", "lattice"), RECORD), *ranks(2))


def of_resuming() -> Iterator[Case]:
    """Runs that stop half way and go on from their checkpoint."""
    every = tuple(engine for engine in ENGINES if engine not in ("cme", "spde"))
    networks = NETWORK, CHEMISTRY, NETWORK_SITES, LOOP.replace("{site}", "E_*")
    kinds = {
        "engines": (several(*every),),
        "cme": (driven("cme"),),
        "spde": (driven("spde"),),
        "spine-lattice": (closed_loop("lattice"),),
        "spine-adaptive": (closed_loop("adaptive"),),
        "network": networks,
    }
    for kind, blocks in kinds.items():
        half = (*RUN, "own.toml", OUT, "out", UNTIL, "2 ms")
        files = experiment(*blocks, RECORD, CHECKPOINTS)
        yield Case(f"resume/{kind}", (half, (*RESUME, CHECKPOINT, UNTIL, "4 ms")), files)


def of_files() -> Iterator[Case]:
    """Chemistry of other formats, and a training of its own."""
    for suffix, text in (("net", NET), ("xml", SBML)):
        site = SITE.format(name="box", engine="ssa", options='geometry.box = { size = "1 1 1 um" }')
        units = 'units = { amount = "count", volume = "1 um^3", time = "s" }\n' if suffix == "net" else ""
        files = experiment(f'[chemistry]\nfile = "model.{suffix}"\n{units}', site, RECORD)
        yield single(f"chemistry-{suffix}", {**files, f"model.{suffix}": text})
    yield Case("own/train-camkii", ((*TRAIN, "own.toml", OUT, "out"),), {"own.toml": TRAIN_CAMKII})


def cases() -> list[Case]:
    """All of them."""
    groups: tuple[Callable[[], Iterator[Case]], ...] = (
        of_examples, of_commands, of_engines, of_fields, of_links, of_lattices, of_neuron, of_resuming, of_files,
    )  # fmt: skip
    return [case for group in groups for case in group()]


def unknown(tree: Path) -> list[str]:
    """Examples of the tree that no table names."""
    known = {*SHORT, *SHORT_TRAININGS, *SCRIPTS, *LEFT_OUT}
    folder = tree / EXAMPLES
    found = [p.relative_to(folder).as_posix() for kind in ("*.toml", "*.py") for p in sorted(folder.rglob(kind))]
    return [name for name in found if name not in known and not any(fnmatch(name, p) for p in NOT_RUN)]


# --- digests ---------------------------------------------------------------------------------------------------------


def sha(*parts: bytes | str) -> str:
    """SHA-256 of parts, kept apart."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(f"{len(data)}:".encode() + data)
    return found.hexdigest()


def of_value(value: Any) -> str:
    """Of an array, a number or text: its type, shape and bytes."""
    array = np.asarray(value)
    if array.dtype.hasobject or array.dtype.kind in "SU":
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in array.ravel().tolist()]
        return sha("text", str(array.shape), *texts)
    return sha(array.dtype.str, str(array.shape), np.ascontiguousarray(array).tobytes())


def ignored(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def of_hdf5(path: Path, prefix: str) -> Digests:
    """Every dataset and attribute of a file."""
    found: Digests = {}

    def attributes(place: str, item: Any) -> None:
        for key, value in item.attrs.items():
            if not ignored(key, IGNORED_ATTRIBUTES):
                found[f"{prefix}:{place}@{key}"] = of_value(value)

    def visit(place: str, item: Any) -> None:
        if any(ignored(part, IGNORED_PARTS) for part in place.split("/")):
            return
        if isinstance(item, h5py.Dataset):
            found[f"{prefix}:{place}"] = of_value(item[()])
        attributes(place, item)

    with h5py.File(path) as file:
        attributes("", file)
        file.visititems(visit)
    return found


def pruned(value: Any) -> Any:
    """JSON without times, versions and paths."""
    patterns = (*IGNORED_PARTS, *IGNORED_ATTRIBUTES, *IGNORED_KEYS)
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if not ignored(k, patterns)}
    return [pruned(v) for v in value] if isinstance(value, list) else value


def of_text(text: str, prefix: str) -> Digests:
    """Of JSON each entry of the outermost object, of other text each line."""
    try:
        content = json.loads(text)
    except ValueError:
        return {f"{prefix}:line {k}": sha(line) for k, line in enumerate(text.splitlines())}
    entries = pruned(content) if isinstance(content, dict) else {"": pruned(content)}
    return {f"{prefix}:{key}": sha(json.dumps(value, sort_keys=True)) for key, value in entries.items()}


def of_folder(folder: Path, given: Sequence[str]) -> Digests:
    """Of all results in a folder, without the files that were `given`."""
    found: Digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name in given or ignored(path.name, (INPUT_FILES,)) or "segments" in path.parts:
            continue
        if path.suffix == ".h5":
            found |= of_hdf5(path, name)
        elif path.name == "summary.json":
            found |= of_text(path.read_text(), name)
    return found


# --- running ---------------------------------------------------------------------------------------------------------


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


# --- comparing -------------------------------------------------------------------------------------------------------


def differences(a: Digests, b: Digests) -> list[str]:
    """What differs between two digests of a case; a case that failed on either side differs."""
    if "error" in a or "error" in b:
        return [f"error: {a.get('error', 'none')} | {b.get('error', 'none')}"]
    names = sorted({*a, *b})
    said = {name: "only in the second" if name not in a else "only in the first" for name in names}
    return [f"{n}: {said[n] if n not in a or n not in b else 'differs'}" for n in names if a.get(n) != b.get(n)]


def compare(first: Path, second: Path, shown: int = 12) -> int:
    """Print what differs. Returns how many datasets (of a case that is missing or failed: one)."""
    a, b = (json.loads(path.read_text()) for path in (first, second))
    total = differing = 0
    for name in sorted({*a, *b}):
        total += len({*a.get(name, {}), *b.get(name, {})})
        if name not in a or name not in b:
            lines = [f"only in {(second if name in b else first).name}"]
        else:
            lines = differences(a[name], b[name])
        differing += len(lines)
        for line in [*lines[:shown], *([f"and {len(lines) - shown} more"] if len(lines) > shown else [])]:
            print(f"{name}: {line}")
    print(f"{len({*a, *b})} cases, {total} datasets, {differing} differ")
    return differing


def listing(tree: Path) -> None:
    """Print the cases, and what is left out."""
    for case in cases():
        print(case.name, *(re.sub(r"\{tree\}/", "", " ".join(command)) for command in case.commands), sep="\n    ")
    for name, reason in LEFT_OUT.items():
        print(f"left out: {EXAMPLES}/{name}: {reason}")
    for name in unknown(tree):
        print(f"unknown: {EXAMPLES}/{name}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"))
    parser.add_argument("tree", nargs="?", type=Path)
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT.json")
    parser.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="cases by name or a part of it")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--list", action="store_true", help="print the cases")
    given = parser.parse_args()
    if given.compare:
        return int(compare(*given.compare) > 0)
    if given.tree is None or (given.out is None and not given.list):
        parser.error("give TREE and OUT.json, or --compare A.json B.json")
    if given.list:
        listing(given.tree.resolve())
        return 0
    return int(digest(given.tree.resolve(), given.out, given.only, given.jobs) > 0)


if __name__ == "__main__":
    sys.exit(main())
