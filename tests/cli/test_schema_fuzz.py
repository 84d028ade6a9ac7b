"""Every field of the schemas, engines' options and trainings too, takes absurd values with one line and in no time."""

import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel, field_validator

from couple.base import registry
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring import wire
from couple.wiring.sites.engine_choice import load_engines
from support import schema_fuzzing, schema_walk
from support.paths import ROOT, TESTS

SECONDS = 5
"""Of work that a value may take until it is refused or taken; others may have the processor meanwhile."""


class SlowError(Exception):
    """What takes too long is interrupted by this."""


@contextmanager
def limited(seconds: int = SECONDS) -> Iterator[None]:
    def late(*_: object) -> None:
        raise SlowError(f"more than {seconds} s")

    clocks = {signal.ITIMER_PROF: (signal.SIGPROF, seconds), signal.ITIMER_REAL: (signal.SIGALRM, 20 * seconds)}
    before = {number: signal.signal(number, late) for number, _ in clocks.values()}
    for clock, (_, span) in clocks.items():
        signal.setitimer(clock, span)
    try:
        yield
    finally:
        for clock, (number, _) in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, before[number])


def verdict(call: Callable[[], object]) -> str:
    """What is wrong with how a call ends, "" if it succeeds or refuses with one line."""
    try:
        with limited():
            call()
    except InputError as error:
        if len(str(error)) > 1500:
            return f"says too much: {str(error)[:200]}"
        return "" if error.where else f"does not say where: {error}"
    except Exception as error:  # noqa: BLE001 - whatever a user would see
        return f"{type(error).__name__}: {str(error)[:300]}"
    return ""


def taken(document: dict[str, object], path: Path) -> None:
    """Read, look up engines, and wire if that needs neither NEURON nor a compiler."""
    experiment = Experiment.parse(document, path=path)
    try:
        load_engines(experiment)
    except InputError as error:
        raise error.inside(experiment.where) from None
    if experiment.neuron is None and not {site.engine for site in experiment.site} & {*schema_fuzzing.SLOW}:
        wire(experiment)


def test_the_walk_reaches_what_is_known_to_be_there() -> None:
    found = {schema_walk.show(path) for path in schema_walk.experiment_paths()}
    assert found >= {
        "experiment.duration",
        "spine[0].head.diameter.mean",
        "network.population[0].count",
        "site[0].lattice.spacing",
        "site[0].geometry.box.size",
        "link[0].through.conductance",
        "chemistry.include.camkii.D_CaM",
        "drive[0].clamp.values",
    }
    for engine in registry.names("couple.engines"):
        options = registry.load("couple.engines", engine).Options.model_fields
        assert {f"site[0].{engine}.{name}" for name in options} <= found
    assert len(found) > 200


def test_absurd_values_are_refused_in_one_line(tmp_path: Path) -> None:
    among = {k: v for k, v in schema_fuzzing.documents().items() if not v[0].files}
    wrong = []
    for name, path, value, document in schema_fuzzing.cases(400, 1, among=among):
        if found := verdict(lambda document=document: taken(document, tmp_path / "case.toml")):
            wrong.append(f"{name}: {schema_walk.show(path)} = {str(value)[:60]!r}: {found}")
    assert not wrong, "\n".join(wrong)


def test_absurd_values_in_trainings_are_refused_in_one_line() -> None:
    wrong, classes = [], schema_walk.training_classes()
    examples = [tomllib.loads(p.read_text()) for p in sorted(ROOT.glob("examples/*/*.toml"))]
    for one in classes:
        fits = [d for d in examples if "train" in d and not verdict(lambda d=d, one=one: one.read(d, "train.toml"))]
        assert fits, one
        for k, path in enumerate(schema_walk.walk(one)):
            for value in schema_walk.ABSURD[k % 7 :: 7]:
                document = schema_walk.put(fits[k % len(fits)], path, value)
                if document is None:
                    continue
                if found := verdict(lambda document=document, one=one: one.read(document, "train.toml")):
                    wrong.append(f"{one.__name__}: {schema_walk.show(path)} = {str(value)[:60]!r}: {found}")
    assert not wrong, "\n".join(wrong)


class Careless(BaseModel):
    """The control: a schema whose validator was not careful."""

    length: str = "1 um"

    @field_validator("length")
    @classmethod
    def _counted(cls, text: str) -> str:
        return text[0] + text[1:]


def test_the_walk_and_the_judge_see_what_is_careless() -> None:
    assert list(schema_walk.walk(Careless)) == [("length",)]
    found = [verdict(lambda value=value: Careless(length=value)) for value in ("", "x", "y" * 10)]
    assert "IndexError" in found[0] and found[1:] == ["", ""]

    def endless() -> None:
        while True:
            pass

    with pytest.raises(SlowError), limited(1):
        endless()


@pytest.mark.acceptance
def test_a_thousand_absurd_values_through_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "support.schema_fuzzing", "1000", "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len({line["case"] for line in lines}) == 1000
    wrong = [line for line in lines if line["wrong"]]
    assert not wrong, "\n\n".join(f"{w['base']}: {w['what']}\n{w['wrong']}\n{w['says']}" for w in wrong)
    assert {line["code"] for line in lines} >= {0, 2}
