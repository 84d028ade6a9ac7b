"""Reconstructed morphologies as models: robust reading, biophysics by region, units, segments."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from adapters.neuron.models import swc
from adapters.neuron.models.biophysics import length_constant
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from couple.components.model_spec import Current
from support.neuron_models import spec
from support.paths import SUPPORT

# A soma of one point; an axon, a basal tree that branches, an apical one, and a piece of type 7.
CELL = """# a comment
1 1 0 0 0 5 -1

2 3 10 0 0 1 1   # at the soma
3 3 20 0 0 1 2
4 3 30 5 0 .5 3
5 3 30 -5 0 .5 3
6 4 0 10 0 1 1
7 4 0 210 0 1 6
8 7 0 230 0 1 7
9 7 0 240 0 1 8
10 2 -5 0 0 .5 1
11 2 -15 0 0 .5 10
"""

PAS = {"Ra": "150 ohm cm", "cm": "1 uF/cm^2", "pas": {"g": "1e-4 S/cm^2", "e": "-65 mV"}}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        (tmp_path / "cell.swc").write_text(text)
        return tmp_path / "cell.swc"

    return make


def load(path: Path, biophysics: Any = None, **changes: Any) -> Any:
    return load_model(spec(path, function="", biophysics={"all": PAS} if biophysics is None else biophysics, **changes))


def shape(model: Any) -> dict[str, tuple[str, str | None, float, float]]:
    return {s.name: (s.region, s.parent, round(s.length, 9), round(s.distance, 9)) for s in model.sections()}


def test_sections_regions_and_distances(write: Write) -> None:
    model = load(write(CELL))
    assert shape(model) == {
        "soma[0]": ("soma", None, 10, 0),
        "axon[0]": ("axon", "soma[0]", 10, 0),
        "dend[0]": ("basal", "soma[0]", 10, 0),
        "dend[1]": ("basal", "dend[0]", round(math.hypot(10, 5), 9), 10),
        "dend[2]": ("basal", "dend[0]", round(math.hypot(10, 5), 9), 10),
        "apic[0]": ("apical", "soma[0]", 200, 0),
        "dend_7[0]": ("dend_7", "apic[0]", 30, 200),
    }
    assert model.resolve("soma(0.5)") == "soma[0](0.5)"
    # the sphere of the soma as a cylinder of the same area
    assert model.area("soma(0.5)") == pytest.approx(4 * math.pi * 25, rel=1e-6)
    assert np.array_equal(model.points("apic")[:, 1], [10, 210])


@pytest.mark.parametrize("case", ["ids", "order", "commas", "both"])
def test_ids_and_order_do_not_matter(write: Write, case: str) -> None:
    """Any ids and any order of lines give the same cell; sections of a kind may be numbered otherwise."""
    expected = sorted((r, round(length, 6), d) for r, _, length, d in shape(load(write(CELL))).values())
    rows = [line.split("#")[0].split() for line in CELL.splitlines() if line.split("#")[0].strip()]
    if case in ("ids", "both"):
        new = {int(row[0]): 1000 - 7 * int(row[0]) for row in rows}
        rows = [[str(new[int(r[0])]), *r[1:6], str(new.get(int(r[6]), -1))] for r in rows]
    if case in ("order", "both"):
        random.Random(3).shuffle(rows)
    text = "\r\n".join((", " if case == "commas" else "  ").join(row) for row in rows)
    got = sorted((r, round(length, 6), d) for r, _, length, d in shape(load(write("\ufeff" + text))).values())
    assert got == expected


def test_the_three_point_soma_is_a_sphere(write: Write) -> None:
    soma = "1 1 0 0 0 5 -1\n2 1 0 5 0 5 1\n3 1 0 -5 0 5 1\n4 3 5 0 0 1 1\n5 3 50 0 0 1 4\n"
    model = load(write(soma))
    assert set(shape(model)) == {"soma[0]", "dend[0]"}
    assert model.area("soma(0.5)") == pytest.approx(4 * math.pi * 25, rel=1e-6)


OUTLINE = "".join(
    f"{i + 1} 1 {8 * math.cos(0.6 * i):.3f} {8 * math.sin(0.6 * i):.3f} 0 0.5 {i if i else -1}\n" for i in range(10)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds 0 points"),
        ("1 1 0 0 0 5 -1\n2 3 0 0 x 1 1\n", r'line 2: "2 3 0 0 x 1 1" is not: id type'),
        ("1 1 0 0 0 5 -1\n2 3 0 0 1\n", "line 2: .* is not: id type"),
        ("1 1 0 0 0 5 -1\n2 3 nan 0 0 1 1\n", "line 2"),
        ("1 1 0 0 0 5 -1\n1 3 10 0 0 1 1\n", "line 2: id 1 is that of line 1 too"),
        ("1 1 0 0 0 5 -1\n2 3 10 0 0 0 1\n", "line 2: radius 0 is not positive"),
        ("1 1 0 0 0 5 -1\n2 3 10 0 0 1 7\n", "line 2: parent 7 does not exist"),
        ("1 1 0 0 0 5 -1\n2 3 10 0 0 1 -1\n3 3 20 0 0 1 2\n", r"2 trees .* \(roots in lines 1, 2\)"),
        ("1 1 0 0 0 5 -1\n2 3 10 0 0 1 3\n3 3 20 0 0 1 2\n", "line 2: point 2 is its own ancestor"),
        ("1 3 0 0 0 1 -1\n2 3 9 0 0 1 1\n3 1 20 0 0 5 2\n", r"line 1: the root is of type 3; root .* \(line 3\)"),
        (OUTLINE, "outline of 10 points"),
        (CELL.replace(" 1 ", " 1000 ").replace(" .5 ", " 500 "), r"no neurite has.* is this file in nm\?"),
        ("1 1 0 0 0 .005 -1\n2 3 .01 0 0 .001 1\n3 3 .02 0 0 .001 2\n", r"is this file in mm\?"),
    ],
)
def test_faulty_file(write: Write, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(write(text))
    assert caught.value.where == "neuron.model" and "\n" not in str(caught.value)
    assert not list(h.allsec())


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 60), marks=pytest.mark.acceptance)])
def test_random_trees_keep_their_length(seeds: range, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Every edge between points that are not of the soma is in a section; those to the soma may be wires or not."""
    for seed in seeds:
        rng = random.Random(seed)
        rows = [(1, 1, 0.0, 0.0, 0.0, 5.0, -1)]
        for i in range(2, rng.randint(4, 40)):
            parent = rng.randint(1, i - 1) if rng.random() < 0.4 else i - 1
            _, kind, x, y, z, _, _ = rows[parent - 1]
            kind = (
                rng.choice([0, 2, 3, 4, 7]) if kind == 1 else kind if rng.random() < 0.95 else rng.choice([2, 3, 4, 5])
            )
            at = [c + rng.uniform(-20, 20) for c in (x, y, z)]
            rows.append((i, kind, *at, rng.uniform(0.1, 2), parent))  # type: ignore[arg-type]
        model = load(write("\n".join(" ".join(map(str, row)) for row in rows)), {"all": {"pas": {}}})
        edges = [(math.dist(r[2:5], rows[r[6] - 1][2:5]), r[6] == 1) for r in rows[1:]]
        inner, all_of_them = sum(d for d, wire in edges if not wire), sum(d for d, _ in edges)
        length = sum(s.length for s in model.sections() if s.region != "soma")
        # NEURON keeps 3-d points in single precision
        assert inner * (1 - 1e-6) <= length <= all_of_them * (1 + 1e-6)
        assert all(math.isfinite(s.distance) and s.region for s in model.sections())
    assert capsys.readouterr() == ("", "")


