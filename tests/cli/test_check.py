"""`couple check`: the plan of an experiment as lines, and as JSON whose numbers carry their units."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.cli.experiments.json_output import CheckOutput
from couple.cli.main import main
from couple.experiment import Experiment
from couple.wiring import make_plan

SITES = """
[experiment]
name = "two"
duration = "3 ms"
exchange = "0.5 ms"

[chemistry]
file = "chemistry.toml"

[[site]]
name = "head"
engine = "ssa"
geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }

[[site]]
name = "shaft"
engine = "ode"
ode.rtol = 1e-7
geometry.cylinder = { diameter = "1 um", length = "2 um" }

[[link]]
from = "head.Ca"
to = "shaft.Ca"
through = { diameter = "0.1 um", length = "0.5 um" }

[[drive]]
to = "head.Ca"
influx = { times = "0 1 ms", rate = "10 /ms" }
"""
CHEMISTRY = """
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
reactions = [{ equation = "Ca -> Ca_out", forward = "1 /s" }]
initial.Ca = { count = 60 }
"""

Check = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "chemistry.toml").write_text(CHEMISTRY)
    path = tmp_path / "two.toml"
    path.write_text(SITES)
    return path


@pytest.fixture
def check(file: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """What `couple check --json` prints."""

    def call(*arguments: str) -> Any:
        with pytest.raises(SystemExit) as stop:
            main(["check", "--json", str(file), *arguments])
        assert not stop.value.code
        return json.loads(capsys.readouterr().out)

    return call


def test_sites_have_geometry_and_options_with_units(check: Check) -> None:
    head, shaft = check()["sites"]
    assert (head["name"], head["engine"], head["options"], head["segments"]) == ("head", "ssa", {}, [])
    assert head["volume"]["unit"] == "um^3"
    assert head["volume"]["values"] == pytest.approx(math.pi * 0.25**2 * 0.5)
    assert head["area"] == {"name": "area", "unit": "um^2", "values": pytest.approx(math.pi * 0.5 * 0.5)}
    assert head["molecules"] == {"Ca": 60}
    assert shaft["options"] == {"rtol": 1e-7}


def test_what_crosses_and_what_is_recorded(check: Check) -> None:
    found = check()
    (neck,), (drive,) = found["necks"], found["drives"]
    assert (neck["from"], neck["to"], neck["conductance"]["unit"]) == ("head.Ca", "shaft.Ca", "um^3/ms")
    assert (drive["to"], drive["kind"], drive["unit"]) == ("head.Ca", "ions", "count")
    assert {"name": "shaft/counts", "unit": "count", "dims": ["site", "species"], "shape": [1, 2]}.items() <= next(
        r for r in found["records"] if r["name"] == "shaft/counts"
    ).items()
    (reaction,) = found["reactions"]
    assert reaction["rate"] == {"name": "rate", "unit": "/ms", "values": pytest.approx(1e-3)}


def test_times_and_files(check: Check, file: Path) -> None:
    found = check("--set", 'experiment.duration="4 ms"')
    assert found["experiment"]["duration"] == {"name": "duration", "unit": "ms", "values": 4.0}
    assert {(Path(f["path"]).name, f["role"], f["sha256"]) for f in found["files"]} == {
        (name, role, hashlib.sha256((file.parent / name).read_bytes()).hexdigest())
        for name, role in (("two.toml", "experiment"), ("chemistry.toml", "chemistry"))
    }


def test_output_is_what_the_schema_says(check: Check) -> None:
    schema = CheckOutput.model_json_schema(mode="serialization")
    assert set(check()) == set(schema["properties"])
    assert {"from", "to", "unit", "function"} <= set(schema["$defs"]["LinkOutput"]["properties"])


def test_a_plan_has_engines_with_validated_options_and_is_frozen(file: Path) -> None:
    plan = make_plan(Experiment.load(file))
    assert [(engine.kind, engine.setup.name) for engine in plan.engines] == [("ssa", "head"), ("ode", "shaft")]
    assert plan.engines[1].setup.options is plan.choices["site[1]"].options
    assert plan.choices["site[1]"].options.rtol == 1e-7
    with pytest.raises(AttributeError):
        plan.sites = ()  # type: ignore[misc,assignment]


def test_options_are_refused_before_anything_is_built(file: Path) -> None:
    with pytest.raises(InputError, match=r"site\[1\]\.ode: unknown key"):
        make_plan(Experiment.load(file, ["site.shaft.ode.rtl=1"]))


def test_the_first_screen_of_many_sites_is_a_screen(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, *blocks = SITES.split("[[site]]")
    spine = blocks[1].split("[[link]]")[0]
    many = "".join("[[site]]" + spine.replace("shaft", f"spine_{k}") for k in range(300))
    file.write_text(head + many + '[[drive]]\nto = "spine_*.Ca"\nclamp = "1 uM"\n')
    printed = {}
    monkeypatch.setenv("COLUMNS", "100")
    for option in ((), ("--all",)):
        with pytest.raises(SystemExit):
            main(["check", str(file), *option])
        printed[option] = capsys.readouterr().out
    assert len(printed[()].splitlines()) <= 24 and "expected cost" in printed[()] and "(300)" in printed[()]
    assert all(f"site spine_{k}:" in printed[("--all",)] for k in range(300))
