"""Patterns from arrays, archives, tables and NWB files, given in themselves, and what cannot be patterns."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from reducers.population.patterns.arrays import patterns_of_array, patterns_of_table
from reducers.population.patterns.sources import spikes_of_nwb
from support.command_line import couple
from support.patterns import together

rng = np.random.default_rng(3)
TRAINS = [np.sort(rng.uniform(0, 1000, 60)) for _ in range(3)]
PAIRS = np.concatenate(TRAINS), np.repeat(np.arange(3), 60)
QUICK = ("--no-figure", "--json", "--set", 'population.models=["independent"]')


def rows(names: str = "012", factor: float = 1.0, mark: str = ",") -> str:
    return "\n".join(f"{n}{mark}{t * factor!r}" for n, train in zip(names, TRAINS, strict=True) for t in train.tolist())


def test_spike_times_are_the_same_from_all_files(tmp_path: Path) -> None:
    """Of arrays by neuron, of pairs, of tables with commas, semicolons, units and a byte order mark, and of NWB."""
    np.savez(tmp_path / "trains.npz", **{str(i): train for i, train in enumerate(TRAINS)})
    np.savez(tmp_path / "pairs.npz", time=PAIRS[0] * 1e-3, neuron=PAIRS[1])
    (tmp_path / "a.csv").write_text("neuron,time\n" + rows())
    (tmp_path / "b.csv").write_text("\ufeffneuron;time [s]\n" + rows(factor=1e-3, mark=";"))
    with h5py.File(tmp_path / "x.nwb", "w") as file:
        file["units/spike_times"], file["units/spike_times_index"] = PAIRS[0] * 1e-3, [60, 120, 180]
    span = (0.0, 1000.0)
    found = [
        patterns_of_array(tmp_path / "trains.npz", 4.0, "ms", True, span=span),
        patterns_of_array(tmp_path / "pairs.npz", 4.0, "s", True, span=span),
        patterns_of_table(tmp_path / "a.csv", 4.0, "ms", True, span=span),
        patterns_of_table(tmp_path / "b.csv", 4.0, "ms", True, span=span),
        spikes_of_nwb(tmp_path / "x.nwb", 4.0, True, span=span),
    ]
    expected = np.array([np.histogram(t, np.arange(0, 1001, 4))[0] > 0 for t in TRAINS]).T
    for one in found:
        assert np.array_equal(one.states, expected) and one.names == ("0", "1", "2") and one.clipped > 0
    wrong = patterns_of_table(tmp_path / "b.csv", 4e-3, "ms", True)
    assert len(wrong) == pytest.approx(250_000, rel=0.05), "the unit of the head counts, whatever is told"
    some = patterns_of_table(tmp_path / "a.csv", 4.0, "ms", True, "[02]", (100.0, 200.0))
    assert np.array_equal(some.states, expected[25:50, [0, 2]]) and some.names == ("0", "2")


def test_windows_of_patterns_are_taken_by_time(tmp_path: Path) -> None:
    states = together(100, 3)
    np.save(tmp_path / "x.npy", states)
    found = patterns_of_array(tmp_path / "x.npy", 2.0, span=(3.0, 21.0))
    assert np.array_equal(found.states, states[2:10])
    with pytest.raises(InputError, match="no window of 2 ms lies between begin and end: 100 windows end at 200 ms"):
        patterns_of_array(tmp_path / "x.npy", 2.0, span=(300.0, None))
    with pytest.raises(InputError, match="begin and end of patterns need their window"):
        patterns_of_array(tmp_path / "x.npy", span=(3.0, None))


def test_patterns_in_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("some states.npy", together(200, 3))
    assert couple("population", "some states.npy", *QUICK) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["neurons"], said["windows"]) == ("some_states", 3, 200)
    Path("x.csv").write_text("neuron,time [s]\n" + rows("abc", 1e-3))
    assert couple("population", "x.csv", *QUICK) == 2
    assert "x.csv: data: window is missing" in capsys.readouterr().err
    more = ("--set", 'data.window="5 ms"', "--set", 'data.multiple="clip"')
    assert couple("population", "x.csv", *QUICK, *more) == 0
    assert json.loads(capsys.readouterr().out)["windows"] == pytest.approx(200, abs=5)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "neuron,time [mV]\na,1\nb,2\n", "x.csv: "),
        ("x.csv", "neuron,time\na,1\nb,soon\n", 'line 3: holds what is no number: "soon"'),
        ("x.csv", "0,1,0\n1,0,1\n", 'line 1: the name "0" is there twice'),
        ("x.csv", "a,b\n1,0\n1\n", "is no table"),
        ("x.csv", "neuron,time\na,nan\nb,3\n", "has a time that is not finite"),
        ("x.npz", {"a": np.ones((2, 2, 2)), "b": np.ones(2)}, '"a", (2, 2, 2) of float64, is no spike times'),
        ("x.npz", {"time": np.ones(3), "neuron": np.ones(2)}, "3 times and 2 neurons do not fit"),
        ("x.npz", {"a": np.zeros(0), "b": np.zeros(0)}, "has no spikes"),
        ("x.npz", {}, "has no array in it"),
        ("x.npz", "no archive", "is no archive of arrays"),
        ("x.npz", {"a": np.array([1e300, 1.0]), "b": np.ones(1)}, "that takes"),
        ("x.nwb", {"units/id": [1]}, "has no units with spike times"),
        ("x.nwb", {"acquisition/x": [1]}, "has no units with spike times"),
        ("x.nwb", {"units/spike_times": [], "units/spike_times_index": [0, 0]}, "has units without a single spike"),
        ("x.nwb", {"units/spike_times": [1.0, np.nan], "units/spike_times_index": [1, 2]}, "that are not finite"),
        ("x.nwb", {"units/spike_times": [1.0, 2.0], "units/spike_times_index": [1.5, 2]}, "that are no numbers"),
        ("x.nwb", {"units/spike_times": [b"a", b"b"], "units/spike_times_index": [1, 2]}, "that are no numbers"),
        ("x.npy", np.zeros((30, 3)), "are never active in 30 windows"),
        ("x.npy", np.ones((30, 1)), 'patterns of one neuron, "0"'),
        ("x.npy", np.ones((30, 3)) * np.nan, "patterns are of 0 and 1"),
        ("x.npy", np.ones((7, 3)), "7 windows are too few to hold half of them out: 8 are the least"),
    ],
)
def test_what_is_no_pattern_is_one_line(
    name: str, content: object, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    elif path.suffix == ".npz":
        np.savez(path, **content)  # type: ignore[arg-type]
    else:
        with h5py.File(path, "w") as file:
            for key, values in content.items():  # type: ignore[attr-defined]
                file[key] = values
    assert couple("population", str(path), *QUICK, "--set", 'data.window="1e-3 ms"', "--set", "data.multiple=clip") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0], lines
    assert lines[0].count(str(path)) == 1
