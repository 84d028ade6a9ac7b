"""Every command that reads a binary file, with a damaged one: one line, or what was lost is made again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.command_line import couple
from support.damaged_files import damaged
from support.ensembles import assert_same
from support.forged_files import ODD, forge, places
from support.reading_commands import READING, place_all

pytestmark = pytest.mark.usefixtures("blank_pictures")

COPIES = 3


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_all(tmp_path_factory.mktemp("inputs"))


LONG = "run a model"
"""Each copy that is not refused at once makes a run: 100 of them are damaged in a campaign."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.acceptance) if name == LONG else name for name in READING]
)
def test_a_damaged_file_is_one_line(
    name: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    command, rng, out = READING[name], random.Random(name), tmp_path / "out"
    for k in range(COPIES):
        path = command.prepare(inputs, out)
        if k:
            path.write_bytes(damaged(path.read_bytes(), rng))
        capsys.readouterr()
        code = command.call(inputs, out)
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        if k == 0:
            assert code == 0, "the control"
        elif command.remakes:
            assert code == 0 and path.name in caplog.text
            assert_same(out / command.remakes, inputs / "many" / command.remakes)
        else:
            assert code == 2 and len(errors) == 1 and path.name in errors[0]


@pytest.mark.parametrize(
    ("shown", "drawn"), [(40, 4), pytest.param(10**6, 10**6, marks=pytest.mark.acceptance, id="all")]
)
def test_a_forged_content_is_one_line(
    shown: int, drawn: int, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sealed, and not as couple writes it: what is missing or odd is said, or does not matter to the command."""
    source, path = inputs / "drawn" / "results.h5", tmp_path / "forged.h5"
    cases = [(place, what) for place in places(source) for what in ODD]
    random.Random(1).shuffle(cases)
    commands = {("show", path): shown, ("plot", path): drawn, ("compare", source, path, "--json"): drawn}
    refused = 0
    for k, ((name, key), what) in enumerate(cases[:shown]):
        forge(source, path, name, key, ODD[what])
        for command in (command for command, count in commands.items() if k < count):
            capsys.readouterr()
            code = couple(*map(str, command))
            errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
            assert code in (0, 1, 2) and len(errors) == (code == 2), (command, name, key, what)
            assert not errors or path.name in errors[0]
            refused += code == 2
    assert refused > 5, "the control"
