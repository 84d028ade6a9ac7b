"""Mechanisms that write calcium where couple does, and the compilation of our own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from neuron_models import PASSIVE, attach, spec

from adapters.neuron import channel_path, compiling, load_model, mechanisms
from adapters.neuron.importing import h
from couple.electrics import Attachments
from couple.errors import InputError

CADYN = """
NEURON { SUFFIX test_cadyn USEION ca READ ica, cai WRITE cai }
ASSIGNED { ica }
STATE { cai }
INITIAL { cai = 1e-4 }
BREAKPOINT { SOLVE decay METHOD cnexp }
DERIVATIVE decay { cai' = (1e-4 - cai) / 10 - ica }
"""

PUMP = """
NEURON { POINT_PROCESS test_pump USEION ca READ cai WRITE cai }
STATE { cai }
BREAKPOINT { SOLVE decay METHOD cnexp }
DERIVATIVE decay { cai' = -cai }
"""

CHECK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from neuron_models import PASSIVE, attach, spec
from adapters.neuron import load_model
from adapters.neuron.importing import h
from couple.electrics import Attachments
from couple.errors import InputError

assert h.nrn_load_dll(sys.argv[1]) == 1.0
folder = Path(sys.argv[3])

def refusal(extra, **changes):
    (folder / "cell.py").write_text(PASSIVE.replace("return head", extra + "; return head, locals()"))
    loaded = load_model(spec(folder / "cell.py", **changes))
    print(*loaded.describe())
    try:
        cell = loaded.attach(Attachments(("head(0.5)",), (), ("head(0.5)",), (2e-4,)))
    except InputError as error:
        return str(error)
    for _ in range(10):
        cell.advance(4)
    return next(iter(h.allsec()))(0.5).cai

print("->", refusal("head.insert('test_cadyn')"))
print("->", refusal("head.insert('test_cadyn')", cai_writers='remove'))
print("->", refusal("pump = h.test_pump(head(0.5))", cai_writers='remove'))
"""


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    (tmp_path / "cell.py").write_text(PASSIVE)
    return tmp_path / "cell.py"


def test_a_mechanism_that_writes_cai_is_named(tmp_path: Path) -> None:
    (tmp_path / "cadyn.mod").write_text(CADYN)
    (tmp_path / "pump.mod").write_text(PUMP)
    compiler = compiling.nrnivmodl()
    assert compiler is not None
    done = subprocess.run([compiler], cwd=tmp_path, capture_output=True, text=True, check=False)
    library = next(tmp_path.glob("*/libnrnmech.*"), None)
    assert library is not None, done.stdout + done.stderr
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(here.parent)}
    command = [sys.executable, "-c", CHECK, str(library), str(here), str(tmp_path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "test_cadyn reads ica, cai, writes cai in head" in run.stdout
    refused, held, pump = [line.removeprefix("-> ") for line in run.stdout.splitlines() if line.startswith("-> ")]
    assert refused == (
        'neuron.cai_writers: mechanism "test_cadyn" in head writes cai, which couple owns in coupled segments: set '
        'neuron.cai_writers = "remove" to take it out, or "ignore" to overrule what it writes into cai'
    )
    assert held == "0.0002"
    assert 'mechanism "test_pump" in head writes cai' in pump


def test_rxd_calcium_is_refused(cell: Path) -> None:
    from neuron import rxd

    loaded = load_model(spec(cell))
    region = rxd.Region(list(h.allsec()), nrn_region="i")
    calcium = rxd.Species(region, name="ca", charge=2, initial=1e-4)
    with pytest.raises(InputError, match='"rxd" in head writes cai'):
        loaded.attach(Attachments(("head(0.5)",), (), ()))
    del calcium, region


def test_our_own_mechanisms_are_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = mechanisms.compiled_library()
    assert library is not None and library.parent.parent == tmp_path / "couple" / "mod"
    assert [path.name for path in library.parent.iterdir()] == ["libcouple.so"], "the build left something behind"
    stamp = library.stat().st_mtime_ns
    assert mechanisms.compiled_library() == library
    assert library.stat().st_mtime_ns == stamp


def test_without_a_place_to_write_the_temporary_directory_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(compiling.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(compiling, "_compile", lambda script, inputs, folder, made: made)
    library = mechanisms.compiled_library()
    assert library is not None and library.is_relative_to(tmp_path / "temporary")


def test_a_failing_compiler_is_reported_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "nrnivmodl"
    script.write_text("#!/bin/sh\necho something is missing\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(compiling, "nrnivmodl", lambda: str(script))
    with caplog.at_level(logging.WARNING):
        assert mechanisms.compiled_library() is None
    assert "something is missing" in caplog.text


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    assert mechanisms.compiled_library() is None


def test_the_path_is_known(cell: Path) -> None:
    assert attach(cell, calcium=(), cai=(), voltages=()).channel_path == channel_path()
    assert channel_path() in load_model(spec(cell)).describe()[0]
