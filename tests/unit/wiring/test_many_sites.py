"""What many sites have in common is worked out once, and is for each what it is for one alone."""

from __future__ import annotations

import pytest

from couple.chemistry import network as networks
from couple.experiment import Experiment
from couple.wiring import System, wire


def wired(diameters: list[float]) -> System:
    """Sites of these diameters (µm), with a buffer and a pump at their steady state."""
    return wire(
        Experiment.build(
            experiment={"name": "many", "duration": "1 ms", "exchange": "0.1 ms"},
            chemistry={
                "species": {
                    "Ca": {"contains": {"Ca": 1}},
                    "B": {},
                    "CaB": {"contains": {"Ca": 1}},
                    "P": {"on": "membrane"},
                    "CaP": {"on": "membrane", "contains": {"Ca": 1}},
                },
                "reactions": [
                    {"equation": "Ca + B <-> CaB", "forward": "100 /uM/s", "backward": "500 /s"},
                    {"equation": "Ca + P <-> CaP", "forward": "150 /uM/s", "backward": "15 /s"},
                ],
                "initial": {
                    "Ca": "0.1 uM",
                    "B": {"total": "80 uM", "at": "steady"},
                    "P": {"total": "1000 /um^2", "at": "steady"},
                },
            },
            site=[
                {"name": f"s{k}", "engine": "ode", "geometry": {"sphere": {"diameter": f"{d} um"}}}
                for k, d in enumerate(diameters)
            ],
        )
    )


def test_steady_states_are_solved_as_often_for_many_sites_as_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    solved: list[object] = []
    solve = networks.steady_fractions

    def counted(reactions: object, members: object, held: dict[str, float]) -> dict[str, float]:
        solved.append((members, *held.values()))
        return solve(reactions, members, held)  # type: ignore[arg-type]

    monkeypatch.setattr(networks, "steady_fractions", counted)
    wired([0.5] * 3)
    few = len(solved)
    wired([0.5] * 60)
    assert few == 2 and len(solved) == 2 * few
    solved.clear()
    wired([0.3 + 0.01 * k for k in range(60)])  # concentrations differ by rounding alone
    assert len(solved) == len({*solved}) < 20


def test_each_site_has_what_it_has_alone() -> None:
    sizes = [0.5, 0.4, 0.5, 0.7]
    (together,) = wired(sizes).engines
    for k, d in enumerate(sizes):
        (alone,) = wired([d]).engines
        assert together.read("counts")[k].tolist() == alone.read("counts")[0].tolist()
        assert together.rates[k].tolist() == alone.rates[0].tolist()
    assert together.read("counts")[0].tolist() != together.read("counts")[1].tolist(), "the control"
