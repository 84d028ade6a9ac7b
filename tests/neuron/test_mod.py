"""MOD files of users: found, compiled once, loaded; and a line for each mistake."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from adapters.neuron import load_model
from adapters.neuron.coupling.ion_use import IonUse, uses_in
from adapters.neuron.mechanisms import builtin, nmodl, user
from couple.base.errors import InputError
from couple.cache import prune
from support.cache_damage import DAMAGES, spoil
from support.neuron_models import PASSIVE, spec
from support.paths import SUPPORT

MOD = SUPPORT / "mod"

LEAK = "NEURON {{ SUFFIX {name} NONSPECIFIC_CURRENT i }}\nASSIGNED {{ v (mV) i (mA/cm2) }}\nBREAKPOINT {{ i = {i} }}\n"


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    (tmp_path / "cell.py").write_text(PASSIVE)
    return tmp_path / "cell.py"


def refused(cell: Path, *mechanisms: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(spec(cell, mechanisms=mechanisms))
    assert caught.value.where == "neuron.mechanisms" and "\n" not in str(caught.value)
    return caught.value.message


def test_a_folder_is_compiled_and_its_names_are_reported(cell: Path) -> None:
    for _ in range(2):  # the second time they are there already
        model = load_model(spec(cell, mechanisms=(MOD,)))
        (line,) = [line for line in model.describe() if "compiled" in line]
        assert line == (
            "compiled from MOD files: test_pool (pool.mod), test_probe (probe.mod), test_pump (pump.mod), "
            "test_writer (writer.mod)"
        )
    # by file, too
    model = load_model(spec(cell, mechanisms=(MOD / "pool.mod", MOD / "probe.mod")))
    assert any("test_pool (pool.mod), test_probe (probe.mod)" in line for line in model.describe())


def test_what_is_no_mod_file(cell: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no .mod file" in refused(cell, tmp_path / "empty")
    assert '"cell.py" is Python source' in refused(cell, cell)
    (tmp_path / "mods").mkdir()
    assert 'did you mean "mods"' in refused(cell, tmp_path / "mod")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hh", "one of NEURON's own"),
        ("couple_cav", "one of couple's own"),
        ("IClamp", "one of NEURON's own"),
        ("test_pool", "another one of that name was loaded before"),
    ],
)
def test_a_name_that_is_taken(cell: Path, tmp_path: Path, name: str, message: str) -> None:
    load_model(spec(cell, mechanisms=(MOD,)))
    (tmp_path / "mine.mod").write_text(LEAK.format(name=name, i="0"))
    text = refused(cell, tmp_path / "mine.mod")
    assert f'mechanism "{name}" of mine.mod' in text and message in text and "rename" in text


def test_two_files_of_one_name(cell: Path, tmp_path: Path) -> None:
    for file in ("a.mod", "b.mod"):
        (tmp_path / file).write_text(LEAK.format(name="test_twice", i="0"))
    assert '"test_twice" is defined in a.mod and in b.mod' in refused(cell, tmp_path / "a.mod", tmp_path / "b.mod")


def test_an_error_is_shown_with_its_file(cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    good, bad = tmp_path / "good.mod", tmp_path / "bad.mod"
    good.write_text(LEAK.format(name="test_good", i="0"))
    bad.write_text(LEAK.format(name="test_bad", i="0").replace("BREAKPOINT", "BREAKPOIN"))
    assert "nrnivmodl failed: bad.mod:3: Illegal block" in refused(cell, good, bad)
    left = [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert not left, "a failed build left something in the cache"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "Translating cad.mod into /x/cad.cpp\nThread Safe\nsyntax error:\n"
            " Error: Illegal block at line 11 in file cal.mod\nBREAKPOIN { i = 0 }\nmake: *** [x:11: cal.cpp] Error 1",
            "cal.mod:11: Illegal block",
        ),
        (
            "/x/cal.cpp: In function 'f':\n/x/cal.cpp:283:10: error: 'gbarr' was not declared in this scope\n"
            "make: *** [makemod2c_inc:15: cal.o] Error 1",
            "cal.mod: 'gbarr' was not declared in this scope",
        ),
        ("sh: make: not found", "sh: make: not found"),
        ("", "no word of why"),
    ],
)
def test_the_first_error_of_a_compilation(output: str, line: str) -> None:
    assert nmodl.first_error(output) == line


UNDEFINED = """
NEURON { SUFFIX undefined }
VERBATIM
extern double not_there_at_all(double);
ENDVERBATIM
ASSIGNED { x v }
BREAKPOINT {
VERBATIM
  x = not_there_at_all(1);
ENDVERBATIM
}
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (UNDEFINED, "not_there_at_all in one.mod is nowhere: neither in NEURON nor in one of the MOD files"),
        ("NEURON { SUFFIX ghk }", "NEURON has something called ghk already: rename it in one.mod"),
    ],
)
def test_what_does_not_load_is_named(
    cell: Path, tmp_path: Path, text: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.mod").write_text(text)
    assert says in refused(cell, tmp_path / "one.mod")
    assert capfd.readouterr() == ("", "")


def test_without_a_compiler_it_says_so(cell: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leak.mod").write_text(LEAK.format(name="test_uncompiled", i="0"))
    with monkeypatch.context() as patch:
        patch.setenv("COUPLE_NO_COMPILER", "1")
        assert "(leak.mod) need a C++ compiler: COUPLE_NO_COMPILER is set" in refused(cell, tmp_path / "leak.mod")
    monkeypatch.setattr(nmodl.shutil, "which", lambda name: None)
    assert "need a C++ compiler: no C++ compiler" in refused(cell, tmp_path / "leak.mod")


def test_a_missing_mechanism_says_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text(PASSIVE.replace('insert("pas")', 'insert("test_nowhere")'))
    with pytest.raises(InputError, match=r'cell.py:6.*|mechanisms = "FOLDER"'):
        load_model(spec(tmp_path / "cell.py"))


def test_ions_of_a_mod_file() -> None:
    text = """
    TITLE USEION zn READ ezn
    COMMENT
        USEION cl READ ecl WRITE icl
    ENDCOMMENT
    NEURON {
        SUFFIX x  : USEION mg READ emg
        USEION ca READ eca, cai WRITE ica VALENCE 2
        USEION k WRITE ik READ ek
        USEION na
            READ ena
    }
    """
    assert uses_in(text) == (
        IonUse("ca", ("eca", "cai"), ("ica",)),
        IonUse("k", ("ek",), ("ik",)),
        IonUse("na", ("ena",), ()),
    )
    assert [u.carries for u in uses_in(text)] == [True, True, False]
    assert user.without_comments("a ? b\nCOMMENT\nc\nENDCOMMENT d : e\nf").split() == ["a", "d", "f"]


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library in a cache of its own; instead of a compiler, a copy of our own library."""
    ours = builtin.compiled_library()
    assert ours is not None
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(nmodl, "compile_library", lambda script, inputs, made, options: shutil.copy(ours, made))
    return nmodl.library([MOD / "pool.mod"], "model")


def test_a_library_that_was_cut_is_not_kept(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the linker left on a full disk, without a word: it does not go into the cache."""
    content = pool.read_bytes()
    assert nmodl.is_whole(pool)
    for size in (0, 10, 1000, len(content) // 2, len(content) - 1):
        pool.write_bytes(content[:size])
        assert not nmodl.is_whole(pool)
    monkeypatch.undo()
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    script = tmp_path / "nrnivmodl"
    script.write_text("#!/bin/sh\nmkdir x86_64\n: > x86_64/libnrnmech.so\n")
    script.chmod(0o755)
    monkeypatch.setattr(nmodl, "nrnivmodl", lambda: str(script))
    with pytest.raises(nmodl.NoCompilerError, match=r"no place for compiled mechanisms.*cut short"):
        nmodl.library([MOD / "pool.mod"], "model")
    left = {path.suffix or path.name for path in pool.parent.parent.iterdir() if path != pool.parent}
    assert left == {".lock", prune.MARK}


def test_a_damaged_library_is_compiled_anew(pool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All damages that the cache is tested with."""
    content, runs, copied = pool.read_bytes(), [], nmodl.compile_library

    def compiled(script: str, inputs: list[Path], made: Path, options: tuple[str, ...]) -> None:
        runs.append(made)
        copied(script, inputs, made, options)

    monkeypatch.setattr(nmodl, "compile_library", compiled)
    for how in DAMAGES:
        if "owner" in how and os.geteuid() != 0:
            continue
        runs.clear()
        spoil(pool.parent, how)
        assert nmodl.cached([MOD / "pool.mod"], "model") is None, how
        assert nmodl.library([MOD / "pool.mod"], "model") == pool and pool.read_bytes() == content and len(runs) == 1
        shutil.rmtree(pool.parent.with_name("elsewhere"), ignore_errors=True)
        pool.parent.with_name("elsewhere").unlink(missing_ok=True)


def test_a_library_is_of_its_files_compiler_and_neuron(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, header = tmp_path / "leak.mod", tmp_path / "leak.inc"
    file.write_text(LEAK.format(name="test_key", i="0"))
    keys = [nmodl.key([file], "libmodel.so"), nmodl.key([file], "libcouple.so")]
    keys.append(nmodl.key([file], "libmodel.so", nmodl.UNFUSED))
    file.write_text(LEAK.format(name="test_key", i="1"))
    keys.append(nmodl.key([file], "libmodel.so"))
    header.write_text("x")
    keys.append(nmodl.key(nmodl.with_headers([file]), "libmodel.so"))
    monkeypatch.setattr(nmodl, "compiler", lambda: sys.executable)
    keys.append(nmodl.key([file], "libmodel.so"))
    monkeypatch.setattr(nmodl, "NEURON_VERSION", "8.2")
    keys.append(nmodl.key([file], "libmodel.so"))
    assert len(set(keys)) == len(keys)
