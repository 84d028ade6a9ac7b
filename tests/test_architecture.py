"""Arrows point one way: adapters → reducers → couple; heavy imports stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

ABOVE = {"couple": {"adapters", "reducers"}, "reducers": {"adapters"}, "adapters": set()}
MODULES = sorted(p for layer in ABOVE for p in (ROOT / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_imports_a_layer_above_its_own(path: Path) -> None:
    assert not imported(path) & ABOVE[path.relative_to(ROOT).parts[0]]


def test_the_core_imports_no_engine_no_neuron_no_matplotlib() -> None:
    code = (
        "import sys, couple.cli.main, couple.simulation.simulation, couple.wiring, couple.analysis.plot;"
        "print([m for m in ('neuron', 'matplotlib', 'mpi4py', 'adapters', 'reducers') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
