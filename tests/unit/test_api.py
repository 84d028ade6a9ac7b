"""From Python: the example runs, ports are read and written, records have labels."""

import ast
import doctest
import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import couple
from couple import (
    Chemistry,
    Experiment,
    InputError,
    MissingDependencyError,
    Results,
    Run,
    RunError,
    Simulation,
    sample,
    to_xarray,
)
from couple.experiment import SiteBlock
from support.ensembles import birth_death
from support.paths import EXAMPLES, ROOT

LAYERS = ("couple", "reducers", "adapters")
DOCUMENTED = [name for name in couple.__all__ if isinstance(getattr(couple, name), type | FunctionType)]


def content(engine: str = "ssa") -> dict[str, Any]:
    return {
        "experiment": {"name": "api", "duration": "10 ms", "exchange": "0.1 ms"},
        "chemistry": {
            "species": {"Ca": {"D": "220 um^2/s", "contains": {"Ca": 1}}, "B": {}, "CaB": {"contains": {"Ca": 1}}},
            "reactions": [{"equation": "Ca + B <-> CaB", "forward": "1e7 /M/s", "backward": "100 /s"}],
            "observables": {"bound": ["CaB"]},
            "initial": {"B": {"count": 40}},
        },
        "site": [
            {
                "name": "box",
                "engine": engine,
                "geometry": {"sphere": {"diameter": "0.5 um"}},
                "lattice": {"spacing": "20 nm"},
            }
        ],
        "drive": [{"to": "box.Ca", "influx": {"times": "1 3 ms", "rate": "0 /ms"}}],
        "record": {"species": "all"},
    }


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "api" / "spine.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert "calcium peaks at" in said and "bound at the end" in said
    assert [p.name for p in tmp_path.iterdir()] == ["results"]


def test_models_and_dicts_are_the_same_experiment() -> None:
    tables = content()
    models = {
        **tables,
        "experiment": Run(**tables["experiment"]),
        "chemistry": Chemistry(**tables["chemistry"]),
        "site": [SiteBlock(**tables["site"][0])],
    }
    built = Experiment.build(**models)
    assert built == Experiment.parse(tables) and built.source == tables and built.digest()
    assert built.changed("experiment.seed=5").experiment.seed == 5 and built.experiment.seed == 1
    with pytest.raises(InputError, match=r'experiment.*exchnge.*did you mean "exchange"'):
        Experiment.build(**{**tables, "experiment": {"name": "x", "duration": "1 ms", "exchnge": "0.1 ms"}})
    assert (
        Experiment.build(**{**tables, "experiment": {**tables["experiment"], "seed": np.int64(3)}}).experiment.seed == 3
    )


@pytest.mark.parametrize("engine", ["ssa", "ode", "lattice"])
def test_what_is_sent_is_booked(engine: str) -> None:
    simulation = Simulation.in_memory(Experiment.parse(content(engine)))
    for _ in range(5):
        simulation.step()
    simulation.send("box.Ca", 30)
    simulation.step()
    held = float(simulation.read("box.Ca") + simulation.read("box.CaB"))
    assert held == pytest.approx(30, abs=1e-9)
    simulation.send("box.Ca", -4)
    summary = simulation.run()
    assert float(simulation.read("box.Ca") + simulation.read("box.CaB")) == pytest.approx(26, abs=1e-9)
    (link,), (site,) = summary["ledger"]["links"], summary["ledger"]["sites"]
    assert link["sent"] == link["received"] == site["received"] == 26
    assert summary["ledger"]["max_imbalance_ions"] <= (1e-9 * 34 if engine == "ode" else 0)
    assert summary["status"] == "complete"
    with pytest.raises(RunError, match="ends at t = 10 ms"):
        simulation.step()


