"""Work that would never come to an end is one line, in every engine: a kernel cannot be stopped while it is at it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from support.command_line import couple
from support.writing_commands import BOX

ENGINES = {
    "ssa": "",
    "langevin": "",
    "cme": "",
    "gridded": 'gridded.spacing = "100 nm"',
    "lattice": 'lattice.spacing = "20 nm"',
    "spde": 'spde.resolution = "150 nm"',
    "adaptive": 'adaptive.engines = ["ssa", "langevin"]',
}
CHEMISTRY = """species.A = { D = "%s um^2/s" }
species.B = { D = "10 um^2/s" }
initial.A = { count = 100 }
reactions = [{ equation = "A <-> B", forward = "%s /s", backward = "%s /s" }]
"""


def run(
    folder: Path, engine: str, capsys: pytest.CaptureFixture[str], *, rate: str, D: str = "10", more: str = ""
) -> str:
    """The one line of an error."""
    head, _, rest = BOX.partition("species.A = {}\n")
    _, _, rest = rest.partition("[[site]]")
    site = rest.replace('engine = "ssa"', f'engine = "{engine}"\n{ENGINES[engine]}')
    site = site.replace('geometry.sphere = { diameter = "1 um" }', 'geometry.box.size = "0.3 0.3 0.3 um"')
    (folder / "x.toml").write_text(f"{head}{CHEMISTRY % (D, rate, rate)}[[site]]{site}{more}")
    signal.alarm(500)  # ends the process, if a kernel does not
    code = couple("run", str(folder / "x.toml"), "--out", str(folder / "out"), "--quiet", "--no-figure")
    signal.alarm(0)
    errors = capsys.readouterr().err
    (line,) = [one for one in errors.splitlines() if one.startswith("error: ")]
    assert code in (1, 2) and "Traceback" not in errors
    return line


@pytest.mark.parametrize("rate", ["1e17", "1e300"])
@pytest.mark.parametrize("engine", ENGINES)
def test_rates_beyond_any_number_of_events(
    engine: str, rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1e300 per second was no more than one step for `langevin`: its number of steps had no sign."""
    line = run(tmp_path, engine, capsys, rate=rate)
    assert "more than 1e+11 events" in line or "too small an inner step" in line


@pytest.mark.parametrize("engine", ["gridded", "lattice", "spde"])
def test_diffusion_beyond_any_number_of_steps(engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = run(tmp_path, engine, capsys, rate="1", D="1e30")
    assert "more than 1e+11 events" in line or "inner steps in a tick; up to 1e+09 can be" in line


@pytest.mark.parametrize("clamp", ['"1e300 uM"', '{ times = "0 1 ms", values = "1 1e300 uM" }'])
def test_a_clamp_has_the_limit_of_an_initial_amount(
    clamp: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = run(tmp_path, "ssa", capsys, rate="1", more=f'\n[[drive]]\nto = "box.A"\nclamp = {clamp}\n')
    assert "drive[0].clamp: " in line and "molecules in box; up to 1e+15 can be" in line
