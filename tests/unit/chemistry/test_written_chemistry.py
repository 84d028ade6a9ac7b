"""Chemistry written as SBML, .net, .bngl and Antimony: read again, its molecules go the same way."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.chemistry_files.write.antimony import write_antimony
from adapters.chemistry_files.write.bngl import write_bngl, write_net
from adapters.chemistry_files.write.sbml import write_sbml
from adapters.wellmixed.ode.engine import MassAction
from couple.base.errors import InputError
from couple.chemistry.counted import CountedChemistry, count_chemistry
from couple.chemistry.network import ReactionNetwork
from couple.components.engine import EngineSetup, Site
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.wiring.sites.initial_amounts import initial_amounts
from support.command_line import couple
from support.paths import EXAMPLES

HEAD = Geometry.cylinder(0.5, 0.5)
WRITERS = {"sbml": (write_sbml, "xml"), "net": (write_net, "net")}
SMALL = ["spine/spine.toml", "kinase/kinase.toml", "lattice/lotka_volterra.toml"]


def examples() -> list[str]:
    found = [
        p for p in sorted(EXAMPLES.rglob("*.toml")) if "[chemistry" in (text := p.read_text()) and "[[site]]" in text
    ]
    return [str(p.relative_to(EXAMPLES)) for p in found if "train" not in p.name]


def written(network: ReactionNetwork, counts: tuple[float, ...]) -> CountedChemistry:
    return count_chemistry(network, counts, HEAD.volume, HEAD.area, "x")


def read_again(folder: Path, text: str, suffix: str) -> Experiment:
    (folder / f"again.{suffix}").write_text(text)
    units = {"amount": "count", "volume": f"{HEAD.volume!r} um^3", "time": "s"} if suffix == "net" else None
    return Experiment.parse(
        {
            "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
            "chemistry": {"file": f"again.{suffix}", **({"units": units} if units else {})},
            "site": [
                {"name": "s", "engine": "ode", "geometry": {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}}
            ],
        },
        path=folder / "x.toml",
    )


def course(network: ReactionNetwork, counts: tuple[float, ...]) -> np.ndarray:
    """(40, n_species) molecules of 4 ms."""
    options: Any = MassAction.Options.model_validate({"rtol": 1e-11, "atol": 1e-9})
    engine = MassAction(EngineSetup("x", network, (Site("s", HEAD, counts),), tick=0.1, options=options))
    rows = []
    for _ in range(40):
        engine.advance(1)
        rows.append(engine.read("counts")[0, : len(network.species)].copy())
    return np.array(rows)


def assert_round_trip(name: str, kind: str, folder: Path) -> None:
    made = Experiment.load(EXAMPLES / name)
    network = made.network()
    counts = initial_amounts(network, made.chemistry.initial, HEAD).counts
    writer, suffix = WRITERS[kind]
    again = read_again(folder, writer(written(network, counts)), suffix)
    other = again.network()
    starts = initial_amounts(other, again.chemistry.initial, HEAD).counts
    at = [other.names.index(n) for n in network.names]
    assert np.array(starts)[at] == pytest.approx(counts, rel=1e-12, abs=1e-12)
    away = np.array(counts) + np.random.default_rng(1).uniform(5, 50, len(counts))  # many start where they stay
    there = np.empty(len(at))
    there[at] = away
    before, after = course(network, tuple(away)), course(other, tuple(there))[:, at]
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9 * max(before.max(), 1.0))
    assert abs(before[-1] - before[0]).max() > 1e-3 or not network.reactions


@pytest.mark.parametrize("kind", WRITERS)
def test_the_spine_and_its_trajectory_come_back(kind: str, tmp_path: Path) -> None:
    assert_round_trip("spine/spine.toml", kind, tmp_path)


@pytest.mark.acceptance
@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", examples())
def test_every_example_comes_back_with_its_trajectory_or_is_refused_by_name(
    name: str, kind: str, tmp_path: Path
) -> None:
    try:
        made = Experiment.load(EXAMPLES / name)
        network = made.network()
        counts = initial_amounts(network, made.chemistry.initial, HEAD).counts
        writer = WRITERS[kind][0]
        writer(written(network, counts))
    except InputError as error:
        refused = ("only lattice.mode", "depends on the voltage", "has a rate law", "is no mesh", "no lengths")
        assert any(words in str(error) for words in refused), error
        return
    assert_round_trip(name, kind, tmp_path)


LAWS = {
    "species": {"S": {}, "P": {}, "E": {}, "R": {"on": "membrane"}},
    "reactions": [
        {
            "equation": "S -> P",
            "rate_law": "if(E > K, kcat * E * S^n / (Km^n + S^n), k * max(S, P))",
            "parameters": {"kcat": "20 /s", "Km": "5 uM", "n": 4, "K": "1 uM", "k": "3 /s"},
        },
        {"equation": "2 S + R -> R + S", "rate_law": "v * R * S / (M + S)", "parameters": {"v": "1e2 /s", "M": "2 uM"}},
        {"equation": "2 P -> S", "forward": "1e7 /M/s"},
    ],
    "initial": {"S": {"count": 400}, "E": {"count": 90}, "R": {"count": 40}},
    "observables": {"all": {"S": 1, "P": 2}},
}


def lawful() -> tuple[ReactionNetwork, tuple[float, ...]]:
    made = Experiment.build(
        experiment={"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        chemistry=LAWS,
        site=[{"name": "s", "engine": "ode", "geometry": {"cylinder": {"diameter": "0.5 um", "length": "0.5 um"}}}],
    )
    network = made.network()
    return network, initial_amounts(network, made.chemistry.initial, HEAD).counts


def test_rate_laws_come_back_from_sbml_and_are_refused_elsewhere(tmp_path: Path) -> None:
    network, counts = lawful()
    again = read_again(tmp_path, write_sbml(written(network, counts)), "xml")
    other = again.network()
    assert other.observables["all"] == {"S": 1, "P": 2}
    at = [other.names.index(n) for n in network.names]
    starts = initial_amounts(other, again.chemistry.initial, HEAD).counts
    before = course(network, counts)
    np.testing.assert_allclose(course(other, starts)[:, at], before, rtol=1e-9, atol=1e-7)
    assert before[-1, 0] < before[0, 0] - 1  # the control: something happened
    for writer in (write_net, write_bngl):
        with pytest.raises(InputError, match=r"has a rate law, BioNetGen.s files take mass action here: write SBML"):
            writer(written(network, counts))


def test_rules_of_bngl_have_the_propensities(tmp_path: Path) -> None:
    """A rule's constant is of each pair of two of a kind, in whichever order: half of n (n - 1)."""
    made = Experiment.build(
        experiment={"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
        chemistry={
            "species": {"A": {}, "B": {}},
            "reactions": [
                {"equation": "2 A <-> B", "forward": "1e8 /M/s", "backward": "3 /s"},
                {"equation": "0 -> A", "forward": "1 uM/s"},
            ],
            "observables": {"total": {"A": 1, "B": 2}},
        },
        site=[{"name": "s", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    )
    network = made.network()
    text = write_bngl(written(network, (10, 0)))
    rates = {k: float(v) for k, v in re.findall(r"^ +(rate_\d+) (\S+)$", text, re.M)}
    expected = network.count_rates(HEAD.volume, HEAD.area) * 1e3
    assert list(rates.values()) == pytest.approx([2 * expected[0], expected[1], expected[2]], rel=1e-14)
    assert re.search(r"^ +A\(\) \+ A\(\) -> B\(\) rate_1", text, re.M) and re.search(
        r"^ +0 -> A\(\) rate_3", text, re.M
    )
    assert "Molecules total A(),B(),B()" in text and text.rstrip().endswith("generate_network({overwrite=>1})")


def test_antimony_says_what_sbml_says() -> None:
    network, counts = lawful()
    text = write_antimony(written(network, counts))
    lines = text.splitlines()
    assert lines[0] == "model x" and lines[-1] == "end"
    assert sum("=>" in line for line in lines) == 3
    assert any(line.startswith("  substanceOnly species R in site_volume; R = 40.0;  # on 0.78") for line in lines)
    assert any("piecewise(" in line for line in lines) and "  all := S + 2.0 * P;" in lines


def test_the_command_writes_what_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(next((EXAMPLES / "regimes").glob("*.toml")))
    for form, suffix in (("sbml", ".xml"), ("net", ".net"), ("bngl", ".bngl"), ("antimony", ".ant")):
        assert couple("export", path, "--to", form) == 0
        made = tmp_path / capsys.readouterr().out.strip()
        assert made.suffix == suffix and made.stat().st_size > 300
    for arguments, said in (
        (["--to", "csv"], '"csv" is not written of an experiment'),
        (["--to", "sbml", "--site", "nowhere"], 'no site "nowhere"'),
        (["--to", "vtkhdf"], "has no geometry.mesh"),
    ):
        assert couple("export", path, *arguments) != 0
        assert said in capsys.readouterr().err.replace("\n", " ")