def test_names_are_checked() -> None:
    simulation = Simulation.in_memory(Experiment.parse(content()))
    assert simulation.port("box.counts").columns == ("Ca", "B", "CaB") and simulation.port("box.counts").unit == "count"
    assert simulation.read("box.counts").shape == (1, 3) and simulation.read("box.bound").shape == ()
    copy = simulation.read("box.counts")
    copy[:] = -1
    assert simulation.read("box.B") == 40
    for wrong, said in (("bx.Ca", '"box"'), ("box.Cb", "box"), ("box.influxx", "influx")):
        with pytest.raises(InputError, match=said):
            simulation.read(wrong)
    with pytest.raises(InputError, match="send"):
        simulation.write("box.influx", 1.0)
    with pytest.raises(InputError, match="nothing fills"):
        simulation.send("box.B", 1)
    with pytest.raises(InputError, match="no species"):
        simulation.send("box.bound", 1)
    with pytest.raises(InputError, match="checkpoint"):
        simulation.write_checkpoint()


def test_an_input_of_the_model_is_set_for_a_window() -> None:
    """A large conductance for potassium pulls the head down within a window."""
    spine = Experiment.load(EXAMPLES / "spine" / "spine.toml", ["site.head.engine=ode", "experiment.duration=1 ms"])
    runs = [Simulation.in_memory(spine)]
    runs[0].step()
    left = float(runs[0].read("neuron.v")[1])
    runs = [Simulation.in_memory(spine)]
    runs[0].write("neuron.g", [1.0])
    runs[0].step()
    assert float(runs[0].read("neuron.v")[1]) < left - 2
    with pytest.raises(InputError, match=r"shape \(1,\)"):
        runs[0].write("neuron.g", [1.0, 2.0])


def test_watchers_see_every_window_and_may_stop() -> None:
    simulation = Simulation.in_memory(Experiment.parse(content()))
    times: list[float] = []
    simulation.after_each_window(lambda now: times.append(now.time))
    simulation.after_each_window(lambda now: now.time > 4.95)
    simulation.step()
    assert simulation.run()["status"] == "partial"
    assert times == pytest.approx(np.arange(1, 51) * 0.1)
    assert simulation.run()["simulated_ms"] == pytest.approx(5.1)  # it still wants to stop


def test_results_from_memory_are_those_of_a_file(tmp_path: Path) -> None:
    experiment = Experiment.parse(content())
    first, second = Simulation.in_memory(experiment), Simulation.new(experiment, tmp_path / "out")
    assert first.run()["peaks"] == second.run()["peaks"]
    with first.results as a, Results(tmp_path / "out") as b:
        assert a.time.tobytes() == b.time.tobytes() and a["box.Ca"].tobytes() == b["box.Ca"].tobytes()
        assert a.status == b.status == "complete"


def test_xarray_has_names_labels_and_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xarray")
    simulation = Simulation.in_memory(Experiment.parse(content()))
    simulation.run()
    with simulation.results as results:
        found = to_xarray(results)
        ca = found["counts"].sel(site="box", species="Ca")
        assert ca.dims == ("time",) and np.array_equal(ca.values, results["box.Ca"])
        assert found["counts"].attrs["units"] == "count" and found.time.attrs["units"] == "ms"
        assert found["influx"].dims == ("time", "site", "species") and found["concentration"].attrs["units"] == "uM"
        assert np.allclose(found["concentration"].sel(site="box", species="Ca"), results.micromolar("box", "Ca"))
        assert found.engine.sel(site="box") == results.engines()["box"]
    with sample(birth_death("5 ms"), 4, 3, tmp_path / "out", jobs=1) as ensemble:
        found = to_xarray(ensemble)
        assert found["counts"].dims == ("run", "time", "site", "species")
        assert found.seed.values.tolist() == ensemble.seeds.tolist()
        mean = found["counts"].sel(species="A", site="box").mean("run")
        assert np.allclose(mean, ensemble.statistics("box.A").mean)
        monkeypatch.setitem(sys.modules, "xarray", None)
        with pytest.raises(MissingDependencyError, match="uv pip install xarray"):
            to_xarray(ensemble)


