"""Experiments broken at random never show a traceback, never hang, never write outside OUT; messages say where."""

import json
import os
import subprocess

import pytest

from support import fuzzing
from support.paths import ROOT, TESTS
from support.warm import python


def campaign(cases: int, seed: int) -> list[dict[str, object]]:
    done = subprocess.run(
        python("-m", "support.fuzzing", cases, seed),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def check(lines: list[dict[str, object]], cases: int) -> None:
    assert len({line["case"] for line in lines}) == cases
    wrong = [line for line in lines if line["wrong"]]
    assert not wrong, "\n\n".join(f"{w['base']}: {w['what']}\n{w['wrong']}\n{w['says']}" for w in wrong)
    assert {line["code"] for line in lines} >= {0, 2}  # some cases survive, others are refused


def test_a_few_broken_experiments() -> None:
    check(campaign(7, 1), 7)


@pytest.mark.acceptance
@pytest.mark.parametrize("base", fuzzing.bases(), ids=lambda base: base.name)
def test_what_is_broken_was_whole(base: fuzzing.Base) -> None:
    assert fuzzing.execute(fuzzing.Case(base, "nothing", base.text), ["check", "FILE"]).code == 0


@pytest.mark.acceptance
def test_many_broken_experiments() -> None:
    check(campaign(400, 2), 400)


@pytest.mark.parametrize(
    ("done", "wrong"),
    [
        (fuzzing.Done(None, "", "", [], 60.0), "hangs"),
        (fuzzing.Done(1, "", "Traceback (most recent call last)", [], 1.0), "traceback"),
        (fuzzing.Done(0, "", "", ["work/x"], 1.0), "outside"),
        (fuzzing.Done(-11, "", "", [], 1.0), "exit code"),
        (fuzzing.Done(2, "", "error: site[0].engine: unknown", [], 1.0), "file"),
        (fuzzing.Done(2, "", "error: case.toml: ?", [], 1.0), "key"),
        (fuzzing.Done(2, "", "error: case.toml: site[0].ode.site[0].sections: ?", [], 1.0), "within itself"),
        (fuzzing.Done(2, "", "one\ntwo", [], 1.0), "one line"),
    ],
)
def test_the_judge_sees_each_fault(done: fuzzing.Done, wrong: str) -> None:
    case = fuzzing.Case(fuzzing.bases()[0], "", "")
    assert wrong in str(fuzzing.verdict(done, case))
