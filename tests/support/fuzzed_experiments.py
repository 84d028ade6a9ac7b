"""The experiments that support/fuzzing.py breaks: what ships, on engines that start at once, and some others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from support.paths import ROOT

EXPERIMENT = "case.toml"


class Base(NamedTuple):
    """An experiment to break. files: those that it needs, by path. until: how far a case that works is run."""

    name: str
    text: str
    files: dict[str, str]
    until: str


DRIVEN = """
[experiment]
name = "driven"
duration = "20 ms"
exchange = "0.5 ms"
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = { D = "10 um^2/s" }
species.CaB = { D = "10 um^2/s", contains = { Ca = 1 } }
species.P = { on = "membrane" }
species.CaP = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.bound = ["CaB", "CaP"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca + P <-> CaP", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "CaP -> P + Ca_out", forward = "10 /s" },
]
initial.Ca = "0.1 uM"
initial.B = { total = "20 uM", at = "steady" }
initial.P = { total = "100 /um^2", at = "steady" }
[[site]]
name = "first"
engine = "ssa"
geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }
[[site]]
name = "second"
engine = "ode"
geometry.sphere = { diameter = "0.4 um" }
ode.rtol = 1e-5
[[drive]]
to = "first.Ca"
influx = { times = "0 2 5 ms", rate = "0 490 0 /ms" }
[[drive]]
to = "second.Ca"
clamp = { times = "0 5 ms", values = "0.1 1 uM" }
[record]
every = "1 ms"
species = ["Ca", "CaB"]
variables = ["counts", "means"]
[checkpoint]
every = "10 ms"
"""

MORPHOLOGY = """
[experiment]
name = "morphology"
duration = "20 ms"
exchange = "0.1 ms"
[neuron]
model = "cell.swc"
dt = "0.025 ms"
celsius = 34.0
v_init = "-70 mV"
[neuron.biophysics]
d_lambda = 0.1
all = { cm = "1 uF/cm^2", Ra = "150 ohm cm", pas = { g = "5e-5 S/cm^2", e = "-70 mV" } }
soma = { hh = { gnabar = "0.1 S/cm^2" }, ena = "50 mV" }
apical = { couple_cav = { gmax = "1e-4 S/cm^2" }, hh = { gkbar = "0.01 S/cm^2" } }
[[neuron.current]]
at = "soma(0.5)"
start = "0.1 ms"
duration = "2 ms"
amplitude = "0.5 nA"
[[spine]]
name = "spine"
seed = 3
Ra = "200 ohm cm"
cm = "1 uF/cm^2"
leak = { g = "1e-4 S/cm^2", e = "-70 mV" }
place = { on = "apic*", except = "apic[1]", density = "0.02 /um", spread = "even" }
head.diameter = { min = "0.3 um", max = "0.6 um", kind = "uniform" }
head.length = "0.5 um"
head.channels.couple_cav = { gmax = "1e-3 S/cm^2" }
neck = { diameter = "0.1 um", length = { mean = "0.8 um", sd = "0.2 um", kind = "normal" } }
[spine.synapse]
AMPA = "0.5 nS"
NMDA = "0.02 nS"
rate = "50 /s"
start = "0.1 ms"
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.Na = { D = "600 um^2/s", contains = { Na = 1 } }
species.P = { on = "membrane" }
species.CaP = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out", "Na_out"]
observables.taken = { CaP = 2.0 }
reactions = [
  { equation = "Ca + P <-> CaP", forward = "1e8 /M/s", backward = "10 /s", q10 = 2.0, at = "22 celsius" },
  { equation = "CaP -> P + Ca_out", forward = "10 /s" },
  { equation = "Na -> Na_out", forward = "1 /s" },
]
initial.Ca = "0.1 uM"
initial.Na = "10 mM"
initial.P = { total = "500 /um^2", at = "steady" }
[[site]]
name = "spine_*"
place = { on = "spine_*.head" }
engine = "ode"
[[site]]
name = "far"
place = { on = ["apic*", "dend*"], distance = "20 .. 200 um", count = 3, seed = 2 }
engine = "ssa"
[[site]]
name = "trunk"
segment = ["soma(0.5)"]
geometry.cylinder = { diameter = "5 um", length = "1 um", caps = true }
engine = "ode"
[[link]]
from = "neuron.ica"
to = "spine_*.Ca"
[[link]]
from = "spine_*.Ca"
to = "neuron.cai"
[[link]]
from = "spine_*.taken"
to = "neuron.K"
conductance = "2 pS"
kind = "point"
reversal = "-80 mV"
[[link]]
from = "neuron.ina"
to = "trunk.Na"
[[link]]
from = "trunk.Na"
to = "neuron.nai"
[[link]]
from = "spine_0.Ca"
to = "trunk.Ca"
through = { diameter = "0.1 um", length = "0.5 um", ends = 1 }
[[link]]
from = "spine_1.Ca"
to = "trunk.Ca"
through = { conductance = "0.002 um^3/ms" }
[record]
every = "0.2 ms"
voltages = ["soma(0.5)", "spine_0.head(0.5)"]
"""

SWC = """# a soma, a basal dendrite, an apical one that forks
1 1 0 0 0 8 -1
2 3 0 -8 0 1 1
3 3 0 -60 0 0.6 2
4 4 0 8 0 1.2 1
5 4 0 60 0 1 4
6 4 30 100 0 0.6 5
7 4 -30 100 5 0.6 5
8 4 -30 140 5 0.4 7
"""

INCLUDED = """
[experiment]
name = "included"
duration = "5 ms"
exchange = "0.1 ms"
celsius = 30
[chemistry]
file = "chemistry.toml"
include.camkii = { topology = "monomer", rates = "consistent", pK_unbinding = true, D_CaM = "10 um^2/s" }
[[site]]
name = "one"
engine = "ode"
ode = { rtol = 1e-6, steps = 4 }
lattice.spacing = "20 nm"
geometry.box = { size = "0.4 0.4 0.3 um" }
[[site]]
name = "two"
engine = "ssa"
geometry.sphere = { diameter = "0.3 um" }
[[drive]]
to = "one.Ca"
influx = { times = "0 2 ms", rate = "100 /ms" }
[[link]]
from = "one.Ca"
to = "two.Ca"
through = { diameter = "0.1 um", length = "0 um", ends = 2 }
[record]
species = ["Ca", "CaM_c2n2"]
"""

CHEMISTRY = """
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = {}
species.CaB = { contains = { Ca = 1 } }
reactions = [{ equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s", q10 = 3.0, at = "295 K" }]
initial.Ca = "0.1 uM"
initial.B = { total = "50 uM", at = "steady" }
initial.CaM_c0n0 = { count = 30 }
initial.K = "10 uM"
"""


def bases() -> list[Base]:
    """The shipped experiments, and others for what those do not show."""
    found = [
        Base("driven", DRIVEN, {}, "2 ms"),
        Base("morphology", MORPHOLOGY, {"cell.swc": SWC}, "0.4 ms"),
        Base("included", INCLUDED, {"chemistry.toml": CHEMISTRY}, "0.4 ms"),
    ]
    for path in sorted(ROOT.glob("examples/*/*.toml")):
        text = path.read_text()
        if "[neuron]" in text:
            text = re.sub(r'^(\s*engine = )"(?!pde)[a-z]+"', r'\1"ode"', text, flags=re.M)
            beside = [p for kind in ("py", "hoc", "swc", "mod") for p in path.parent.rglob(f"*.{kind}")]
            beside += [path.parent / name for name in re.findall(r'^file = "(.+\.toml)"', text, flags=re.M)]
            files = {p.relative_to(path.parent).as_posix(): p.read_text() for p in beside}
            for other in re.findall(r'"(\.\./[^":]+\.py)', text):  # a case has one folder
                files[Path(other).name] = (path.parent / other).read_text()
                text = text.replace(other, Path(other).name)
            found.append(Base(path.stem, text, files, "0.4 ms"))
    return found
