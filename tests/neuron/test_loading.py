"""Loading a user's model: names, geometry, and a useful line for each mistake."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import cvode, h
from adapters.neuron.models import loader
from couple.base.errors import CoupleError, InputError
from couple.components.attachments import Attachments, Conductance
from support.neuron_models import CALCIUM, PASSIVE, RICH, spec


@pytest.fixture
def model(tmp_path: Path):
    def write(source: str, name: str = "cell.py") -> Path:
        path = tmp_path / name
        path.write_text(source)
        return path

    return write


def test_segments_and_geometry(model) -> None:
    loaded = load_model(spec(model(CALCIUM)))
    assert loaded.segments() == ["soma(0.5)", "head(0.166667)", "head(0.5)", "head(0.833333)"]
    assert loaded.resolve("head(0.4)") == "head(0.5)"
    assert loaded.resolve("head(1)") == "head(1)"
    geometry = loaded.geometry("head(0.5)")
    assert geometry.size == pytest.approx((1, 1 / 3))
    assert geometry.area == pytest.approx(math.pi / 3, rel=1e-14)
    assert geometry.volume == pytest.approx(math.pi / 12, rel=1e-14)
    assert loaded.area("soma(0.5)") == pytest.approx(100 * math.pi, rel=1e-14)
    assert any("couple_cav reads eca, writes ica in head" in line for line in loaded.describe())


def test_a_section_of_a_cell_object_has_a_short_name(model) -> None:
    assert load_model(spec(model(RICH))).geometry("head(0.5)").size == (1, 1)


def test_a_short_name_of_two_sections_is_ambiguous(model) -> None:
    loaded = load_model(
        spec(
            model(
                RICH.replace("return Cell()", "return Cell(), Cell()")
                .replace("self.sk = sk_channel()", "pass")
                .replace('self.head.insert("sk_test")', "pass")
                .replace("self.head(0.5).sk_test.gmax = 1e-4", "pass")
            )
        )
    )
    with pytest.raises(InputError, match=r"several sections: .*head, .*head"):
        loaded.area("head(0.5)")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hed(0.5)", 'no section "hed"; did you mean "head"'),
        ("head", 'like "head\\(0.5\\)"'),
        ("head(half)", '"half" in .* is not a position'),
        ("head(1.5)", "outside of the section"),
        ("head(nan)", "outside of the section"),
        ("head(1)", 'end point .* "head\\(0.833333\\)"'),
    ],
)
def test_wrong_segment(model, name: str, message: str) -> None:
    loaded = load_model(spec(model(CALCIUM)))
    with pytest.raises(InputError, match=message):
        loaded.geometry(name)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def built(): pass", 'no function or class "build"; did you mean "built"'),
        ("import nothing_of_that_name", r"importing it failed: ModuleNotFoundError: .*cell.py:1"),
        ("x = 1\ndef build():\n    return 1 / 0", r"build\(\) failed: ZeroDivisionError: .*\(cell.py:3\)"),
        ("def build(:", r"SyntaxError: .*cell.py:1"),
        ("def build():\n    pass", "left no section behind"),
        (
            "from neuron import h\ndef build():\n    h.CVode().active(True)\n    return h.Section(name='a')",
            "switches on CVODE",
        ),
    ],
)
def test_faulty_model_file(model, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec(model(source)))
    assert caught.value.where == "neuron.model"
    assert "\n" not in str(caught.value)
    # Nothing of it is left to disturb the next one.
    load_model(spec(model(PASSIVE)))
    assert not cvode.active()


def test_missing_or_foreign_file(model, tmp_path: Path) -> None:
    model(PASSIVE)
    with pytest.raises(InputError, match=r'no model file .*did you mean "cell\.py"'):
        load_model(spec(tmp_path / "cel.py"))
    with pytest.raises(InputError, match=r'"cell\.txt" is empty: give "cell\.py:function", "cell\.hoc"'):
        load_model(spec(model("", "cell.txt")))


def test_a_model_may_import_its_neighbours(model) -> None:
    model("LENGTH = 3.0\n", "neighbour_of_cell.py")
    source = PASSIVE.replace("def build", "from neighbour_of_cell import LENGTH\ndef build").replace(
        "head.L = head.diam = 1", "head.L, head.diam = LENGTH, 1"
    )
    assert load_model(spec(model(source))).geometry("head(0.5)").size == (1, 3)


KINDS = """
from neuron import h

def section(name, length=3.0):
    made = h.Section(name=name)
    made.L, made.diam = length, 1
    made.insert("pas")
    return made

def a_list(n=2): return [section(f"dend[{i}]") for i in range(n)]
def a_dict(**lengths): return {name: section(name, length) for name, length in lengths.items()}
def nested(): return {"cells": [Cell("soma")], "extra": (section("axon"),)}

class Cell:
    def __init__(self, name, /, length=3.0):
        self.tree = [section(name, length)]

    def __str__(self):
        return "mine"

class Slotted:
    __slots__ = ("one",)
    def __init__(self): self.one = section("soma")

class Owned:
    def __init__(self):
        self.soma = h.Section(name="soma", cell=self)
        self.dend = [h.Section(name=f"dend[{i}]", cell=self) for i in range(2)]
