"""What species contain, by patterns of their names: files do not say it, and the ledger audits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couple.base.errors import InputError
from couple.cli.output.summaries import ledger_lines
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation

NET = """
begin species
 1 Ca() 50
 2 B() 40
 3 Ca_B() 0
 4 Ca2_B() 3
end species
begin reactions
 1 1,2 3 0.01
 2 1,3 4 0.01
 3 4 1,3 2
end reactions
"""


def parse(folder: Path, **chemistry: object) -> Experiment:
    (folder / "m.net").write_text(NET)
    source: dict[str, Any] = {
        "experiment": {"name": "x", "duration": "1 s", "exchange": "0.1 s"},
        "chemistry": {"file": "m.net", "units": {"amount": "count", "volume": "1 um^3"}, **chemistry},
        "site": [{"name": "s", "engine": "ode", "geometry": {"box": {"size": "1 1 1 um"}}}],
    }
    return Experiment.parse(source, path=folder / "x.toml")


def test_contents_by_pattern_are_audited(tmp_path: Path) -> None:
    plan = parse(
        tmp_path,
        contains={"Ca*": {"Ca": 1}, "*": {}, "B": {"buffer": 1}},
        species={"Ca_B": {"contains": {"Ca": 1, "buffer": 1}}, "Ca2_B": {"contains": {"Ca": 2, "buffer": 1}}},
    )
    network = plan.chemistry.network()
    assert {s.name: dict(s.contains) for s in network.species} == {
        "Ca": {"Ca": 1}, "B": {"buffer": 1}, "Ca_B": {"Ca": 1, "buffer": 1}, "Ca2_B": {"Ca": 2, "buffer": 1},
    }  # fmt: skip


def test_the_ledger_says_what_it_audits(tmp_path: Path) -> None:
    for contains, audited in (({"Ca*": {"Ca": 1}, "Ca2*": {"Ca": 2}}, True), ({}, False)):
        simulation = Simulation.in_memory(parse(tmp_path, contains=contains))
        ledger = simulation.run()["ledger"]
        lines = dict(ledger_lines(ledger))
        assert ("sites" in lines) is not audited
        if audited:
            assert [e["held_at_start"] for e in ledger["sites"]] == [56.0]
            assert ledger["max_imbalance_ions"] < 1e-6
        else:
            assert "not audited: no species says what it contains" in lines["sites"]


@pytest.mark.parametrize(
    ("contains", "words"),
    [
        ({"Mg*": {"Mg": 1}}, r'chemistry\.contains\."Mg\*".*fits no species without contains of its own'),
        ({"Ca_*": {"Ca": 1}, "Ca*B": {"Ca": 2}}, 'fits "Ca_B" as closely as ".*" does'),
        ({"Ca": {"Ca": 0}}, r"chemistry\.contains.*at least 1"),
        ({"Ca": {"Ca": 1}}, r'"Ca \+ B -> Ca_B" loses 1 Ca: declare what its species contain'),
    ],
)
def test_contents_that_cannot_be(tmp_path: Path, contains: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse(tmp_path, contains=contains).chemistry.network()
