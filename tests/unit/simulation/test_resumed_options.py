"""Every option of every engine: a run that is stopped, and goes on from its file, is the run in one go to the bit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from couple.base import registry
from couple.experiment import Experiment
from reducers.accuracy.model import chemistry_digest
from support.command_line import assert_equal_results, couple
from support.our_files import write_an_accuracy
from support.paths import EXAMPLES, SUPPORT

EXPERIMENT = """
[experiment]
name = "options"
duration = "DURATION"
exchange = "0.1 ms"

[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = { D = "30 um^2/s" }
species.CaB = { D = "30 um^2/s", contains = { Ca = 1 } }
species.P = { on = "membrane" }
species.CaP = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.bound = ["CaB", "CaP"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "2.47e8 /M/s", backward = "524 /s" },
  { equation = "Ca + P <-> CaP", forward = "1.5e8 /M/s", backward = "15 /s" },
  { equation = "CaP -> P + Ca_out", forward = "12 /s" },
]
initial.Ca = "1.03 uM"
initial.B = "10 uM"
initial.P = "300 /um^2"

[[site]]
name = "head"
GEOMETRY
SITE

[[drive]]
to = "head.Ca"
influx = { times = "0 0.3 0.7 1 ms", rate = "60 90 20 0 /ms" }

[record]
species = "all"
"""
PAPER = """
[experiment]
name = "options"
duration = "20 steps"
exchange = "1 step"

[chemistry]
species.A = {}
reactions = [
  { equation = "2 A -> 0", forward = "0.2 per encounter" },
  { equation = "A -> 2 A", forward = "0.02 per step" },
]
INITIAL

[[site]]
name = "head"
engine = "lattice"
lattice.mode = "paper"
SITE
"""
CHANNELS = (EXAMPLES / "adaptive" / "burst.toml").read_text().replace('"300 ms"', '"4 ms"')
CHANNELS = (
    CHANNELS.replace("100 101 115 116 ms", "0 0.5 1.5 2 ms").replace("\nadaptive", "\n#").replace("\nlattice", "\n#")
)

CYLINDER = 'geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }'
MASKED = 'lattice.mask = "mask.npy"\nlattice.spacing = "20 nm"'
SK = f'{{ SK = "{EXAMPLES}/sk/sk.h5" }}'

CASES = {
    "adaptive": """
        adaptive.engines = ["ode", "ssa", "lattice"]
        adaptive.few = 30
        adaptive.gradient = 0.02
        adaptive.hysteresis = 1.2
        adaptive.species = ["Ca"]
        adaptive.memory = "0.3 ms"
        adaptive.every = "0.2 ms"
        adaptive.dwell = "0.2 ms"
        adaptive.options.lattice = { spacing = "20 nm" }
        adaptive.options.ode = { rtol = 1e-6 }""",
    "adaptive, error": """
        adaptive.engines = ["ode", "ssa"]
        adaptive.accuracy = "accuracy.h5"
        adaptive.error = "10 %"
        adaptive.every = "0.2 ms"
        adaptive.dwell = '0.2 ms'""",
    "adaptive, rule": f"""
        adaptive.engines = ["langevin", "gridded"]
        adaptive.rule = "{SUPPORT}/rules/there_and_back.py:gridded"
        gridded.spacing = "100 nm\"""",
    "ecell4_meso": 'ecell4_meso.spacing = "0.1 um"',
    "gridded": 'gridded.spacing = "0.1 um"\ngridded.mask = "mask.npy"',
    "knp": """
        knp.cells = "interval"
        knp.resolution = "150 nm"
        knp.degree = 2
        knp.rtol = 1e-6
        knp.atol = 1e-5
        knp.step = "0.05 ms\"""",
    "knp, neck": """
        knp.neck = { diameter = "0.2 um", length = "0.3 um" }
        knp.head = { diameter = "0.5 um", length = "0.5 um" }
        knp.steps = 2
        knp.resolution = "200 nm\"""",
    "langevin": "langevin.accuracy = 0.05",
    "lattice": f'{MASKED}\nlattice.boundary = {{ x = "absorbing", y = "periodic" }}\nlattice.permeability = "300 um/s"',
    "lattice, cells": """
        lattice.shape = [20, 20, 20]
        lattice.spacing = "20 nm"
        lattice.moments = true
        lattice.snapshots = true""",
    "lattice, shapes": """
        lattice.spacing = "20 nm"
        lattice.shapes = [
          { sphere = { diameter = "0.4 um" } }, { sphere = { diameter = "0.3 um" }, at = "0 0 0.2 um" }
        ]""",
    "ode": "ode.rtol = 1e-7\node.atol = 1e-6",
    "ode, steps": "ode.steps = 5",
    "pde": 'pde.cells = "interval"\npde.resolution = "40 nm"\npde.degree = 2\npde.rtol = 1e-6\npde.atol = 1e-5',
    "pde, steps": 'pde.resolution = "150 nm"\npde.steps = 3',
    "pde, neck": """
        pde.neck = { diameter = "0.2 um", length = "0.3 um" }
        pde.head = { diameter = "0.5 um", length = "0.5 um" }
        pde.resolution = "150 nm\"""",
    "spde": 'spde.cells = "interval"\nspde.resolution = "150 nm"\nspde.step = "0.02 ms"',
    "spatiocyte": 'spatiocyte.spacing = "30 nm"',
    "ssa": "",
    "surrogate": "",
    "surrogate, copy numbers": "",
    "surrogate, field": "",
    "surrogate, field, mean": "",
    "surrogate, machine": "",
    "surrogate, models": f"surrogate.models = {SK}\nsurrogate.accuracy = 0.01",
    "surrogate, mean": f'surrogate.models = {SK}\nsurrogate.law = "mean"\nsurrogate.step = "0.05 ms"',
    "paper": 'lattice.shape = [8, 8, 8]\nlattice.selection = "row_first"\nlattice.moments = true',
    "paper, drawn": """
        lattice.shape = [300]
        lattice.couplings = { h = -0.5, J = 0.3, K = 0.1 }
        lattice.reservoirs = [{ species = "A", at = [3], fill = 0.4 }, { species = "A", at = [290], drain = 0.5 }]
        lattice.snapshots = true""",
    "cme": "cme.leak = 1e-10\ncme.states = 50000",
}
"""Name of an engine, and what is meant → the lines of its site."""

