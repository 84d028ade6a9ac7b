"""Files of the small experiments."""

from __future__ import annotations

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
allowed = 1e6
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
