"""The experiment as it is understood: read again it is the same, for every example and whatever schemas allow."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couple.base import registry
from couple.base.errors import CoupleError, InputError
from couple.base.toml_text import to_toml
from couple.base.units import CANONICAL, QuantityReader, quantity
from couple.cli.experiments.json_output import ResolvedOutput, resolved_output
from couple.cli.main import main
from couple.experiment import Experiment
from couple.experiment.understood.resolved import read_resolved, resolved_tables, resolved_text
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support import input_kinds, schema_fuzzing, schema_walk
from support.paths import EXAMPLES

FILES = [
    path
    for path in sorted(EXAMPLES.glob("*/*.toml"))
    if {"experiment", "site"} <= tomllib.loads(path.read_text()).keys()
]

PLAUSIBLE: list[Any] = [
    *["50 nm", "0.1 ms", "3 s", "2 uM", "1 /s", "0.5 nS", "-60 mV", "2 um^2/s", "1 nA", "100 ohm cm", "1 uF/cm^2"],
    *[
        "0.5 /um",
        "1 2 ms",
        "10 .. 90 um",
        "0.1 0.2 0.3 um",
        "22 celsius",
        "1 um/s",
        "7 steps",
        "ode",
        "Ca",
        "soma(0.5)",
    ],
    *[3, 0.7, True, "periodic", ["Ca", "B"], {"count": 3}, {"mean": "0.5 um", "sd": "30 nm"}, "box.Ca", "a.npy", "Ca"],
]


EACH = 2
"""Values that are tried at a place, of those that fit."""


def content(experiment: Experiment) -> dict[str, Any]:
    """All that the model of an experiment holds, options of the engines in use as those validate them."""
    found = experiment.model_dump()
    for site in found["site"]:
        used = [site["engine"], *site["options"].get("adaptive", {}).get("engines", ())]
        for name in {*used, *site["options"]}:
            table, options = site["options"].get(name, {}), registry.load("couple.engines", name).Options
            site["options"][name] = options.model_validate(table).model_dump() if name in used else table
    return found


def assert_same_again(experiment: Experiment) -> None:
    text = resolved_text(experiment)
    again = Experiment.parse(tomllib.loads(text), path=experiment.path)
    assert content(again) == content(experiment) and again.time_unit == experiment.time_unit
    assert resolved_text(again) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_is_the_same_again(path: Path) -> None:
    experiment = Experiment.load(path)
    assert_same_again(experiment)
    again = Experiment.parse(tomllib.loads(resolved_text(experiment)), path=path)
    assert again.network().reactions == experiment.network().reactions
    assert "file" not in experiment.source["chemistry"] and "include" not in experiment.source["chemistry"]


def valid(path: Path, every: int) -> Iterator[Experiment]:
    """Experiments that differ from small ones in one value, at every n-th place of the schemas, where that can be."""
    documents = {name: document for name, (_, document) in schema_fuzzing.documents().items()}
    bases = {name: d for name, d in documents.items() if not {"file", "include"} & d["chemistry"].keys()}
    for place in schema_walk.experiment_paths()[::every]:
        engine = f"engine {place[2]}" if place[0] == "site" and len(place) > 2 else ""
        depths = {name: schema_walk.depth_in(document, place) for name, document in bases.items()}
        name = engine if engine in bases else max(depths, key=lambda name: depths[name])
        found = 0
        for value in PLAUSIBLE:
            document = schema_walk.put(bases[name], place, value)
            if document is None:
                continue
            try:
                experiment = Experiment.parse(document, path=path)
                content(experiment)
            except (CoupleError, ValueError, TypeError):
                continue
            yield experiment
            found += 1
            if found == EACH:
                break


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.acceptance)])
def test_whatever_the_schemas_allow_is_the_same_again(tmp_path: Path, every: int) -> None:
    tried = 0
    for experiment in valid(tmp_path / "x.toml", every):
        assert_same_again(experiment)
        tried += 1
    assert tried > 100 / every, tried


def test_quantities_are_in_the_units_of_kernels_and_defaults_are_there(tmp_path: Path) -> None:
    document = schema_fuzzing.small("lattice") | {"checkpoint": {"every": "0.001 s"}}
    document["site"][0]["lattice"] = {"spacing": "50 nm"}
    experiment = Experiment.parse(document, path=tmp_path / "x.toml")
    found = tomllib.loads(resolved_text(experiment))
    assert found["experiment"]["scheme"] == "staggered" and found["checkpoint"] == {"every": "1.0 ms"}
    assert found["chemistry"]["species"]["Ca"]["D"] == "0.22 um^2/ms"
    assert found["site"][0]["lattice"]["spacing"] == "0.05 um" and found["site"][0]["lattice"]["mode"] == "physical"
    shown = resolved_tables(experiment, lambda key, quantity: (key, quantity.unit))
    assert shown["site"][0]["geometry"]["box"]["size"] == ("size", "um")


def test_results_store_what_check_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = input_kinds.sites(tmp_path)
    change = "experiment.duration=0.5 ms"
    run = Simulation.new(Experiment.load(path, [change, "record.every=0.1 ms"]), tmp_path / "out")
    run.run()
    printed = []
    for arguments in (
        ["check", str(path), "--set", change, "--set", "record.every=0.1 ms", "--resolved"],
        ["show", str(tmp_path / "out"), "--experiment"],
        ["check", str(path), "--resolved", "--json"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert not stop.value.code
        printed.append(capsys.readouterr().out)
    with Results(tmp_path / "out") as results:
        stored = str(results.file.attrs["experiment"])
    assert printed[0] == printed[1] == stored and "SK_O2" in stored and 'duration = "0.5 ms"' in stored
    found = ResolvedOutput.model_validate_json(printed[2])
    assert found == resolved_output(Experiment.load(path))
    assert found.experiment["experiment"]["duration"] == {"name": "duration", "unit": "ms", "values": 2.0}
    assert read_resolved(json.dumps({"a": 1})) == {"a": 1}, "files of earlier versions"


def test_nothing_is_loaded_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = input_kinds.cells(tmp_path)
    (tmp_path / "model" / "cell.py").write_text("raise SystemExit('it ran')\n")
    with pytest.raises(SystemExit) as stop:
        main(["check", str(path), "--resolved"])
    assert not stop.value.code and 'model = "model/cell.py:build"' in capsys.readouterr().out


def test_options_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    document = schema_fuzzing.small("lattice")
    document["site"][0]["lattice"]["spacing"] = "3 mm"
    with pytest.raises(InputError, match=r"site\.box\.lattice\.spacing: must be at most 1 um"):
        resolved_text(Experiment.parse(document, path=tmp_path / "x.toml"))


ODD = {
    "a b": 'x"\\\n\x7f',
    "é": [1, 2.5, True],
    "empty": {},
    "none": [],
    "big": 10**20,
    "deep": {"x": {"y.z": [{"w": 1e300}]}},
}


def test_toml_reads_as_it_was_written() -> None:
    tables = {"t": {**ODD, "list": [ODD, {}]}, "many": [ODD, {"inf": math.inf, "left out": None}]}
    found = tomllib.loads(to_toml(tables))
    del tables["many"][1]["left out"]
    assert found == tables
    assert math.isnan(tomllib.loads(to_toml({"t": {"x": math.nan}}))["t"]["x"])


@pytest.mark.parametrize("dimension", CANONICAL)
def test_quantities_are_the_same_to_the_bit(dimension: str) -> None:
    for value in (0.1, 1e-30, 1 / 3, 5e20, -65.0):
        reader = QuantityReader(dimension, quantity)
        assert reader(reader.text(value, reader.unit)) == value
