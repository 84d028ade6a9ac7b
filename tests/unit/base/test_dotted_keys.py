"""Keys of --set: dots part them, but not in quotes."""

from __future__ import annotations

from typing import Any

import pytest

from couple.base.toml import override_value, parts_of


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("a.b", ["a", "b"]),
        ('neuron.set."soma.L"', ["neuron", "set", "soma.L"]),
        ("neuron.set.'soma.L'", ["neuron", "set", "soma.L"]),
        ('"a.b".c', ["a.b", "c"]),
        ('a . "b.c" .d', ["a", "b.c", "d"]),
    ],
)
def test_parts(key: str, parts: list[str]) -> None:
    assert parts_of(key) == parts


def test_a_quoted_part_is_one_key() -> None:
    content: dict[str, Any] = {"neuron": {}}
    override_value(content, 'neuron.set."soma.L"="3 um"')
    assert content == {"neuron": {"set": {"soma.L": "3 um"}}}
