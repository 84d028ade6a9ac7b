"""Molecules on a grid that excite their neighbours: who is next to whom, and mass action where nobody is."""

from __future__ import annotations

import numpy as np
import pytest

from couple.base.errors import InputError
from couple.chemistry.library import ready_made
from couple.chemistry.library.array import Array
from support.machine_cases import RATES, array_network


def test_each_molecule_acts_on_its_neighbours_both_ways() -> None:
    grid = Array.model_validate({"shape": [3, 4], **RATES})
    pairs = list(grid.neighbours())
    degree = np.bincount([i for i, _ in pairs])
    assert len(pairs) == 12 * 4 and (degree == 4).all() and {(j, i) for i, j in pairs} == set(pairs)
    open_ends = Array.model_validate({"shape": [3, 4], "periodic": False, **RATES})
    assert len(list(open_ends.neighbours())) == 2 * (2 * 4 + 3 * 3)
    assert len(list(Array.model_validate({"shape": [2], **RATES}).neighbours())) == 2, "no pair twice"


def test_what_is_in_the_network() -> None:
    network = array_network()
    assert len(network.species) == 1 + 27 and len(network.reactions) == 9 * 4 + 9 * 4
    held = {s.name: dict(s.contains) for s in network.species}
    assert held["R3"] == {} and held["CaR3"] == held["aR3"] == {"Ca": 1}
    assert set(network.observables) == {"R_bound", "R_active"}
    assert sum("CaR0 + aR1 -> aR0 + aR1" in str(r) for r in network.reactions) == 1


@pytest.mark.parametrize(
    ("options", "where"), [({"shape": []}, "shape"), ({"name": "R 1"}, "name"), ({"bond": "1 /s"}, "bond")]
)
def test_bad_options_are_one_line(options: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as error:
        ready_made("array", {**RATES, **options})
    assert where in str(error.value) and "\n" not in str(error.value)
