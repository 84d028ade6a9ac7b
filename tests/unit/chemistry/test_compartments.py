"""Several volumes and membranes in one site: amounts of each are by its own size, in every engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.storage.records.to_xarray import to_xarray

VOLUME, AREA = 2.0, 10.0  # of a box of 1 x 1 x 2 µm
SHARES = {"cytosol": 0.6, "ER": 0.15, "plasma": 0.8, "inner": 2.5}
ON = {"A": "cytosol", "B": "cytosol", "C": "ER", "D": "ER", "P": "plasma", "Q": "inner", "W": "volume"}
START = {"A": 2e-3, "B": 3e-3, "C": 8e-3, "D": 1e-3, "P": 40.0, "Q": 10.0, "W": 1e-3}
"""mM of the compartment, per µm² of the membrane."""
REACTIONS: list[dict[str, Any]] = [
    {"equation": "A + B -> C", "forward": "40 /mM/ms"},
    {"equation": "C + D -> A", "forward": "25 /mM/ms"},
    {"equation": "2 C -> D", "forward": "10 /mM/ms"},
    {"equation": "0 -> D", "forward": "1e-4 mM/ms"},
    {"equation": "0 -> P", "forward": "0.3 /um^2/ms"},
    {"equation": "D -> A", "forward": "0.02 /ms"},
    {"equation": "A + P -> P", "forward": "1 /mM/ms"},
    {"equation": "D + Q -> C + P", "forward": "4 /mM/ms"},
    {"equation": "P + P -> Q", "forward": "1e-4 um^2/ms"},
    {"equation": "A -> W", "forward": "0.05 /ms"},
    {"equation": "A -> C", "rate_law": "V * A / (K + A + D)", "parameters": {"V": "2e-5 mM/ms", "K": "1e-3 mM"}},
    {"equation": "B -> D", "rate_law": "k * P * (B - 0.1 * D)", "parameters": {"k": "0.2 /mM/ms"}},
]


def source(engine: str, **options: Any) -> dict[str, Any]:
    return {
        "experiment": {"name": "x", "duration": "4 ms", "exchange": "1 ms", "seed": 3},
        "chemistry": {
            "compartments": {
                c: {"share": s, "on": "membrane" if c in ("plasma", "inner") else "volume"} for c, s in SHARES.items()
            },
            "species": {s: {"on": on, "D": "200 um^2/s"} for s, on in ON.items()},
            "reactions": REACTIONS,
            "initial": {s: f"{c} {'/um^2' if s in 'PQ' else 'mM'}" for s, c in START.items()},
        },
        "site": [{"name": "s", "engine": engine, "geometry": {"box": {"size": "1 1 2 um"}}, engine: options}],
        "record": {"species": "all"},
    }


def sizes() -> dict[str, float]:
    """Molecules of a species in 1 mM, or per µm²."""
    whole = {"cytosol": VOLUME, "ER": VOLUME, "plasma": AREA, "inner": AREA, "volume": VOLUME}
    unit = {c: SHARES.get(c, 1.0) * n * (1.0 if n == AREA else IONS_PER_MM_UM3) for c, n in whole.items()}
    return {s: unit[on] for s, on in ON.items()}


def by_hand(n: dict[str, float]) -> list[float]:
    """Events per ms of every reaction, of molecules, each by the size of its own compartment."""
    size = sizes()
    c = {s: n[s] / size[s] for s in n}
    return [
        40 * c["A"] * c["B"] * size["A"],
        25 * c["C"] * c["D"] * size["C"],
        10 * c["C"] ** 2 * size["C"],
        1e-4 * size["D"],
        0.3 * size["P"],
        0.02 * n["D"],
        1 * c["A"] * n["P"],
        4 * c["D"] * n["Q"],
        1e-4 * c["P"] ** 2 * size["P"],
        0.05 * n["A"],
        2e-5 * c["A"] / (1e-3 + c["A"] + c["D"]) * size["A"],
        0.2 * c["P"] * (c["B"] - 0.1 * c["D"]) * size["P"],
    ]


CHANGES: list[dict[str, int]] = [
    {"A": -1, "B": -1, "C": 1}, {"C": -1, "D": -1, "A": 1}, {"C": -2, "D": 1}, {"D": 1}, {"P": 1}, {"D": -1, "A": 1},
    {"A": -1}, {"D": -1, "Q": -1, "C": 1, "P": 1}, {"P": -2, "Q": 1}, {"A": -1, "W": 1}, {"A": -1, "C": 1},
    {"B": -1, "D": 1},
]  # fmt: skip


def integrated() -> dict[str, float]:
    """Molecules after 4 ms."""
    names = list(ON)

    def slope(_: float, y: np.ndarray) -> list[float]:
        events = by_hand(dict(zip(names, y, strict=True)))
        return [sum(e * change.get(s, 0) for e, change in zip(events, CHANGES, strict=True)) for s in names]

    start = [START[s] * sizes()[s] for s in names]
    found = solve_ivp(slope, (0, 4), start, method="LSODA", rtol=1e-11, atol=1e-8).y[:, -1]
    return dict(zip(names, found.tolist(), strict=True))


def test_amounts_are_by_the_sizes_of_their_compartments(tmp_path: Path) -> None:
    run = Simulation.in_memory(Experiment.parse(source("ode", rtol=1e-10, atol=1e-8)))
    for _ in range(4):
        run.step()
    (engine,) = run.system.engines
    found = dict(zip(engine.network.names, engine.read("counts")[0].tolist(), strict=False))
    assert found == pytest.approx(integrated(), rel=1e-7)


SPATIAL = [0, 1, 3, 5, 6]
"""Reactions that every engine takes."""


def flat(engine: str, options: dict[str, str]) -> dict[str, Any]:
    """Those reactions written for one volume by hand: all by the size of the whole site."""
    made = source(engine, **options)
    kept = [REACTIONS[r] for r in SPATIAL]
    cytosol, er = SHARES["cytosol"], SHARES["ER"]
    rates = [f"{40 / cytosol} /mM/ms", f"{25 / er} /mM/ms", f"{1e-4 * er} mM/ms", "0.02 /ms", f"{1 / cytosol} /mM/ms"]
    homes = Experiment.parse(made).chemistry.homes()
    made["chemistry"] = {
        "species": {s: {"on": homes[s].on, "D": "200 um^2/s"} for s in ON},
        "reactions": [r | {"forward": rate} for r, rate in zip(kept, rates, strict=True)],
        "initial": {s: f"{START[s] * homes[s].share!r} {'/um^2' if s in 'PQ' else 'mM'}" for s in ON},
    }
    return made


LONG = pytest.mark.acceptance
ENGINES = [
    ("ssa", {}),
    ("langevin", {}),
    pytest.param("gridded", {"spacing": "0.5 um"}, marks=LONG),
    pytest.param("pde", {"resolution": "0.5 um"}, marks=LONG),
    pytest.param("lattice", {"spacing": "50 nm"}, marks=LONG),
]


@pytest.mark.parametrize(("engine", "options"), ENGINES)
def test_every_engine_sees_one_site_of_the_same_rates(engine: str, options: dict[str, str]) -> None:
    given = source(engine, **options)
    given["chemistry"]["reactions"] = [REACTIONS[r] for r in SPATIAL]
    counts = []
    for made in (given, flat(engine, options)):
        run = Simulation.in_memory(Experiment.parse(made))
        run.step()
        counts.append(run.system.engines[0].read("counts")[0, : len(ON)].copy())
    np.testing.assert_allclose(counts[0], counts[1], rtol=1e-9)


def test_records_and_clamps_are_concentrations_of_the_compartment(tmp_path: Path) -> None:
    given = source("ode")
    given["chemistry"]["reactions"] = [{"equation": "C -> A", "forward": "1e-9 /ms"}]
    given["drive"] = [{"to": "s.D", "clamp": "7 uM"}]
    experiment = Experiment.parse(given, path=tmp_path / "x.toml")
    Simulation.new(experiment, tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        assert results.micromolar("s", "C")[0] == pytest.approx(8.0, rel=1e-9)
        assert results.micromolar("s", "D")[-1] == pytest.approx(7.0, rel=1e-9)
        assert results.counts("s", "D")[-1] == pytest.approx(7e-3 * IONS_PER_MM_UM3 * VOLUME * 0.15, rel=1e-9)
        assert results.peaks()["s"]["D [uM]"] == pytest.approx(7.0, rel=1e-9)
        table = to_xarray(results)
        assert float(table.concentration.sel(species="C")[0, 0]) == pytest.approx(8.0, rel=1e-9)


def test_the_compartment_that_the_site_is() -> None:
    given = source("ode")
    given["chemistry"]["compartment"] = "cytosol"
    homes = Experiment.parse(given).chemistry.homes()
    assert (homes["A"].share, homes["C"].share) == pytest.approx((1.0, 0.25), rel=1e-12)
    assert homes["P"].share == 0.8  # of the membrane


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reactions": [{"equation": "A + C -> 0", "forward": "1 /mM/ms"}]}, 'A is in "cytosol" and C in "ER".*_law'),
        ({"reactions": [{"equation": "0 -> A + C", "forward": "1 mM/ms"}]}, 'A is in "cytosol" and C in "ER"'),
        ({"reactions": [{"equation": "A + W -> 0", "forward": "1 /mM/ms"}]}, 'A is in "cytosol" and W in "volume"'),
        ({"compartment": "cytosole"}, 'chemistry.compartment: unknown compartment "cytosole".*cytosol'),
        ({"species": {"A": {"on": "ERR"}}}, 'chemistry.species.A.on: unknown place "ERR".*ER'),
        ({"compartments": {"volume": {"share": 0.5}}}, "chemistry.compartments.volume"),
        ({"compartments": {"ER": {"share": 0.0}}}, "chemistry.compartments.ER.share"),
    ],
)
def test_what_has_no_meaning_is_refused(change: dict[str, Any], message: str) -> None:
    given = source("ode")
    for key, value in change.items():
        both = isinstance(value, dict)
        given["chemistry"][key] = given["chemistry"][key] | value if both else value
    with pytest.raises(InputError, match=message):
        Experiment.parse(given).network()
