"""Patterns from spikes and records, and what cannot be patterns."""

from __future__ import annotations

import numpy as np
import pytest

from couple.base.errors import InputError
from reducers.population.patterns.patterns import bin_records, bin_spikes, to_bits


def test_spikes_fall_into_windows() -> None:
    trains = [np.array([0.0, 5.0, 14.9]), np.array([19.999]), np.array([25.0])]
    found = bin_spikes(trains, ("a", "b", "c"), 5.0, (0.0, 24.0))
    assert found.states.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert found.without_silent().names == ("a", "b")
    tenths = bin_spikes([np.arange(50) * 0.1], ("a",), 0.1, (0.0, 5.0))
    assert tenths.states.all(), "edges of windows are not lost to rounding"


def test_records_fall_into_windows() -> None:
    time = np.arange(10) * 0.5
    active = np.zeros((10, 2), dtype=bool)
    active[3, 0] = active[4, 1] = active[9, 1] = True
    found = bin_records(active, time, ("a", "b"), 1.0)
    assert found.states.tolist() == [[0, 0], [1, 0], [0, 1], [0, 0]]
    with pytest.raises(InputError, match=r"windows of 0.2 ms do not fit rows that are 0.5 ms apart"):
        bin_records(active, time, ("a", "b"), 0.2)


def test_what_cannot_be_patterns_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [np.array([1.0, 2.0]), np.array([3.0])]
    with pytest.raises(InputError, match=r'1 windows of "a" hold more than one spike, the first 2 at 0 ms'):
        bin_spikes(twice, ("a", "b"), 5.0, (0.0, 50.0))
    clipped = bin_spikes(twice, ("a", "b"), 5.0, (0.0, 50.0), clip=True)
    assert clipped.clipped == 1 and clipped.check() is clipped
    with pytest.raises(InputError, match=r'neuron "1" is never active in 4 windows'):
        to_bits(np.array([[1, 0], [1, 0], [1, 0], [0, 0]])).check()
    with pytest.raises(InputError, match="2 patterns of 3 neurons: give at least as many"):
        to_bits(np.array([[1, 1, 0], [1, 0, 1]])).check()
    with pytest.raises(InputError, match=r"row 1, column 0 holds 2\.0, patterns are of 0 and 1"):
        to_bits(np.array([[1.0, 0.0], [2.0, 0.0]]))
    monkeypatch.setenv("COUPLE_MEMORY", "1 GB")
    with pytest.raises(InputError, match=r"patterns of 2 neurons in 1e\+10 windows: that takes 20 GB"):
        bin_spikes(twice, ("a", "b"), 1e-3, (0.0, 1e7))
