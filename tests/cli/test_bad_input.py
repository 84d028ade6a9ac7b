"""Bad input gets one clear line that names the file and the key, exit code 2, and writes nothing."""

import importlib.metadata
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from couple.cli.main import main
from support.paths import EXAMPLES, ROOT

SPINE = ROOT / "examples" / "spine" / "spine.toml"


class Done(NamedTuple):
    returncode: int | str | None
    stderr: str


Couple = Callable[..., Done]


@pytest.fixture
def couple(capsys: pytest.CaptureFixture[str]) -> Couple:
    """The command line, in this process."""

    def call(*arguments: str) -> Done:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        return Done(stop.value.code or 0, capsys.readouterr().err)

    return call


def complaint(done: Done, code: int = 2) -> str:
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


# what is wrong: (text in the spine example, what replaces it, words that the message must hold)
MISTAKES = {
    "misspelt key": (
        'exchange = "0.1 ms"',
        'exchnage = "0.1 ms"',
        ["spine.toml", "experiment", "exchnage", "exchange"],
    ),
    "misspelt option": ("lattice.spacing", "lattice.spacign", ["site[0].lattice", "spacign", "spacing"]),
    "misspelt engine block": ("lattice.spacing", "latice.spacing", ["site[0]", "latice", "lattice"]),
    "wrong dimension": ('exchange = "0.1 ms"', 'exchange = "0.1 mV"', ["experiment.exchange", "mV", "time"]),
    "no unit": ('exchange = "0.1 ms"', "exchange = 0.1", ["experiment.exchange", "0.1", "unit"]),
    "rate of the wrong order": (
        'forward = "2.47e8 /M/s"',
        'forward = "2.47e8 /s"',
        ["reactions[0].forward", "second order"],
    ),
    "exchange no multiple of dt": ('dt = "0.025 ms"', 'dt = "0.03 ms"', ["experiment.exchange", "0.1", "0.09", "0.12"]),
    "duration no multiple": ('duration = "300 ms"', 'duration = "300.05 ms"', ["experiment.duration", "300", "300.1"]),
    "unknown section": ('segment = "head(0.5)"', 'segment = "haed(0.5)"', ["site[0].segment", "haed", "head"]),
    "unknown recorded section": ('"soma(0.5)"', '"smoa(0.5)"', ["record.voltages[0]", "smoa", "soma"]),
    "unknown engine": ('engine = "lattice"', 'engine = "latice"', ["site[0].engine", "latice", "lattice", "install"]),
    "unbalanced reaction": (
        '"CaPMCA -> PMCA + Ca_out"',
        '"CaPMCA -> PMCA"',
        ["chemistry", "CaPMCA -> PMCA", "loses 1 Ca"],
    ),
    "unknown species": ('"Ca + CBP <-> CaCBP"', '"Ca + CPB <-> CaCBP"', ["reactions[0].equation", "CPB", "CBP"]),
    "unknown linked species": ('to = "head.Ca"', 'to = "head.Cl"', ["link[0].to", "Cl", "Ca"]),
    "unknown site": ('to = "head.Ca"', 'to = "haed.Ca"', ["link[0].to", "haed", "head"]),
    "link repeated": (
        "[record]",
        '[[link]]\nfrom = "neuron.ica"\nto = "*.Ca"\n[record]',
        ["link[3]", "link[0]", "twice"],
    ),
    "conductance missing": ('conductance = "10 pS"\n', "", ["link[2]", "conductance"]),
    "model missing": ("cell.py:build", "cel.py:build", ["neuron.model", "cel.py"]),
    "builder missing": ("cell.py:build", "cell.py:biuld", ["neuron.model", "biuld", "build"]),
    "negative duration": ('duration = "300 ms"', 'duration = "-300 ms"', ["experiment.duration", "more than 0"]),
    "not TOML": ("[experiment]", "[experiment", ["spine.toml", "TOML"]),
    "key inside a species": ('D = "220 um^2/s"', 'D = "220 um/s"', ["chemistry.species.Ca.D", "um/s", "diffusion"]),
    "unit that is no unit": ('"2.47e8 /M/s"', '"2.47e8 (/M/s"', ["reactions[0].forward", "unit"]),
    "reaction that changes nothing": ('"CaPMCA -> PMCA + Ca_out"', '"PMCA -> PMCA"', ["chemistry", "changes nothing"]),
    "no molecules of a reactant": ('"Ca + CBP <-> CaCBP"', '"0 Ca <-> CaCBP"', ["reactions[0]", "0 Ca"]),
    "site with a reserved name": ('name = "head"', 'name = "time"', ["site[0]", "time", "another name"]),
    "seed that is no seed": ("seed = 1", "seed = true", ["experiment.seed", "whole number"]),
    "seed too large": ("seed = 1", "seed = 18446744073709551617", ["experiment.seed"]),
    "ion and reversal": (
        'conductance = "10 pS"',
        'conductance = "10 pS"\nion = "k"\nreversal = "-90 mV"',
        ["link[2]", "both"],
    ),
    "steps without end": ('dt = "0.025 ms"', 'dt = "1e-300 ms"', ["experiment.exchange", "neuron.dt"]),
    "record that leaves a rest": ('every = "0.1 ms"', 'every = "0.7 ms"', ["experiment.duration", "record.every"]),
    "drive into neuron": (
        "[record]",
        '[[drive]]\nto = "neuron.ica"\nclamp = "1 uM"\n[record]',
        ["drive[0].to", "neuron"],
    ),
    "negative clamp": ("[record]", '[[drive]]\nto = "head.Ca"\nclamp = "-1 uM"\n[record]', ["drive[0]", "negative"]),
    "box of bare numbers": (
        'segment = "head(0.5)"',
        "geometry.box.size = [1, 1, 1]",
        ["site[0].geometry.box.size", "unit"],
    ),
    "observable twice the same": ('["SK_O1", "SK_O2"]', '["SK_O1", "SK_O1"]', ["chemistry", "SK_open", "once"]),
    "engine option of the wrong kind": ('spacing = "10 nm"', "spacing = 10", ["site[0].lattice.spacing", "unit"]),
    "ica cannot be set": ('to = "neuron.SK"\nconductance = "10 pS"', 'to = "neuron.ica"', ["link[2]", "ica", "cannot"]),
    "cao cannot be set": ('to = "neuron.SK"\nconductance = "10 pS"', 'to = "neuron.cao"', ["link[2]", "cao"]),
    "spacing too fine for a rate": ('spacing = "10 nm"', 'spacing = "2 nm"', ["site[0]", "Ca + ", "spacing", "nm"]),
    "spacing too coarse for the molecules": ('spacing = "10 nm"', 'spacing = "40 nm"', ["site[0]", "spacing"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_one_line_names_file_and_key(couple: Couple, case: str, tmp_path: Path) -> None:
    old, new, words = MISTAKES[case]
    text = SPINE.read_text()
    assert old in text
    (tmp_path / "cell.py").write_text((SPINE.parent / "cell.py").read_text())
    file = tmp_path / "spine.toml"
    file.write_text(text.replace(old, new, 1))
    done = couple("run", str(file), "--out", str(tmp_path / "out"))
    line = complaint(done)
    for word in ["spine.toml", *words]:
        assert word in line, line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu", "x.toml"], ["rnu", "run"]),
        (["run"], ["missing argument", "file"]),
        (["run", str(SPINE), "--untli", "5 ms"], ["--untli", "--until"]),
        (["sample", str(SPINE), "--runs", "many"], ["--runs", "integer"]),
        (["sample", str(SPINE), "--runs", "9" * 5000], ["--runs"]),
        (["run", str(SPINE), "--until", "5"], ['--until: "5" has no unit; give a simulated time, like "1 ms"']),
        (["run", str(SPINE), "--until", "5 steps"], ["--until", "counts ms", "100 ms"]),
        (["run", str(SPINE), "--walltime", "5 steps"], ["--walltime", 'unknown unit "steps"']),
        (["run", str(SPINE), "--set", "site.\u00b2.engine=ode"], ["--set", "no entry"]),
    ],
)
def test_the_command_line_itself_is_told_off_in_one_line(couple: Couple, arguments: list[str], says: list[str]) -> None:
    line = complaint(couple(*arguments))
    for words in says:
        assert words in line, line


def test_output_that_exists_is_not_overwritten(couple: Couple, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "--force" in complaint(couple("run", str(SPINE), "--out", str(tmp_path)))
    # and --force does not replace what is no run
    assert "no" in complaint(couple("run", str(SPINE), "--out", str(tmp_path), "--force"))
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_crowded_lattice_warns_before_it_runs(couple: Couple) -> None:
    done = couple("check", str(SPINE), "--set", "site.head.lattice.spacing=16 nm")
    assert done.returncode == 0, done.stderr
    assert "warning" in done.stderr and "%" in done.stderr and "site[0]" in done.stderr


NAN_CELL = """
from neuron import h

def build():
    head = h.Section(name="head")
    head.L = head.diam = 0.5
    head.insert("pas")
    clamp = h.IClamp(head(0.5))
    clamp.delay, clamp.dur, clamp.amp = 1, 5, {amplitude}
    return head, clamp
"""

PLAIN = """
[experiment]
name = "plain"
duration = "4 ms"
exchange = "0.1 ms"
[neuron]
model = "cell.py:build"
dt = "0.025 ms"
[chemistry]
species.Ca = {{ contains = {{ Ca = 1 }} }}
initial.Ca = "0.1 uM"
[[site]]
name = "head"
segment = "head(0.5)"
engine = "ssa"
[[link]]
from = "head.Ca"
to = "neuron.cai"
[[link]]
from = "neuron.ica"
to = "head.Ca"
{more}
"""


def plain(folder: Path, *, amplitude: str = "0", more: str = "", cell: str = NAN_CELL) -> Path:
    (folder / "cell.py").write_text(cell.replace("{amplitude}", amplitude))
    (folder / "plain.toml").write_text(PLAIN.format(more=more))
    return folder / "plain.toml"


def test_a_voltage_that_is_not_finite_stops_the_run_and_keeps_what_was_computed(couple: Couple, tmp_path: Path) -> None:
    import h5py

    done = couple("run", str(plain(tmp_path, amplitude="1e308")), "--out", str(tmp_path / "out"))
    line = complaint(done, code=1)
    assert "head(0.5)" in line and "t = " in line
    with h5py.File(tmp_path / "out" / "results.h5") as file:
        assert file.attrs["status"] == "failed"
        assert 5 <= len(file["time"]) <= 15  # the current starts at 1 ms


def test_a_failing_builder_is_one_line(couple: Couple, tmp_path: Path) -> None:
    line = complaint(couple("check", str(plain(tmp_path, cell="def build():\n    return 1 / 0\n"))))
    assert "neuron.model" in line and "division by zero" in line and "cell.py:2" in line


def test_damaged_and_foreign_checkpoints(couple: Couple, tmp_path: Path) -> None:
    file = plain(tmp_path)
    out = tmp_path / "out"
    assert couple("run", str(file), "--out", str(out), "--until", "2 ms", "--quiet").returncode == 0
    checkpoint = out / "checkpoint.h5"
    whole = checkpoint.read_bytes()

    checkpoint.write_bytes(whole[:-100])
    assert "checkpoint.h5" in complaint(couple("resume", str(checkpoint)))
    checkpoint.write_bytes(whole)

    text = file.read_text()
    file.write_text(text.replace('initial.Ca = "0.1 uM"', 'initial.Ca = "0.2 uM"'))
    line = complaint(couple("resume", str(checkpoint)))
    assert "chemistry.initial.Ca" in line and "0.1 uM" in line and "0.2 uM" in line
    file.write_text(text)

    cell = tmp_path / "cell.py"
    cell.write_text(cell.read_text() + "# changed\n")
    assert "cell.py" in complaint(couple("resume", str(checkpoint)))

    assert "another kind" in complaint(couple("resume", str(out / "results.h5")))
    assert "not a result file" in complaint(couple("show", str(checkpoint)))


def test_a_model_that_ends_the_process_is_one_line(couple: Couple, tmp_path: Path) -> None:
    cell = "import sys\ndef build():\n    sys.exit(3)\n"
    line = complaint(couple("check", str(plain(tmp_path, cell=cell))), code=1)
    assert "sys.exit() in cell.py:3 would end the process" in line


def test_a_segment_without_volume_is_one_line(couple: Couple, tmp_path: Path) -> None:
    cell = NAN_CELL.replace("head.L = head.diam = 0.5", "head.L, head.diam = 0.5, 0")
    done = couple("check", str(plain(tmp_path, cell=cell)))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "neuron.model" in line and "head has no diameter" in line


def test_force_keeps_the_earlier_run_if_the_new_one_cannot_start(couple: Couple, tmp_path: Path) -> None:
    file, out = str(plain(tmp_path)), tmp_path / "out"
    assert couple("run", file, "--out", str(out), "--quiet", "--no-figure").returncode == 0
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert "--until" in complaint(couple("run", file, "--out", str(out), "--force", "--until", "0.05 ms"))
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


@pytest.mark.parametrize(
    ("removed", "says"),
    [
        ('[[link]]\nfrom = "head.Ca"\nto = "neuron.cai"\n', "not handed back"),
        ('[[link]]\nfrom = "neuron.ica"\nto = "head.Ca"\n', "does not enter"),
    ],
)
def test_half_a_coupling_is_doubted(couple: Couple, tmp_path: Path, removed: str, says: str) -> None:
    file = plain(tmp_path)
    text = file.read_text()
    assert removed in text
    file.write_text(text.replace(removed, ""))
    done = couple("check", str(file))
    assert done.returncode == 0 and says in done.stderr and "site[0]" in done.stderr


def test_a_partly_coupled_section_is_doubted(couple: Couple, tmp_path: Path) -> None:
    cell = NAN_CELL.replace('    head.insert("pas")', '    head.nseg = 3\n    head.insert("pas")')
    done = couple("check", str(plain(tmp_path, cell=cell)))
    assert done.returncode == 0 and "head is coupled in 1 of 3 segments" in done.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert not stop.value.code
    assert capsys.readouterr().out == f"{importlib.metadata.version('couple')}\n"


def test_clashes_on_the_command_line(couple: Couple, tmp_path: Path) -> None:
    file = str(plain(tmp_path))
    assert "--until" in complaint(couple("run", file, "--until", "3"))
    assert "--until" in complaint(couple("run", file, "--until", "0.15 ms", "--out", str(tmp_path / "o")))
    assert "site.haed" in complaint(couple("check", file, "--set", "site.haed.engine=ode"))
    assert "no such file" in complaint(couple("run", str(tmp_path / "palin.toml")))


@pytest.mark.parametrize(
    "command",
    [
        *(["show"], ["plot"], ["report"], ["view"], ["resume"], ["run"], ["check"], ["train"], ["model"], ["infer"]),
        *(["posterior"], ["population"], ["features"], ["branch"], ["init"], ["import-msm", "--lag", "1 ms"]),
        *(["compare", "spine"], ["export", "--to", "csv"], ["sample", "--runs", "2"], ["regimes"]),
    ],
    ids=lambda c: c[0],
)
def test_a_name_that_no_file_can_have_is_one_line(couple: Couple, command: list[str]) -> None:
    """Whatever asks the system first: no command ends in a traceback."""
    done = couple(command[0], "a" * 400, *command[1:])
    assert complaint(done).startswith("error: aaa")


def test_a_key_with_such_a_name_is_named(couple: Couple, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    source = (EXAMPLES / "spine" / "spine.toml").read_text()
    file.write_text(re.sub(r'(?m)^model = ".*"', f'model = "{"a" * 300}.py"', source))
    done = couple("check", str(file))
    assert f"error: {file}: neuron.model: " in (said := complaint(done)) and "too long" in said


def test_a_range_of_the_file_that_holds_nothing_names_the_file(couple: Couple, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    source = (EXAMPLES / "lattice" / "annihilation.toml").read_text()
    file.write_text(f'{source}\n[vary.keys]\n"site.0.lattice.shape" = ""\n')
    done = couple("sample", str(file), "--out", str(tmp_path / "out"))
    assert complaint(done).startswith(f'error: {file}: vary."site.0.lattice.shape": ')
