"""What every command prints with --json: one document, nothing else, of the schema that `couple schema` shows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from couple.base.signals import Stop
from couple.cli.output.document import document_schema, print_json
from support.called_commands import commands, place, place_more
from support.command_line import couple
from support.doc_pages import generated_pages

CALLS: dict[str, list[str]] = {
    "run": ["box.toml --out new --no-figure", "sky.toml --out sky --no-figure"],
    "check": ["box.toml", "box.toml --resolved"],
    "show": ["drawn", "many", "half"],
    "sample": ["box.toml --runs 2 --jobs 1 --out many"],
    "branch": ["half --runs 2 --jobs 1 --out branches"],
    "resume": ["half --no-figure", "many --quiet"],
    "export": ["drawn", "box.toml --to net --out box.net"],
    "repack": ["drawn/results.h5 again.h5"],
    "features": ["drawn --from features.toml", "many --from features.toml"],
    "init": ["mine", "learned --template train"],
    "examples list": [""],
    "examples copy": ["sk"],
    "explain": ["", "site.head.lattice.spacing", "experiment.scheme"],
    "schema": ["", "run", "examples copy", "--out box.json"],
    "import-msm": ["chain.csv --lag '1 ms'"],
    "import-pool": ["pool.mod"],
}
"""Command → arguments of calls, one after the other in a folder with what `place` puts there."""

LONG = {
    "compare": ["drawn many --no-figure"],
    "doctor": [""],
    "infer": ["line.toml --no-figure"],
    "model": ["trained"],
    "plot": ["drawn --kind timing"],
    "population": ["patterns.toml --no-figure"],
    "posterior": ["posterior.h5", "posterior.h5 --out draws.csv"],
    "regimes": ["box.toml --engines 'ssa ode' --runs 3 --seconds 1 --no-figure"],
    "report": ["drawn"],
    "reproduce": ["", "point-source --out reproduced"],
    "sample": ["box.toml --runs 2 --jobs 1 --out varied --vary 'chemistry.initial.A.count=1 2'"],
    "train": ["train.toml --no-figure --out new-training"],
}
"""Those that take longer, of the acceptance runs."""


def refused(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def documents(name: str, command: Any, calls: list[str], capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """What is wrong with what a command prints."""
    schema = document_schema(command.callback)
    assert schema is not None, f"couple {name} says nothing of its JSON"
    checker = jsonschema.Draft202012Validator(schema)
    for call in calls:
        capsys.readouterr()
        code = couple(*name.split(), *shlex.split(call), "--json")
        printed = capsys.readouterr()
        if code not in (0, 1) or "error:" in printed.err:
            yield f"couple {name} {call}: exit code {code}: {printed.err}"
            continue
        content = json.loads(printed.out, parse_constant=refused)
        yield from (f"couple {name} {call}: {e.json_path}: {e.message[:200]}" for e in checker.iter_errors(content))


def test_every_command_prints_what_its_schema_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place(tmp_path))
    there = dict(commands())
    assert there.keys() == {*CALLS, *LONG, "view"}
    wrong = [text for name, calls in CALLS.items() for text in documents(name, there[name], calls, capsys)]
    assert not wrong, "\n".join(wrong)


class Stopped(Stop):
    """Somebody has pressed Ctrl-C."""

    @contextmanager
    def listening(self) -> Iterator[None]:
        self.signal = "SIGINT"
        yield


@pytest.mark.acceptance
def test_view_says_where_it_serves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place(tmp_path))
    monkeypatch.setattr("couple.base.signals.Stop", Stopped)
    assert not [*documents("view", dict(commands())["view"], ["drawn"], capsys)]


@pytest.mark.acceptance
@pytest.mark.parametrize("name", LONG)
def test_so_do_those_that_take_longer(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place_more(place(tmp_path)))
    wrong = [*documents(name, dict(commands())[name], LONG[name], capsys)]
    assert not wrong, "\n".join(wrong)


def test_every_schema_describes_and_closes_its_tables() -> None:
    """No key may come that the reference does not show, but in the summaries of trainings."""
    for name, command in commands():
        schema = document_schema(command.callback)
        assert schema is not None, name
        tables = [one for one in (schema, *schema.get("$defs", {}).values()) if "properties" in one]
        open_ones = {one["title"] for one in tables if one.get("additionalProperties") is not False}
        assert open_ones <= {"TrainingOutput"}, name
        assert all(one.get("description") for one in tables), name


def test_a_key_that_no_schema_has_is_found() -> None:
    """The control."""
    schema = document_schema(dict(commands())["report"].callback)
    assert schema is not None
    checker = jsonschema.Draft202012Validator(schema)
    assert not [*checker.iter_errors({"file": "a.html"})]
    assert [*checker.iter_errors({"file": "a.html", "fiel": 1})] and [*checker.iter_errors({})]


def test_numbers_that_are_not_finite_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (float("-inf"),)}})
    assert json.loads(capsys.readouterr().out, parse_constant=refused) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"d": [None]},
    }


def test_the_schema_of_what_is_no_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("schema", "rnu") == 2
    assert 'there is no command "rnu"; did you mean "run"' in capsys.readouterr().err
    assert couple("schema", "examples") == 2
    assert "give one of list, copy" in capsys.readouterr().err


def test_the_reference_shows_every_key() -> None:
    text, shown = generated_pages().json_page(), dict[str, Any]()
    for name, command in commands():
        schema = document_schema(command.callback)
        assert schema is not None and f"`couple {name}`" in text
        tables = schema.get("$defs", {})
        assert all(shown.setdefault(title, table) == table for title, table in tables.items()), "two of a name"
        for table in (schema, *tables.values()):
            assert all(f"| `{key}` |" in text for key in table.get("properties", {})), name
