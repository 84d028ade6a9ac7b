"""Something to begin with: templates, the examples, and what a name means."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from couple import Experiment, InputError
from couple.projects.examples import copy_examples, example, examples, needed
from couple.projects.find import find_file
from couple.projects.templates import TEMPLATES, start_project
from support.command_line import couple
from support.paths import EXAMPLES, ROOT


@pytest.mark.parametrize(
    "template", [pytest.param(name, marks=pytest.mark.acceptance) if name == "network" else name for name in TEMPLATES]
)
def test_a_project_is_an_experiment_of_its_own(template: str, tmp_path: Path) -> None:
    """It loads, has its folder's name, and its comments name no file that is not there."""
    made = start_project(tmp_path / "demo", template)
    assert made == tmp_path / "demo" / "demo.toml"
    assert {p.suffix for p in made.parent.rglob("*") if p.is_file()} <= {".toml", ".py", ".hoc", ".mod", ".swc", ".csv"}
    text = made.read_text()
    assert 'name = "demo"' in text and "uv run" not in text and f"examples/{TEMPLATES[template].experiment}" not in text
    assert f"couple {TEMPLATES[template].command} demo/demo.toml" in text
    if TEMPLATES[template].command == "run":
        assert Experiment.load(made).experiment.name == "demo"
        assert couple("check", str(made.parent)) == 0
    else:
        assert find_file(made.parent, TEMPLATES[template].command) == made


def test_what_a_project_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, template, says in (
        ("there", "spine", "there exists: nothing is replaced"),
        ("new", "spin", 'no template "spin"; did you mean "spine"?'),
        ("1 b", "spine", '"1 b" is no name for a project'),
    ):
        with pytest.raises(InputError, match=re.escape(says)):
            start_project(tmp_path / name, template)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("name", sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir()))
def test_a_copied_example_has_all_that_it_needs(name: str, tmp_path: Path) -> None:
    copied = copy_examples(example(name), tmp_path)
    assert [p.name for p in copied] == [one.name for one in needed(example(name))]
    for path in (p for p in copied[0].glob("*.toml") if "\n[experiment]" in p.read_text()):
        Experiment.load(path)
    for named in re.findall(r'"((?:\.\./)[\w/.]+\.\w+)"', "".join(p.read_text() for p in copied[0].glob("*.toml"))):
        assert (copied[0] / named).is_file(), named
    with pytest.raises(InputError, match="exists: nothing is replaced"):
        copy_examples(example(name), tmp_path)


def test_what_an_example_needs_may_be_there_already(tmp_path: Path) -> None:
    """Left as it is, changed or not; a folder of that name that is something else is in the way."""
    (copied,) = copy_examples(example("spine"), tmp_path)
    (copied / "spine.toml").write_text("# mine")
    assert tmp_path / "sk" in copy_examples(example("sk"), tmp_path)
    assert (copied / "spine.toml").read_text() == "# mine"
    (tmp_path / "other" / "spine").mkdir(parents=True)
    with pytest.raises(InputError, match="spine exists: nothing is replaced"):
        copy_examples(example("sk"), tmp_path / "other")
    assert not (tmp_path / "other" / "sk").exists()


def test_every_example_has_a_title() -> None:
    assert sorted(examples()) == sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())
    assert all(one.title and len(one.title) < 160 for one in examples().values())
    with pytest.raises(InputError, match=r'no example "spnie"; did you mean "spine"'):
        example("spnie")


def test_what_a_name_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = EXAMPLES / "spine" / "spine.toml"
    for given in ("spine", "spine/spine.toml"):
        assert find_file(Path(given), "experiment").samefile(packaged)
    Path("spine").mkdir()
    with pytest.raises(InputError, match="spine is a folder without experiment"):
        find_file(Path("spine"), "experiment")
    shutil.copy(packaged, "spine/other.toml")
    assert find_file(Path("spine"), "experiment") == Path("spine/other.toml"), "what is here comes first"
    Path("spine/damaged.toml").write_text("[experiment")
    shutil.copy(packaged, "spine/third.toml")
    with pytest.raises(InputError, match=r"2 files with \[experiment\], name one: other.toml, third.toml"):
        find_file(Path("spine"), "experiment")
    shutil.copy(packaged, "spine/spine.toml")
    assert find_file(Path("spine"), "experiment") == Path("spine/spine.toml")
    for unknown in ("spnie", "../spine", "/spine", "nothing.toml"):
        assert find_file(Path(unknown), "experiment") == Path(unknown), "whoever opens it says what is wrong"


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert couple("init", "demo") == 0
    assert couple("run", "demo", "--until", "1 ms", "--no-figure", "--quiet") == 0
    assert Path("results/demo-001/results.h5").is_file()
    assert couple("examples") == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in examples())
    assert couple("examples", "copy", "sk", "--to", "mine") == 0
    assert Path("mine/sk/train.toml").is_file() and Path("mine/spine/spine.toml").is_file()
    assert couple("examples", "copy", "nothing") == 2


@pytest.mark.acceptance
def test_the_wheel_starts_in_an_empty_folder(tmp_path: Path) -> None:
    """Built, unpacked elsewhere, and without this checkout on Python's path."""
    subprocess.run(["uv", "build", "--wheel", "--quiet", "--out-dir", tmp_path], cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
        assert {f"{top}/py.typed" for top in ("couple", "reducers", "adapters")} <= {*file.namelist()}
    empty, environment = tmp_path / "empty", {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    empty.mkdir()

    def command(*arguments: str) -> str:
        line = [sys.executable, *arguments]
        done = subprocess.run(line, cwd=empty, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = command("-c", "import couple; print(couple.__file__)")
    assert Path(where.strip()).is_relative_to(tmp_path / "site")
    command("-m", "couple", "init", "demo")
    command("-m", "couple", "run", "demo", "--until", "5 ms")
    command("-m", "couple", "examples", "copy", "spine")
    command("-m", "couple", "run", "spine/spine.toml", "--until", "5 ms")
    command("-m", "couple", "run", "regimes/agree.toml", "--until", "1 s")
    assert {p.name for p in (empty / "results").iterdir()} >= {"demo-001", "spine-001"}


@pytest.mark.acceptance
def test_types_are_seen_in_a_script_of_ones_own(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text('from couple import Experiment\n\nreveal_type(Experiment.load("a.toml").experiment.seed)\n')
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert 'Revealed type is "int"' in done.stdout.replace("builtins.", ""), done.stdout
