"""Errors in options of the adaptive engine, and of the engines that it may take, name the key as it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring import wire


def wired(folder: Path, engine: str, **tables: dict[str, Any]) -> None:
    source = {
        "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {"species": {"Ca": {"D": "10 um^2/s"}}, "initial": {"Ca": {"count": 5}}},
        "site": [{"name": "s", "engine": engine, "geometry": {"sphere": {"diameter": "1 um"}}, **tables}],
    }
    wire(Experiment.parse(source, path=folder / "x.toml"))


TWO = ["ode", "ssa"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accuracy": "no.h5", "error": "5 %"}, r"site\[0\]\.adaptive\.accuracy: .*no\.h5: no such file"),
        ({"rule": "no.py:choose"}, r"site\[0\]\.adaptive\.rule: .*no\.py: cannot be read"),
        ({"species": ["Cb"]}, r'site\[0\]\.adaptive\.species: unknown species "Cb"'),
        ({"engines": ["ode", "sssa"]}, r'site\[0\]\.adaptive: engines: unknown engine "sssa"'),
        ({"accuracy": "no.h5"}, r"site\[0\]\.adaptive: accuracy: needs error"),
    ],
)
def test_its_own_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wired(tmp_path, "adaptive", adaptive={"engines": TWO, **options})


@pytest.mark.parametrize("engine", ["lattice", "adaptive"])
def test_options_of_a_lattice(tmp_path: Path, engine: str) -> None:
    lattice = {"spacing": "50 nm", "boundary": "periodic"}
    tables = {"lattice": lattice, **({"adaptive": {"engines": ["ode", "lattice"]}} if engine == "adaptive" else {})}
    with pytest.raises(InputError, match=r"site\[0\]\.lattice\.boundary: .*the walls of a sphere reflect"):
        wired(tmp_path, engine, **tables)
