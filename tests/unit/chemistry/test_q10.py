"""Rates that depend on temperature: k(T) = k(T₀) · q10^((T − T₀)/10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.base.units import celsius
from couple.cli.main import main
from couple.experiment import Experiment


def content(q10: float | None = 3.0, at: str | None = "22 celsius", **places: float) -> dict[str, Any]:
    reaction: dict[str, Any] = {"equation": "Ca + B <-> CaB", "forward": "1e8 /M/s", "backward": "100 /s"}
    reaction |= {k: v for k, v in (("q10", q10), ("at", at)) if v is not None}
    return {
        "experiment": {"name": "q10", "duration": "1 ms", "exchange": "0.1 ms"}
        | ({"celsius": places["experiment"]} if "experiment" in places else {}),
        "chemistry": {
            "species": {"Ca": {"contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
            "reactions": [reaction, {"equation": "CaB -> B + Ca", "forward": "1 /s"}],
            "initial": {"Ca": "1 uM", "B": {"total": "10 uM", "at": "steady"}},
        },
        "site": [{"name": "a", "engine": "ode", "geometry": {"sphere": {"diameter": "1 um"}}}],
    } | (
        {"neuron": {"model": "cell.py:build", "dt": "0.1 ms", "celsius": places["neuron"]}}
        if "neuron" in places
        else {}
    )


def rates(source: dict[str, Any]) -> list[float]:
    return [r.rate for r in Experiment.parse(source).network().reactions]


@pytest.mark.parametrize("place", ["experiment", "neuron"])
@pytest.mark.parametrize(
    ("temperature", "factor"), [(22.0, 1.0), (32.0, 3.0), (42.0, 9.0), (12.0, 1 / 3), (37.0, 3**1.5)]
)
def test_both_rates_grow_by_q10_every_ten_degrees(place: str, temperature: float, factor: float) -> None:
    forward, backward, other = rates(content(**{place: temperature}))
    assert forward == pytest.approx(100 * factor, rel=1e-14)
    assert backward == pytest.approx(0.1 * factor, rel=1e-14)
    assert other == 1e-3, "a reaction without q10 knows no temperature"


def test_the_reference_may_be_in_kelvin() -> None:
    assert rates(content(at="295.15 K", experiment=32.0)) == pytest.approx(rates(content(experiment=32.0)), rel=1e-12)
    assert celsius("22 degC") == celsius("22 °C") == celsius("22 C") == 22.0


def test_one_temperature_for_all() -> None:
    assert Experiment.parse(content(experiment=34.0, neuron=34.0)).celsius == 34.0
    with pytest.raises(InputError, match=r"experiment\.celsius = 34 and neuron\.celsius = 35: give one temperature"):
        Experiment.parse(content(experiment=34.0, neuron=35.0))


def test_without_a_temperature_a_q10_is_an_error() -> None:
    with pytest.raises(InputError, match=r"reactions\[0\]\.q10: .*give experiment\.celsius"):
        Experiment.parse(content()).network()
    assert rates(content(q10=None, at=None)) == pytest.approx([100, 0.1, 1e-3], rel=1e-14)


@pytest.mark.parametrize(
    ("q10", "at", "message"),
    [
        (3.0, None, "q10 and at together"),
        (None, "22 celsius", "q10 and at together"),
        (0.0, "22 celsius", r"reactions\[0\]\.q10: .*more than 0"),
        (float("inf"), "22 celsius", r"reactions\[0\]\.q10"),
        (3.0, "22", "22 celsius"),
        (3.0, "22 mV", "22 celsius"),
        (3.0, "-300 celsius", "no temperature"),
    ],
)
def test_what_is_no_temperature_dependence(q10: float | None, at: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Experiment.parse(content(q10, at, experiment=34.0))


def test_check_shows_the_factor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "q10.toml"
    file.write_text(
        '[experiment]\nname = "q"\nduration = "1 ms"\nexchange = "0.1 ms"\ncelsius = 42.0\n[chemistry]\n'
        'species.A = {}\nspecies.B = {}\n[[chemistry.reactions]]\nequation = "A -> B"\nforward = "2 /s"\nq10 = 3.0\n'
        'at = "22 celsius"\n[[site]]\nname = "a"\nengine = "ode"\ngeometry.sphere = { diameter = "1 um" }\n'
    )
    with pytest.raises(SystemExit):
        main(["check", str(file), "--all"])
    assert "A -> B: 0.018 /ms, of which x 9 by q10" in capsys.readouterr().out
