"""Random damage to every kind of file that we write: through the one opener, and through every command that reads.

COUPLE_MUTATIONS and COUPLE_CLI_MUTATIONS set how many, of each kind and of each command; COUPLE_MUTATIONS_SEED which.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from reducers.dbd.model.model import ReducedModel
from support.command_line import couple
from support.damaged_files import damaged, verdicts
from support.ensembles import assert_same
from support.our_files import OUR_FILES, OurFile
from support.reading_commands import READING, place_all
from support.reusable_child import ReusableChild

MUTATIONS = int(os.environ.get("COUPLE_MUTATIONS", "10000"))
CLI_MUTATIONS = int(os.environ.get("COUPLE_CLI_MUTATIONS", "100"))
SEED = int(os.environ.get("COUPLE_MUTATIONS_SEED", "1"))

PIECE = 250
"""Mutations that a copy of this process is asked for at a time."""

pytestmark = pytest.mark.acceptance


def count(work: Callable[[int], dict[str, int]], pieces: range, seconds: float) -> Counter[str]:
    """How often each verdict was given, over all pieces."""
    child, found = ReusableChild(work, seconds), Counter[str]()
    for piece in pieces:
        said = child.ask(piece)
        found.update({said: 1} if isinstance(said, str) else said)
    child.close()
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return place_all(tmp_path_factory.mktemp("inputs"))


@pytest.mark.parametrize("kind", [*OUR_FILES, "reduced model"])
def test_through_the_opener(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if kind in OUR_FILES:
        ours = OUR_FILES[kind]
        path = ours.write(tmp_path)
    else:
        ours = OurFile(lambda folder: folder, lambda path: repr(ReducedModel.read(path).theta0.tolist()))
        path = Path(shutil.copy(request.getfixturevalue("inputs") / "trained" / "model.h5", tmp_path))

    def work(piece: int) -> dict[str, int]:
        return Counter(said for said, _ in verdicts(path, ours.read, SEED * 10**6 + piece, PIECE))

    found = count(work, range(MUTATIONS // PIECE), 120)
    print(f"{kind}: {dict(found)}")
    assert set(found) <= {"refused", "same"} and found["refused"] > 0.95 * MUTATIONS


@pytest.mark.parametrize("name", READING)
def test_through_the_commands(name: str, inputs: Path, tmp_path: Path) -> None:
    command, out = READING[name], tmp_path / "out"

    def call() -> tuple[object, str, str]:
        told, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors):
            code = couple(*map(str, command.arguments(inputs, out)))
        return code, told.getvalue(), errors.getvalue()

    def work(piece: int) -> dict[str, int]:
        path = command.prepare(inputs, out)
        if piece < 0:
            code, said, _ = call()
            return {f"whole: {code}": 1, said: 0}
        content = damaged(path.read_bytes(), random.Random(SEED * 10**6 + piece))
        path.write_bytes(content)
        code, said, errors = call()
        lines = [line for line in errors.splitlines() if line.startswith("error: ")]
        if (
            "Traceback" in errors
            or code not in (0, 2)
            or (code == 2 and (len(lines) != 1 or path.name not in lines[0]))
        ):
            return {f"unclear: {code} {errors[-500:]}": 1}
        if code == 2:
            return {"refused": 1}
        if command.remakes:
            assert_same(out / command.remakes, inputs / "many" / command.remakes)
            return {"made again": 1}
        return {"went on": 1, said: 0}

    found = count(work, range(-1, CLI_MUTATIONS), 300)
    print(f"{name}: { {said: n for said, n in found.items() if n} }")
    assert found.pop("whole: 0") == 1
    assert set(+found) <= {"refused", "made again", "went on"}
    assert len(found) - len(+found) <= 1, "where it went on, it said what it says of the whole file"
    assert found["went on"] <= 0.05 * CLI_MUTATIONS