SLOW = ("pde", "knp", "spde", "cme")

FAMILIES = {"copy numbers": "kinase", "field": "camkii", "machine": "array"}
"""What a case of the surrogate means → the example whose burst.toml has a learned model of that family."""

ELSEWHERE = {
    "pde": {"ranks", "mesh", "mesh_unit"},
    "knp": {"ranks", "mesh", "mesh_unit"},
    "spde": {"mesh", "mesh_unit", "degree", "neck", "head"},
}
"""Options whose states are compared in the tests of meshes, and of sites that ranks share."""


def family_text(example: str, *, mean: bool) -> str:
    """A few windows of an example's burst, its calcium at once."""
    text = (EXAMPLES / example / "burst.toml").read_text()
    text = re.sub(r'duration = "\d+ ms"', 'duration = "4 ms"', text)
    text = re.sub(r'times = ".*"', 'times = "0 0.5 1.5 2 ms"', text)
    text = re.sub(r'rate = ".*ms"', 'rate = "0 900 900 0 /ms"', text)
    models = f'models = ["{EXAMPLES}/{example}/{example}.h5"]'
    return re.sub(r"models = \[.*\]", models + ('\nsurrogate.law = "mean"' if mean else ""), text)


def text_of(name: str) -> str:
    """The experiment of a case."""
    engine, lines = name.partition(",")[0], "\n".join(line.strip() for line in CASES[name].splitlines())
    family = FAMILIES.get(name.removeprefix("surrogate, ").removesuffix(", mean"))
    if engine == "surrogate" and family is not None:
        return family_text(family, mean=name.endswith("mean"))
    if engine == "paper":
        return PAPER.replace("SITE", lines).replace(
            "INITIAL", "" if "couplings" in lines else "initial.A = { count = 40 }"
        )
    lines = f'engine = "{engine}"\n{lines}'
    if "models" in lines:
        return CHANNELS.replace('engine = "adaptive"', lines)
    own = any(word in lines for word in ("mask", "shape", "neck"))
    text = EXPERIMENT.replace("SITE", lines).replace("GEOMETRY", "" if own else CYLINDER)
    if engine == "cme":
        text = (
            text.replace('"0.5 um"', '"0.2 um"').replace('"300 /um^2"', '"40 /um^2"').replace("60 90 20 0", "6 9 2 0")
        )
    return text.replace("DURATION", "0.4 ms" if engine in SLOW else "2 ms")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("options")
    inside = np.ones((20, 20, 20), dtype=bool)
    inside[:7, :7, :7] = False
    np.save(found / "mask.npy", inside)
    (found / "experiment.toml").write_text(text_of("adaptive"))
    network = Experiment.load(found / "experiment.toml").network()
    write_an_accuracy(found / "accuracy.h5", chemistry_digest(network))
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_stopped_run_goes_on_to_the_bit(name: str, folder: Path, tmp_path: Path) -> None:
    file, quiet = folder / "experiment.toml", ("--quiet", "--no-figure")
    file.write_text(text_of(name))
    straight, stopped = str(tmp_path / "straight"), str(tmp_path / "stopped")
    until = "9 steps" if name.startswith("paper") else "0.2 ms" if name.split(",")[0] in SLOW else "1 ms"
    assert couple("run", str(file), "--out", straight, *quiet) == 0
    assert couple("run", str(file), "--out", stopped, "--until", until, *quiet) == 0
    with pytest.raises(AssertionError):
        assert_equal_results(Path(straight, "results.h5"), Path(stopped, "results.h5"))
    assert couple("resume", stopped, *quiet) == 0
    assert_equal_results(Path(straight, "results.h5"), Path(stopped, "results.h5"))


def test_every_option_of_every_engine_is_among_them() -> None:
    named = "\n".join(line for name in CASES for line in text_of(name).splitlines() if not line.startswith("#"))
    for engine in registry.names("couple.engines"):
        options = registry.load("couple.engines", engine).Options.model_fields
        missing = {o for o in options if f"{engine}.{o}" not in named} - ELSEWHERE.get(engine, set())
        assert not missing, f"{engine}: no run with {missing} is stopped here"
