"""A model built twice in a process draws the random numbers that it draws in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from adapters.neuron.hoc.h import h
from adapters.neuron.state import random_streams
from support.neuron_models import attach, fresh, loop

NOISY = """
from neuron import h

class Cell:
    def __init__(self):
        self.soma = h.Section(name="soma", cell=self)
        self.head = h.Section(name="head", cell=self)
        self.head.connect(self.soma(1))
        self.soma.L = self.soma.diam = 12
        self.head.L = self.head.diam = 1
        for section in (self.soma, self.head):
            section.insert("pas")
        self.synapse = h.Exp2Syn(self.head(0.5))
        self.sources = [h.NetStim() for _ in range(3)]
        self.named = h.NetStim()
        self.named.noiseFromRandom123(1, 2, 3)
        for source in (*self.sources, self.named):
            source.interval, source.number, source.start, source.noise = 5, 1e9, 0, 1
        self.inputs = [h.NetCon(s, self.synapse, 0, 0, 1e-4) for s in (*self.sources, self.named)]

def build():
    return Cell()
"""


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.py"
    path.write_text(NOISY)
    return path


def ids() -> list[tuple[int, ...]]:
    return [tuple(int(word) for word in s.ranvar.get_ids()) for s in h.List("NetStim")]


def trace(path: Path) -> np.ndarray:
    return loop(attach(path), range(200))


def test_a_second_build_draws_what_the_first_did(noisy: Path, tmp_path: Path) -> None:
    attach(noisy)
    first = ids()
    assert len({*first}) == 4 and (1, 2, 3) in first
    whole = trace(noisy)
    assert ids() == first
    assert np.ptp(whole[:, 0]) > 0.1
    alone = fresh("rows", noisy, tmp_path / "rows")
    assert np.array_equal(whole, alone)


def test_without_numbering_it_would_not(noisy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trace(noisy)
    monkeypatch.setattr(random_streams.StreamNumbering, "__exit__", lambda *_: None)
    assert not np.array_equal(trace(noisy), first)
