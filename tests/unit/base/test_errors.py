"""Suggestions in messages: near names first, each once, whatever the capitals."""

import time

import pytest

from couple.base.errors import brief, nearest, quoted


@pytest.mark.parametrize(
    ("name", "known", "says"),
    [
        ("ca", ["CBP", "CB_H0M0", "Ca", "Ca_out"], 'did you mean "Ca"?'),
        ("haed", ["head", "head", "shaft"], 'did you mean "head"?'),
        ("latice", ["lattice", "ode"], 'did you mean "lattice"?'),
        ("K_phos", ["Ca", "K_phosphorylated"], 'did you mean "K_phosphorylated"?'),
        ("spine_1", ["spine_10", "spine_2", "neck"], 'did you mean "spine_10" or "spine_2"?'),
        ("zzz", ["b", "a"], "known: a, b"),
        ("x", [], "known: none"),
    ],
)
def test_nearest(name: str, known: list[str], says: str) -> None:
    assert nearest(name, known) == says


def test_of_many_the_nearest_are_shown() -> None:
    names = [f"CaMKII_{k:04d}" for k in range(500)] + ["Ca"]
    assert "and 481 more" in nearest("qqq", names)
    assert nearest("calcium", ["zinc", "CaX"]) == "known: CaX, zinc"


def test_a_hundred_thousand_names_take_no_time() -> None:
    begun = time.process_time()
    assert nearest("spine_99x99", [f"spine_{k}" for k in range(100_000)]).startswith("did you mean")
    assert time.process_time() - begun < 5


def test_values_are_shown_on_one_short_line() -> None:
    for show in (brief, quoted):
        for value in ("x" * 5000, "a\nb\x00", ["y"] * 5000, {"a": {"b": 1}}):
            assert "\n" not in show(value) and len(show(value)) <= 80
    assert quoted("5 ms") == '"5 ms"'
