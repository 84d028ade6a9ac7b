"""Models as they are published, with sites that listen: what NEURON gives alone; stopped and resumed; seeds.

The traits are in `support.published.traits`. Each model runs in NEURON alone, in a process that knows nothing of
couple, and under couple.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adapters.neuron.alone.run import run_bare
from adapters.neuron.mechanisms import nmodl
from couple.base.arrays import Floats
from couple.ensemble.seeds import run_seed
from support.paths import SUPPORT, TESTS
from support.published.coupled import EXPERIMENT
from support.published.traits import TRAITS, Trait

MOD = SUPPORT / "published" / "mod"
RUN = ["run", "run.toml", "--quiet", "--no-figure"]
HALF = ["--set", "experiment.duration=10 ms"]
RESUME = ["resume", "half/checkpoint.h5", "--until", "20 ms", "--quiet", "--no-figure"]
CHECK = ["check", "run.toml", "--against-neuron", "--until", "10 ms"]

EVERYDAY = ("pool", "normrand", "static", "hoc_event")

pytestmark = pytest.mark.skipif(nmodl.nrnivmodl() is None, reason="MOD files need a compiler")


def over(traits: Sequence[Trait]) -> pytest.MarkDecorator:
    """A test of each of these traits; of those that are no everyday ones, in the long campaigns."""
    marks = {True: (), False: (pytest.mark.acceptance,)}
    given = [pytest.param(trait, id=trait.name, marks=marks[trait.name in EVERYDAY]) for trait in traits]
    return pytest.mark.parametrize("trait", given)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder for each trait that is tested now, with all runs of it."""
    place = tmp_path_factory.mktemp("published")
    wanted = {
        item.callspec.params["trait"].name
        for item in request.session.items
        if hasattr(item, "callspec")
        if "trait" in item.callspec.params
    }
    traits = [trait for trait in TRAITS if trait.name in wanted]
    for trait in (*traits, Trait("first", TRAITS[0].text)):
        (place / trait.name).mkdir()
        (place / trait.name / "cell.hoc").write_text(trait.text)
        (place / trait.name / "run.toml").write_text(_experiment(trait))
    library = nmodl.library(sorted(MOD.glob("*.mod")), "model")
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    run_bare([_alone(trait, place, library) for trait in traits])
    coupled = [sys.executable, "-m", "support.published.coupled", str(place)]
    first = [(trait.name, [*_other(trait), _half(trait)]) for trait in traits]
    second = [
        (
            trait.name,
            [
                *([] if trait.refused else [RESUME]),
                [*RUN, "--out", "whole"],
                *_alone_of_ensemble(trait),
                *([] if trait.name in EVERYDAY else [CHECK]),
            ],
        )
        for trait in traits
    ]
    rounds = json.dumps([first, second])
    subprocess.run(coupled, env=environment, check=True, input=rounds, text=True, stdout=subprocess.DEVNULL)
    return place


def _alone(trait: Trait, place: Path, library: Path) -> dict[str, Any]:
    """What `adapters/neuron/alone/bare.py` is asked for."""
    return {
        "folder": str(place / trait.name), "model": "cell.hoc", "function": "", "arguments": [],
        "library": str(library),
        "before": [], "after": [], "uninsert": [], "set": {}, "currents": [], "dt": 0.025, "celsius": None,
        "v_init": None, "cvode_off": False, "secondorder": None, "start": trait.start, "steps": 800,
        "segments": [[0, 0.5]], "out": "alone.npy",
    }  # fmt: skip


def _experiment(trait: Trait) -> str:
    checkpoint = "" if trait.refused else '[checkpoint]\nevery = "10 ms"'
    return EXPERIMENT.format(mod=MOD, neuron=trait.neuron, checkpoint=checkpoint)


def _half(trait: Trait) -> list[str]:
    """Half of the run; where that needs a checkpoint which is refused, this is what is asked for."""
    return [*RUN, "--out", "half", *(["--until", "10 ms"] if trait.refused else HALF)]


def _other(trait: Trait) -> list[list[str]]:
    """Where chance acts, a run with another seed."""
    return [[*RUN, "--out", "other", "--set", "experiment.seed=2"]] if trait.random else []


def _alone_of_ensemble(trait: Trait) -> list[list[str]]:
    """Where chance acts, an ensemble of two runs, and its second run by itself."""
    seed = run_seed(0, 1)
    sample = ["sample", "run.toml", "--runs", "2", "--jobs", "1", "--out", "ensemble", "--quiet"]
    return [sample, [*RUN, "--out", "second", "--set", f"experiment.seed={seed}"]] if trait.random else []


def voltage(folder: Path) -> Floats:
    """V of soma(0.5) at every step."""
    with h5py.File(folder / "results.h5") as file:
        return np.asarray(file["neuron/v"][:, 0])


@over(TRAITS)
def test_listening_changes_nothing(campaign: Path, trait: Trait) -> None:
    alone = np.load(campaign / trait.name / "alone.npy")[:, 0]
    coupled = voltage(campaign / trait.name / "whole")
    assert np.ptp(alone) > 5, "nothing happens in the model"
    assert np.array_equal(coupled, alone[::4])


@over([trait for trait in TRAITS if trait.name not in EVERYDAY])
def test_check_says_so(campaign: Path, trait: Trait) -> None:
    assert f"exit 0: {' '.join(CHECK)}" in (campaign / trait.name / "log.txt").read_text()


@over(TRAITS)
def test_resumed_is_never_stopped_or_is_refused_by_name(campaign: Path, trait: Trait) -> None:
    folder = campaign / trait.name
    if trait.refused:
        assert trait.refused in (folder / "log.txt").read_text()
    else:
        assert np.array_equal(voltage(folder / "half"), voltage(folder / "whole"))


@over([trait for trait in TRAITS if trait.random])
def test_another_seed_is_another_run(campaign: Path, trait: Trait) -> None:
    folder = campaign / trait.name
    assert not np.array_equal(voltage(folder / "other"), voltage(folder / "whole"))


@over([trait for trait in TRAITS if trait.random])
def test_a_run_of_an_ensemble_is_the_run_of_its_seed(campaign: Path, trait: Trait) -> None:
    with h5py.File(campaign / trait.name / "ensemble" / "ensemble.h5") as file:
        first, second = file["neuron/v"][:, :, 0]
    assert np.array_equal(second, voltage(campaign / trait.name / "second"))
    assert not np.array_equal(first, second)
