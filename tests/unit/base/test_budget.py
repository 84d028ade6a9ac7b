"""Work that does not fit is refused with its size before memory is asked for; what fits is not."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from couple.base import budget
from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.wiring import wire


def test_sizes_are_readable() -> None:
    assert [budget.size(n) for n in (12, 3.4e3, 5.6e7, 1.234e10, 1e18)] == [
        "12 bytes", "3.4 kB", "56 MB", "12.3 GB", "1e+09 GB",
    ]  # fmt: skip


def test_the_variable_sets_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(budget.VARIABLE, "100 GB")
    limit = budget.available_memory()
    monkeypatch.setenv(budget.VARIABLE, "1 MB")
    assert budget.available_memory() <= 0 < limit < 100e9
    with pytest.raises(InputError, match=r"^ten rows: that takes 1 GB of memory or more, and 0 bytes are free: take"):
        budget.check_memory(1e9, "ten rows", "take fewer")
    monkeypatch.delenv(budget.VARIABLE)
    budget.check_memory(budget.SMALL + 1, "small", "")
    for wrong in ("much", "8 parsec", "-1 GB", "nan", "1e9"):
        monkeypatch.setenv(budget.VARIABLE, wrong)
        with pytest.raises(InputError, match=budget.VARIABLE):
            budget.available_memory()


def test_a_disk_that_is_too_small(tmp_path: Path) -> None:
    budget.check_disk(2 * budget.SMALL, tmp_path / "not" / "there", "rows", "fewer")
    with pytest.raises(InputError, match=f"of disk or more, and {tmp_path} has"):
        budget.check_disk(1e18, tmp_path / "not" / "there", "rows", "fewer")


def box(**changes: object) -> dict[str, object]:
    return {
        "experiment": {"name": "box", "duration": "1 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"A": {"D": "100 um^2/s"}},
            "reactions": [{"equation": "A -> 0", "forward": "1 /s"}, {"equation": "0 -> A", "forward": "1 uM/s"}],
        },
        "site": [{"name": "box", "engine": "ssa", "geometry": {"box": {"size": "4 4 4 um"}}}],
        **changes,
    }


def site(engine: str, size: str = "4 4 4 um", **options: object) -> dict[str, object]:
    made = {"name": "box", "engine": engine, "geometry": {"box": {"size": size}}, engine: options}
    return box(site=[made])


DRIVE = {"to": "box.A", "influx": {"times": "0 1 ms", "rate": "1 /ms"}}
TOO_LARGE = {
    "lattice": (site("lattice", spacing="4 nm"), "cells", "spacing"),
    "lattice by its shape": (site("lattice", spacing="4 nm", shape=[1000, 1000, 1000]), "cells", "spacing"),
    "voxels": (site("gridded", spacing="4 nm"), "voxels", "larger"),
    "mesh": (site("pde", cells="tetrahedron", resolution="5 nm"), "cells", "larger"),
    "windows of a drive": (
        box(
            experiment={"name": "box", "duration": "100000 s", "exchange": "0.1 ms"},
            record={"every": "1000 s"},
            drive=[DRIVE],
        ),
        "windows of 1 prescribed input",
        "experiment.exchange",
    ),
    "cells of a network": (
        box(
            neuron={"dt": "0.025 ms"},
            network={"population": [{"name": "E", "model": "cell.py:build", "count": 9_000_000}]},
        ),
        "cells",
        "fewer",
    ),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_what_does_not_fit_is_refused_with_its_size(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, what, advice = TOO_LARGE[case]
    monkeypatch.setattr(budget, "available_memory", lambda: 1e9)
    with pytest.raises(InputError) as error:
        wire(Experiment.parse(content))
    said = str(error.value)
    assert what in said and "GB of memory or more, and 1 GB are free" in said and advice in said
    assert budget.VARIABLE in said and error.value.where


def test_rows_of_runs_that_stay_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from couple.ensemble import sample
    from couple.simulation.simulation import Simulation

    long = Experiment.parse(box(experiment={"name": "box", "duration": "10000 s", "exchange": "0.1 ms"}))
    monkeypatch.setattr(budget, "available_memory", lambda: 5e8)
    for call in (lambda: Simulation.in_memory(long), lambda: sample(long, 2, folder=tmp_path, jobs=1)):
        with pytest.raises(InputError, match=r"1e\+08 rows of 1 values: that takes .*B of memory.*record less often"):
            call()
    with pytest.raises(InputError, match=r"^--runs: 1e\+09 runs: that takes 100 GB of memory"):
        sample(Experiment.parse(box()), 10**9, folder=tmp_path)


def test_rows_of_runs_that_go_to_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from couple.simulation.simulation import Simulation

    monkeypatch.setattr(budget.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    long = Experiment.parse(box(experiment={"name": "box", "duration": "10000 s", "exchange": "0.1 ms"}))
    simulation = Simulation.new(long, tmp_path / "out")
    with pytest.raises(InputError, match=r"1e\+08 rows of 1 values: that takes 800 MB of disk or more, .* 100 MB left"):
        simulation.run()
    simulation = Simulation.new(long, tmp_path / "other")
    simulation.run(until=1.0)  # so many fit


@pytest.mark.parametrize("engine", ["lattice", "gridded", "ssa"])
def test_what_fits_is_not_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with as much as it is certain to need, and little more, it is made."""
    asked: list[float] = []
    real = budget.check_memory
    monkeypatch.setattr(budget, "SMALL", 0)
    monkeypatch.setattr(budget, "available_memory", lambda: asked.append(1.0) or 2e9)
    options = {"lattice": {"spacing": "20 nm"}, "gridded": {"spacing": "100 nm"}, "ssa": {}}[engine]
    wire(Experiment.parse(site(engine, "2 2 2 um", **options)))
    assert real is budget.check_memory and (bool(asked) or engine == "ssa")


def test_what_is_large_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(budget, "available_memory", lambda: 1e12)
    for needed in (budget.LARGE, 7e9, 7e9):
        budget.check_memory(needed, "1e9 cells", "take a larger spacing")
    assert [r.message for r in caplog.records] == [
        "1e9 cells: that takes 7 GB of memory or more, and its time; if it is too much, take a larger spacing"
    ]