"""


@pytest.mark.parametrize(
    ("function", "arguments", "names"),
    [
        ("a_list", (), ["dend[0]", "dend[1]"]),
        ("a_list", {"n": 3}, ["dend[0]", "dend[1]", "dend[2]"]),
        ("a_dict", {"soma": 5, "axon": 2.5}, ["soma", "axon"]),
        ("nested", (), ["soma", "axon"]),
        ("Cell", ["soma"], ["soma"]),
        ("Cell", ["soma", 7], ["soma"]),
        ("Slotted", (), ["soma"]),
        ("Owned", (), ["soma", "dend[0]", "dend[1]"]),
    ],
)
def test_whatever_owns_sections_is_a_model(model, function: str, arguments: object, names: list[str]) -> None:
    loaded = load_model(spec(model(KINDS), function=function, arguments=arguments))
    assert [s.name.rsplit(".", 1)[-1] for s in loaded.sections()] == names
    assert loaded.resolve(f"{names[-1]}(0.5)").endswith(f"{names[-1]}(0.5)")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("a_list", {"m": 3}, r'a_list\(\) has no argument "m"; known: n'),
        ("a_list", [1, 2], r"a_list\(n=2\): too many positional arguments"),
        ("Cell", {"length": 3}, r"missing a required .*argument: 'name'"),
    ],
)
def test_arguments_that_a_builder_does_not_take(model, function: str, arguments: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_model(spec(model(KINDS), function=function, arguments=arguments))
    assert caught.value.where == "neuron.arguments"


def test_without_a_function_the_file_is_looked_through(model) -> None:
    with pytest.raises(InputError, match=r'model = "cell\.py:build"; it has: build'):
        load_model(spec(model(PASSIVE), function=""))
    with pytest.raises(InputError, match=r"it has: section, a_list, .*Cell, Slotted, Owned"):
        load_model(spec(model(KINDS), function=""))


def test_a_builder_runs_in_its_own_folder(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A HOC file or a table beside the model is found, from wherever couple is started, and belongs to the model."""
    model("begintemplate Beside\npublic a\ncreate a\nendtemplate Beside\n", "template_of_loading.hoc")
    source = "from neuron import h\ndef build():\n    h.load_file('template_of_loading.hoc')\n    return h.Beside()\n"
    model(source)
    monkeypatch.chdir(tmp_path.parent)
    for _ in range(2):
        loaded = load_model(spec(Path(tmp_path.name) / "cell.py"))
        assert [s.name for s in loaded.sections()] == ["Beside[0].a"]
        files = loaded.attach(Attachments((), (), ())).model_files
        assert {Path(f).name for f in files} == {"cell.py", "template_of_loading.hoc"}
    assert Path.cwd() == tmp_path.parent


def test_two_sections_of_one_name_cannot_be_named(model) -> None:
    source = PASSIVE.replace("return head", 'return head, h.Section(name="head")')
    with pytest.raises(InputError, match='several sections of the model are called "head"'):
        load_model(spec(model(source))).geometry("head(0.5)")


def test_neighbours_of_two_models_do_not_meet(model, tmp_path: Path) -> None:
    """Each model imports the neighbour in its own folder, though both are called the same; and the changed one."""
    source = PASSIVE.replace("def build", "import parts_of_cell\ndef build").replace(
        "head.L = head.diam = 1", "head.L, head.diam = parts_of_cell.LENGTH, 1"
    )
    for length in (3, 4):
        (tmp_path / str(length)).mkdir()
        (tmp_path / str(length) / "parts_of_cell.py").write_text(f"LENGTH = {length}\n")
        path = model(source, f"{length}/cell.py")
        loaded = load_model(spec(path))
        assert loaded.geometry("head(0.5)").size == (1, length)
        cell = loaded.attach(Attachments((), (), ()))
        assert {Path(f).name for f in cell.model_files} == {"cell.py", "parts_of_cell.py"}


def test_a_large_model_is_described_in_a_screenful(model) -> None:
    source = """
from neuron import h

def build():
    cells = []
    for i in range(40):
        cells.append(h.Section(name=f"soma_{i}"))
        cells += [h.Section(name=f"dend[{k}]") for k in range(50 * i, 50 * i + 50)]
    for k, section in enumerate(cells):
        section.insert("pas" if k % 2 else "hh")
    return cells, [h.ExpSyn(s(0.5)) for s in cells]
"""
    lines = load_model(spec(model(source))).describe()
    assert len(lines) <= 40 and max(map(len, lines)) <= 400
    assert "2040 sections, 2040 segments" in lines[0]
    assert any("dend[0..1999]" in line for line in lines) and any("and " in line and " more" in line for line in lines)


def test_sections_made_outside_of_the_model_are_refused(model) -> None:
    load_model(spec(model(PASSIVE)))
    loader.release_current()
    stranger = h.Section(name="stranger")
    with pytest.raises(InputError, match=r"already holds sections .*\(stranger\)"):
        load_model(spec(model(PASSIVE)))
    h.delete_section(sec=stranger)


def test_the_next_model_releases_the_one_before(model) -> None:
    attachments = Attachments((), (), ("head(0.5)",))
    first = load_model(spec(model(PASSIVE))).attach(attachments)
    second = load_model(spec(model(PASSIVE))).attach(attachments)
    with pytest.raises(CoupleError, match="was released"):
        first.advance(1)
    second.advance(1)
    assert second.read("v")[0] == pytest.approx(-65, abs=1)


@pytest.mark.parametrize(
    ("attachments", "message"),
    [
        (Attachments(("head(0.5)", "head(0.4)"), (), ()), "the same segment"),
        (Attachments(("head(0.5)", "head(0.5)"), (), ()), "the same segment"),
        (Attachments(("head(0.5)",), (), (), cai=(1e-4, 1e-4)), "2 initial concentrations are given for 1"),
        (Attachments((), (Conductance("Cl", "head(0.5)", ion="cl"),), ()), 'of the ion "cl".*reversal potential'),
    ],
)
def test_wrong_attachments(model, attachments: Attachments, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_model(spec(model(CALCIUM))).attach(attachments)
