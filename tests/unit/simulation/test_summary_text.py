"""summary.json is the same JSON however large it is, and readable."""

from __future__ import annotations

import json

from couple.simulation.results.summary_text import summary_text

SUMMARY = {
    "name": 'a "b"',
    "engines": {f"head_{k}": "ode" for k in range(50)},
    "ledger": {"sites": [{"site": f"head_{k}", "free": k / 3, "owed": None} for k in range(50)], "links": []},
    "peaks": {},
    "warnings": ("one", "two"),
    "seconds": {"ode": 1e-7},
}


def test_small_ones_are_indented() -> None:
    assert summary_text(SUMMARY) == json.dumps(SUMMARY, indent=2) + "\n"


def test_large_ones_have_a_line_for_each_entry() -> None:
    text = summary_text(SUMMARY, large=100)
    assert json.loads(text) == json.loads(json.dumps(SUMMARY))
    assert sum(line.startswith('{"site": "head_') for line in text.splitlines()) == 50
    assert len(text.splitlines()) < 150 < len(summary_text(SUMMARY).splitlines())
