"""`couple check --against-neuron`: exact while sites listen, the difference with links, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from couple.cli.main import main

EXPERIMENT = """
[experiment]
name = "sodium"
duration = "6 ms"
exchange = "0.1 ms"
seed = 0
[neuron]
model = "{model}"
dt = "0.025 ms"
celsius = 20
{neuron}
[chemistry]
species.Na = {{}}
initial.Na = "{sodium}"
[[site]]
name = "shell"
segment = "soma(0.5)"
engine = "ode"
geometry.cylinder = {{ diameter = "1 um", length = "20 um" }}
[[link]]
from = "neuron.ina"
to = "shell.Na"
{links}
"""
HOC = """
load_file("stdrun.hoc")
create soma, dend
soma { L = 20  diam = 20  insert hh }
dend { L = 50  diam = 2  nseg = 3  insert pas }
connect dend(0), soma(1)
"""
OWN_INIT = "proc init() { finitialize(v_init)  fcurrent() }"
PYTHON = """
from neuron import h

def build(amplitude):
    soma = h.Section(name="soma")
    soma.L = soma.diam = 20
    soma.insert("hh")
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = 1, 1e9, amplitude
    return soma, clamp
"""
CLOCK = PYTHON.replace("amplitude\n", "amplitude + os.getpid() * 1e-6\n").replace("from", "import os\nfrom", 1)
CURRENT = '[[neuron.current]]\nat = "soma(0.5)"\nstart = "1 ms"\nduration = "1 s"\namplitude = "0.3 nA"'
SPINE = """
[[spine]]
name = "s"
head = { diameter = "0.5 um", length = "0.5 um" }
neck = { diameter = "0.1 um", length = "1 um" }
place = { on = "dend", count = 1 }
"""
HANDED = '[[link]]\nfrom = "shell.Na"\nto = "neuron.nai"'

Answer = tuple[int, dict[str, Any]]


def compare(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    model: str,
    text: str,
    neuron: str = "",
    links: str = "",
    sodium: str = "10 mM",
) -> Answer:
    """Exit code and what `--json` says of the comparison."""
    (folder / model.split(":")[0]).write_text(text)
    content = EXPERIMENT.format(model=model, neuron=neuron, links=links, sodium=sodium)
    (folder / "run.toml").write_text(content)
    with pytest.raises(SystemExit) as end:
        main(["check", str(folder / "run.toml"), "--against-neuron", "--json"])
    return int(end.value.code or 0), json.loads(capsys.readouterr().out)["against_neuron"]


def test_a_listener_changes_nothing_and_a_link_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    neuron = 'set = { "soma.gnabar_hh" = 0.15 }\n' + CURRENT
    code, found = compare(tmp_path, capsys, "cell.hoc", HOC + OWN_INIT, neuron, HANDED)
    assert code == 0 and found["listening"]["exact"] and found["listening"]["spikes_alone"] >= 1
    assert not found["linked"]["exact"] and found["linked"]["largest"]["values"] > 0.1
    for expected in ("its own init()", "neuron.nai of soma(0.5)"):
        assert any(expected in line for line in found["changes"])


@pytest.mark.parametrize("links", ["", SPINE])
def test_models_in_python_and_with_spines(tmp_path: Path, capsys: pytest.CaptureFixture[str], links: str) -> None:
    model, text, neuron = ("cell.hoc", HOC, CURRENT) if links else ("cell.py:build", PYTHON, "arguments = [0.3]")
    code, found = compare(tmp_path, capsys, model, text, neuron, links)
    assert code == 0 and found["listening"]["exact"] and found["linked"]["exact"]
    assert found["listening"]["spikes_alone"] >= 1
    assert found["built_by_couple"] == ("its spines" if links else "")


def test_a_model_that_is_another_in_each_process_is_not_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = compare(tmp_path, capsys, "cell.py:build", CLOCK, "arguments = [0.3]")
    assert code == 1 and not found["listening"]["exact"] and found["unsteady"]


def test_without_a_model_there_is_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = EXPERIMENT.format(model="x", neuron="", links="", sodium="10 mM")
    before, after = content.split("[neuron]")[0], content[content.index("[chemistry]") :].split("[[link]]")[0]
    (tmp_path / "run.toml").write_text(before + after.replace('segment = "soma(0.5)"\n', ""))
    with pytest.raises(SystemExit) as end:
        main(["check", str(tmp_path / "run.toml"), "--against-neuron"])
    said = capsys.readouterr().err
    assert end.value.code == 2 and "--against-neuron" in said and "without [neuron]" in said
