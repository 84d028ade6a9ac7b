"""What files give is where engines of real numbers start from: 10.4 molecules are 10.4."""

from __future__ import annotations

from pathlib import Path

import pytest

from couple.chemistry.reaction import Species
from couple.simulation.simulation import Simulation
from support.chemistry_files import ONE, experiment, sbml
from support.networks import build


@pytest.mark.parametrize(
    "engine", ["ode", "langevin", "cme", "surrogate", pytest.param("pde", marks=pytest.mark.acceptance)]
)
def test_what_files_give_starts_as_it_is(tmp_path: Path, engine: str) -> None:
    decay = build([Species("A"), Species("B")], [("A -> B", "2 /s")])
    files = {"net": "begin species\n1 A() 10.4\n2 B() 0\nend species\nbegin reactions\n1 1 2 2\nend reactions\n"}
    files["xml"] = sbml(decay, (10.4, 0.0), ONE, 3, amounts=False)
    for suffix, text in files.items():
        units = {"units": {"amount": "count", "volume": "1 um^3"}} if suffix == "net" else {}
        made = experiment(tmp_path, text, suffix, **units).changed(f"site.s.engine={engine}")
        (started,) = Simulation.in_memory(made).system.engines
        assert started.read("counts")[0, 0] == pytest.approx(10.4, rel=1e-9), suffix
