"""The JSON schema of experiments, and what `couple explain` says of every key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from couple.cli.experiments.schema import experiment_schema
from support.command_line import couple
from support.paths import EXAMPLES


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return experiment_schema()


def experiments() -> Iterator[Path]:
    return (p for p in sorted(EXAMPLES.rglob("*.toml")) if "\n[experiment]" in p.read_text())


def test_every_example_is_valid(schema: dict[str, Any]) -> None:
    checker = jsonschema.Draft202012Validator(schema)
    for path in experiments():
        assert not [e.message for e in checker.iter_errors(tomllib.loads(path.read_text()))], path


@pytest.mark.parametrize(
    ("given", "instead"),
    [
        ('exchange = "0.1 ms"', "exchange = 0.1"),
        ('exchange = "0.1 ms"', 'exchnage = "0.1 ms"'),
        ('engine = "lattice"', "engine = 3"),
        ("lattice.spacing", "lattice.spcing"),
        ('scheme = "staggered"', 'scheme = "both"'),
    ],
)
def test_what_is_wrong_is_not_valid(schema: dict[str, Any], given: str, instead: str) -> None:
    text = (EXAMPLES / "spine" / "spine.toml").read_text()
    assert text.count(given) >= 1
    checker = jsonschema.Draft202012Validator(schema)
    assert list(checker.iter_errors(tomllib.loads(text.replace(given, instead))))


def tables(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every table of an experiment, with its keys."""
    places = {"experiment": schema, **schema["$defs"], **schema["$defs"]["SiteBlock"]["properties"]}
    for name, place in places.items():
        yield name, next((c for c in place.get("anyOf", ()) if "properties" in c), place).get("properties", {})


def test_every_key_is_described(schema: dict[str, Any]) -> None:
    silent = [
        f"{t}.{k}" for t, keys in tables(schema) for k, v in keys.items() if not (v.get("description") or "$ref" in v)
    ]
    assert not silent, "say in the docstring of the table what they are"


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "chemistry"),
        ("site", "sections"),
        ("site.head.lattice.spacing", "edge of a lattice cell"),
        ("chemistry.reactions.0.forward", "rate to the right"),
        ("experiment.exchange", "text with a unit"),
        ("spine.s.head.diameter", "mean"),
        ("chemistry.initial.Ca", "total"),
        ("experiment.scheme", '"staggered"'),
        ("chemistry.species.Ca.D", "diffusion coefficient"),
        ("chemistry.units.volume", "compartment"),
        ("features.peak.measure", "bursts"),
        ("site.head.surrogate.models.SK", "text"),
        ("drive.d.clamp", "course"),
    ],
)
def test_explain(key: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("explain", *([key] if key else [])) == 0
    assert says in capsys.readouterr().out


def test_an_unknown_key_names_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert couple("explain", "site.head.lattice.spcing") == 2
    assert 'site.head.lattice has no key "spcing"; did you mean "spacing"?' in capfd.readouterr().err


def test_the_command_writes_it(schema: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert couple("schema", "--out", str(tmp_path / "couple.json")) == 0
    assert json.loads((tmp_path / "couple.json").read_text()) == schema
    assert couple("schema") == 0
    assert json.loads(capsys.readouterr().out) == schema
