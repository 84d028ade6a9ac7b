"""Every command that reads a binary file, with a damaged one: one line, or what was lost is made again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.damaged_files import damaged
from support.ensembles import assert_same
from support.reading_commands import READING, place_all

COPIES = 4


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_all(tmp_path_factory.mktemp("inputs"))


@pytest.mark.parametrize("name", READING)
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