def test_single_odd_diameters_are_doubted(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        swc.read(write(CELL.replace("5 3 30 -5 0 .5 3", "5 3 30 -5 0 .004 3")))
    assert "1 of 11 points" in caplog.text and "line 7" in caplog.text


@pytest.mark.parametrize(
    ("block", "where", "message"),
    [
        ({"soam": PAS}, "", 'unknown key "soam"; did you mean "soma"'),
        ({"all": {"pas": {"g": 1e-4}}}, ".all.pas.g", r"has no unit; NEURON has it in S/cm\^2"),
        ({"all": {"pas": {"g": "1 mV"}}}, ".all.pas.g", r'"1 mV" is not in a unit of S/cm\^2'),
        ({"all": {"pas": {"g": "1 parsnip"}}}, ".all.pas.g", 'unknown unit "parsnip"'),
        ({"all": {"pas": {"gbar": "1 S/cm2"}}}, ".all.pas.gbar", 'no parameter "gbar"'),
        ({"all": {"pass": {}}}, ".all", 'unknown mechanism "pass"; did you mean "pas"'),
        ({"all": {"pas": 3}}, ".all.pas", "not a table"),
        ({"soma": 3}, ".soma", "not a table"),
        ({"all": PAS, "dend_8": {"cm": "1 uF/cm^2"}}, ".dend_8", "has: apical, axon, basal, dend_7, soma"),
        ({"dend": PAS, "basal": PAS}, "", 'another name of "basal"'),
        ({"all": PAS, "soma": {"ek": "-90 mV"}}, ".soma.ek", "no mechanism there has a current of k"),
        ({"all": {**PAS, "cm": "0 uF/cm^2"}}, ".all.cm", "not positive"),
        ({"all": PAS, "d_lambda": 0.1, "max_segment": "10 um"}, "", "not both"),
        ({"all": PAS, "max_segment": "-1 um"}, ".max_segment", "not positive"),
        ({"all": PAS, "max_segment": "1e-6 um"}, "", "allow longer ones"),
        ({"all": PAS, "d_lambda": True}, ".d_lambda", "not a share"),
    ],
)
def test_faulty_biophysics(write: Write, block: Any, where: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(write(CELL), block)
    assert caught.value.where == f"neuron.biophysics{where}"


def test_biophysics_is_needed_by_morphologies_and_by_nothing_else(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no membrane") as caught:
        load_model(spec(write(CELL), function=""))
    assert caught.value.where == "neuron.biophysics"
    (tmp_path / "cell.hoc").write_text("create soma")
    with pytest.raises(InputError, match="only a morphology"):
        load_model(spec(tmp_path / "cell.hoc", function="", biophysics={"all": PAS}))


def test_regions_override_all_and_units_are_converted(write: Write) -> None:
    block = {
        "apical": {"cm": "20 nF/mm^2", "pas": {"g": "0.2 mS/cm^2"}, "hh": {"gnabar": "50 pS/um^2"}, "ena": "0.06 V"},
        "all": PAS,
        "basal": {"couple_cav": {"gmax": "1e-4 S/cm2"}},
        "max_segment": "20 um",
    }
    model = load(write(CELL), block)
    sections = {s.name(): s for s in h.allsec()}
    assert [s.nseg for s in sections.values()] == [1, 1, 1, 1, 1, 11, 3]
    for segment in sections["apic[0]"]:
        assert segment.cm == pytest.approx(2, rel=1e-12) and segment.hh.gnabar == pytest.approx(5e-3, rel=1e-12)
        assert segment.pas.g == pytest.approx(2e-4, rel=1e-12) and segment.pas.e == -65
        assert segment.ena == pytest.approx(60, rel=1e-12)
    assert sections["dend_7[0]"](0.5).pas.g == 1e-4 and not hasattr(sections["soma[0]"](0.5), "hh")
    assert sections["dend[2]"](0.5).couple_cav.gmax == 1e-4
    assert all(s.Ra == 150 for s in sections.values())
    assert "couple_cav reads eca, writes ica in dend[0..2]" in "\n".join(model.describe())


def test_mechanisms_from_mod_files_have_their_own_units(write: Write) -> None:
    block = {"all": PAS, "apical": {"test_pump": {"gmax": "20 uA/cm^2"}}}
    load(write(CELL), block, mechanisms=(SUPPORT / "mod",))
    apical = next(s for s in h.allsec() if s.name() == "apic[0]")
    assert apical(0.5).test_pump.gmax == pytest.approx(0.02, rel=1e-12)


def test_segments_by_the_length_constant(write: Write) -> None:
    load(write(CELL), {"all": PAS, "d_lambda": 0.03})
    apical = next(s for s in h.allsec() if s.name() == "apic[0]")
    # of an infinite cylinder at 100 Hz: ½ sqrt(d / (π f Ra cm)), d = 2 µm
    assert length_constant(apical) == pytest.approx(
        0.5 * 1e4 * math.sqrt(2e-4 / (math.pi * 100 * 150 * 1e-6)), rel=1e-12
    )
    for section in h.allsec():
        assert section.nseg % 2 == 1
        assert section.L / section.nseg <= 0.03 * length_constant(section) * (1 + 1e-9)
        assert section.nseg == 1 or section.L / (section.nseg - 2) > 0.03 * length_constant(section)


def test_a_current_clamp_drives_the_cell(write: Write) -> None:
    """After 20 membrane time constants all of the current leaves through the leak: Σ g A (V − e) = I."""
    model = load(write(CELL), currents=(Current("soma(0.5)", 1.0, 1000.0, 0.01),))
    cell = model.attach(Attachments((), (), tuple(model.segments())))
    cell.advance(40 * 201)
    areas = np.array([model.area(s) for s in model.segments()])
    leak = 1e-4 * areas * (cell.read("v") + 65) * 1e-2
    assert leak.sum() == pytest.approx(0.01, rel=10 * math.exp(-20))
    with pytest.raises(InputError, match=r'no section "somma"; did you mean "soma\[0\]"') as caught:
        load(write(CELL), currents=(Current("somma(0.5)", 1.0, 1.0, 0.01),))
    assert caught.value.where == "neuron.current[0].at"
