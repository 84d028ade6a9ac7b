"""What NetPyNE would set when it runs its model is set for couple, which runs it instead."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from support.neuron_models import PASSIVE, spec


def test_the_temperature_is_that_of_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cell.py").write_text(PASSIVE)
    netpyne = ModuleType("netpyne.sim")
    netpyne.cfg = SimpleNamespace(hParams={"celsius": 21.5, "v_init": -72.0})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "netpyne.sim", netpyne)
    load_model(spec(tmp_path / "cell.py", celsius=None))
    assert h.celsius == 21.5
    load_model(spec(tmp_path / "cell.py", celsius=30.0))
    assert h.celsius == 30.0
