"""A checkpoint that somebody forged, seal and all: one line, or a run that ends; never a traceback, crash or hang."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from couple import Simulation
from couple.base.errors import CoupleError, InputError
from couple.storage import checkpoint
from support.forged_states import ENGINES, FAMILIES, forged, half_way
from support.reusable_child import ReusableChild

SECONDS = 120.0
"""For a run that takes some ms."""


def walk(engine: str, folder: Path, every: int) -> Counter[str]:
    """How often each forged state (every so many) was refused, failed on its way, or went to its end."""
    path = half_way(engine, folder)
    cases = list(forged(path))[::every]

    def work(number: int) -> str:
        checkpoint.write(path, cases[number][1])
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                Simulation.resumed(path).run()
        except InputError as error:
            return "refused" if "checkpoint.h5" in error.where else f"does not say where: {error}"
        except CoupleError:
            return "failed"
        return "ended"

    child = ReusableChild(work, SECONDS)
    found = {cases[k][0]: child.ask(k) for k in range(len(cases))}
    child.close()
    wrong = {what: said for what, said in found.items() if said not in ("refused", "failed", "ended")}
    assert not wrong, wrong
    return Counter(found.values())


@pytest.mark.parametrize(
    ("engine", "every"),
    [("ssa", 7), ("lattice", 11)] + [pytest.param(e, 1, marks=pytest.mark.acceptance) for e in (*ENGINES, *FAMILIES)],
)
def test_what_no_run_has_written(engine: str, every: int, tmp_path: Path) -> None:
    found = walk(engine, tmp_path / "out", every)
    print(engine, dict(found))
    least = 0.2 if engine in FAMILIES else 0.4  # real numbers of a law, of which most are something that may be
    assert found["refused"] > least * found.total()


@pytest.mark.parametrize("engine", ["ssa", "lattice"])
def test_what_a_run_has_written_goes_on(engine: str, tmp_path: Path) -> None:
    """The control."""
    path = half_way(engine, tmp_path / "out")
    checkpoint.write(path, checkpoint.read(path))
    assert Simulation.resumed(path).run()["status"] == "complete"


def test_a_state_of_another_form_is_one_line(tmp_path: Path) -> None:
    path = half_way("lattice", tmp_path / "out")
    states = checkpoint.read(path)
    name = next(name for name in states if name.startswith("component.") and "site0.places" in states[name])
    wall = np.zeros_like(states[name]["site0.places"])
    for key, value in (("site0.places", None), ("site0.places", wall), ("site0.codes", 3), ("site0.wait", "x")):
        own = {k: v for k, v in states[name].items() if k != key} | ({} if value is None else {key: value})
        checkpoint.write(path, {**states, name: own})
        with pytest.raises(InputError, match=r"checkpoint\.h5"):
            Simulation.resumed(path)
