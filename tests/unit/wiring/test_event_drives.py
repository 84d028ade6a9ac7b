"""Drives that are events: molecules that come at once, at given times or with the events of a synapse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from couple import Experiment, Results, Simulation
from couple.base.errors import InputError
from support.paths import EXAMPLES

RUN = """
[experiment]
name = "release"
duration = "6 ms"
exchange = "0.1 ms"
[record]
every = "0.1 ms"
species = "all"
"""
CLEFT = """
[chemistry]
species.Glu = { contains = { Glu = 1 } }
species.R = { on = "membrane" }
species.GluR = { on = "membrane", contains = { Glu = 1 } }
reservoirs = ["taken_up"]
reactions = [
  { equation = "Glu + R <-> GluR", forward = "5 /uM/s", backward = "100 /s" },
  { equation = "Glu -> taken_up", forward = "500 /s" },
]
initial.R = { count = 20 }
"""
ALONE = RUN + CLEFT + '[[site]]\nname = "cleft"\nengine = "%s"\ngeometry.sphere.diameter = "0.5 um"\n'


def course(folder: Path, text: str) -> np.ndarray:
    """(rows,) glutamate that has come into the first site so far."""
    return came_into("cleft", run(folder, text))


def run(folder: Path, text: str) -> Results:
    (folder / "e.toml").write_text(text)
    simulation = Simulation.in_memory(Experiment.load(folder / "e.toml"))
    simulation.run()
    return simulation.results


def came_into(site: str, results: Results) -> np.ndarray:
    """(rows,) glutamate in all its forms."""
    return np.sum([results[f"{site}.{s}"] for s in ("Glu", "GluR", "taken_up")], axis=0)


@pytest.mark.parametrize("engine", ["ode", "ssa"])
def test_molecules_come_with_the_events_by_delay_and_weight(tmp_path: Path, engine: str) -> None:
    events = 'molecules = 100.0, times = "1 2.05 4 ms", weight = "1 0.5 2", delay = "0.5 ms"'
    drive = f'[[drive]]\nto = "cleft.Glu"\nevents = {{ {events} }}\n'
    came = course(tmp_path, ALONE % engine + drive)
    time = np.arange(len(came)) * 0.1
    # at the end of the window that holds the event
    want = 100.0 * ((time > 1.55) * 1.0 + (time > 2.55) * 0.5 + (time > 4.55) * 2.0)
    assert came == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ('{ molecules = 10.0, times = "1 2 ms", weight = "1 2 3" }', "3 weights and 2 times"),
        ('{ molecules = 10.0, times = "1 2 ms", weight = "1 x" }', "numbers are expected"),
        ('{ molecules = 10.0, times = "-1 2 ms" }', "begins before 0"),
        ('{ molecules = 0.0, times = "1 ms" }', "more than 0|greater than 0|above 0"),
        ("{ molecules = 10.0 }", "no head of a"),
        ('{ molecules = 10.0, weight = "1 2" }', "only beside times"),
    ],
)
def test_bad_trains_are_one_line(tmp_path: Path, events: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        course(tmp_path, ALONE % "ode" + f'[[drive]]\nto = "cleft.Glu"\nevents = {events}\n')
    assert "\n" not in str(caught.value)


SPINES = f"""
[neuron]
model = "{EXAMPLES}/spines/cell.py:build"
dt = "0.05 ms"
v_init = "-65 mV"
[[spine]]
name = "spine"
seed = 7
place = {{ on = ["left"], count = 4, spread = "even" }}
head = {{ diameter = "0.5 um", length = "0.5 um" }}
neck = {{ diameter = "0.2 um", length = "0.5 um" }}
[spine.synapse]
count = 2
AMPA = "0.1 nS"
%s
[[site]]
name = "spine_*"
place = {{ on = "spine_*.head" }}
engine = "ode"
[[drive]]
to = "spine_*.Glu"
events = {{ molecules = 50.0, delay = "0.3 ms" }}
"""


def test_events_are_those_of_the_synapse_on_the_spine(tmp_path: Path) -> None:
    protocol = (
        '[[protocol]]\nkind = "theta"\nrate = "100 Hz"\nbursts = 1\nspikes = 2\nwithin = "500 Hz"\nstart = "1 ms"\n'
    )
    results = run(tmp_path, RUN + CLEFT + SPINES % 'times = "5 ms"' + protocol)
    came = [float(came_into(f"spine_{k}", results)[-1]) for k in range(4)]
    assert came == pytest.approx([0.0, 150.0, 0.0, 150.0], abs=1e-9)


def test_random_events_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"are random \(spine\[0\]\.synapse\.rate\)"):
        run(tmp_path, RUN + CLEFT + SPINES % 'rate = "50 /s"')