@pytest.mark.parametrize("engines", [("ode",), ("ssa",), ("ode", "ode", "ode"), ("ode", "ssa", "ode")])
def test_names_in_xarray_are_those_of_any_engine_and_number_of_sites(engines: tuple[str, ...]) -> None:
    pytest.importorskip("xarray")
    experiment = content()
    block = experiment["site"][0]
    experiment["site"] = [{**block, "name": f"s{k}", "engine": engine} for k, engine in enumerate(engines)]
    experiment["drive"] = [{**d, "to": "s0.Ca"} for d in experiment.get("drive", ())]
    simulation = Simulation.in_memory(Experiment.parse(experiment))
    simulation.run()
    with simulation.results as results:
        found = to_xarray(results)
        names = {str(name) for name in found if not str(name).startswith("drive")}
        assert {"counts", "concentration"} <= names and not any("." in name or "s0" in name for name in names)
        assert found["counts"].dims == found["concentration"].dims == ("time", "site", "species")
        assert found.site.values.tolist() == [f"s{k}" for k in range(len(engines))]
        assert tuple(found.engine.values) == engines
        for site in results.sites():
            for species in results.labels(site, "counts", "species"):
                assert np.array_equal(found["counts"].sel(site=site, species=species), results.counts(site, species))


def test_the_package_names_what_a_script_needs() -> None:
    assert dir(couple) == couple.__all__ == sorted(couple.__all__)
    assert all(getattr(couple, name).__name__ == name for name in DOCUMENTED)
    with pytest.raises(AttributeError):
        _ = couple.Simulatoin


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, couple; print([m for m in sys.modules if m.startswith('couple.') or m in ('numpy', 'h5py')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Experiment]:
    """A folder in which OUT is a run, SAVED half of it and MANY an ensemble, as in docstrings; and the experiment."""
    folder = tmp_path_factory.mktemp("made")
    experiment = Experiment.build(
        experiment=Run(name="box", duration="1 ms", exchange="0.1 ms"),
        chemistry={"species": {"Ca": {"D": "220 um^2/s"}}, "initial": {"Ca": {"count": 100}}},
        site=[{"name": "head", "engine": "ode", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
        drive=[{"to": "head.Ca", "influx": {"times": "0 1 ms", "rate": "10 /ms"}}],
        record={"species": "all"},
    )
    Simulation.new(experiment, folder / "OUT").run()
    sample(experiment, 4, 1, folder / "MANY", jobs=1).close()
    saved = Simulation.new(experiment, folder / "SAVED")
    saved.after_each_window(lambda now: now.time > 0.45)
    saved.run()
    saved.write_checkpoint()
    return folder, experiment


@pytest.mark.parametrize("name", DOCUMENTED)
def test_help_shows_an_example_that_runs(
    name: str, made: tuple[Path, Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, experiment = made
    if name == "to_xarray":
        pytest.importorskip("xarray")
    monkeypatch.chdir(folder)
    known = {**{n: getattr(couple, n) for n in couple.__all__}, "Path": Path, "experiment": experiment}
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(getattr(couple, name)) or "", known, name, None, 0)
    assert test.examples, f"couple.{name} has no example"
    assert doctest.DocTestRunner().run(test).failed == 0


def python_of_examples() -> dict[str, str]:
    """Where → code: files of examples, and the blocks of README and tutorial."""
    found = {str(path.relative_to(ROOT)): path.read_text() for path in EXAMPLES.rglob("*.py")}
    for path in (*sorted((ROOT / "docs").rglob("*.md")), EXAMPLES / "tutorial" / "README.md"):
        for k, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)):
            if "import" in block:
                found[f"{path.relative_to(ROOT)}[{k}]"] = block
    return found


def imported_beyond_the_public(code: str) -> list[str]:
    """Modules of ours that are imported besides `couple` and the folders of adapters, and names that `couple` lacks."""
    bad = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            bad += [a.name for a in node.names if a.name.split(".")[0] in LAYERS and a.name != "couple"]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in LAYERS:
            if node.module == "couple":
                bad += [f"couple.{a.name}" for a in node.names if a.name not in couple.__all__]
            elif not re.fullmatch(r"adapters\.\w+", node.module):
                bad.append(node.module)
    return bad


@pytest.mark.parametrize(("where", "code"), python_of_examples().items(), ids=python_of_examples())
def test_examples_import_only_what_is_public(where: str, code: str) -> None:
    assert imported_beyond_the_public(code) == [], where


def test_an_import_of_what_is_not_public_is_found() -> None:
    assert imported_beyond_the_public("from couple.wiring import wire") == ["couple.wiring"]
    assert imported_beyond_the_public("from couple import wire\nimport reducers.data") == [
        "couple.wire",
        "reducers.data",
    ]
