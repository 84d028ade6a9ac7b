"""`couple doctor` finds what is there, and says what to do about what is not."""

import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.fem import doctor
from adapters.neuron import doctor as neuron_checks
from adapters.neuron.mechanisms import nmodl
from couple.base import registry
from couple.cli.main import main
from couple.doctor import checks, examine
from couple.doctor.finding import Finding, first_line, python
from couple.doctor.tested import NEEDED, OPTIONAL, PYTHON
from support.paths import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_tested_versions_are_the_pinned_ones() -> None:
    pins = dict(line.split("==") for line in PYPROJECT["tool"]["uv"]["constraint-dependencies"])
    assert {k: pins.get(k) for k in (*NEEDED, *OPTIONAL)} == {**NEEDED, **OPTIONAL}
    assert set(NEEDED) == checks.required()
    assert PYPROJECT["project"]["requires-python"] == f">={PYTHON[0]}"


def test_the_whole_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--json"])
    found = {f["name"]: f for f in json.loads(capsys.readouterr().out)}
    expected = {"Python", "numpy", "cores", "working folder", "compiler", "NEURON mechanisms", "MPI", "DOLFINx"}
    assert expected <= found.keys()
    assert (stop.value.code or 0) == int(any(f["status"] == "fail" for f in found.values()))
    assert all(f["advice"] for f in found.values() if f["status"] != "ok")


def test_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {**NEEDED, "numpy": "1.0"}

    def version(name: str) -> str:
        if name not in have:
            raise checks.PackageNotFoundError(name)
        return have[name]

    monkeypatch.setattr(checks, "version", version)
    found = {f.name: f for f in checks.packages()}
    assert found["h5py"].status == "ok" and found["numpy"].status == "warn"
    assert f"uv pip install numpy=={NEEDED['numpy']}" in found["numpy"].advice
    assert found["xarray"].status == "ok" and "uv pip install xarray" in found["xarray"].advice
    del have["numba"]
    assert {f.name: f for f in checks.packages()}["numba"].status == "fail"
    for text, status in (("3.11.9", "fail"), ("3.12.4", "ok"), ("3.15.0", "warn")):
        monkeypatch.setattr(checks.platform, "python_version", lambda text=text: text)
        monkeypatch.setattr(checks.platform, "python_version_tuple", lambda text=text: tuple(text.split(".")))
        assert checks.python_version().status == status


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (good,) = checks.folders(tmp_path)
    assert good.status in ("ok", "warn", "fail") and "GB free" in good.found
    (bad,) = checks.folders(Path("/proc"))
    assert bad.status == "fail" and "--out" in bad.advice
    for free, status in ((1e6, "fail"), (1e9, "warn"), (1e11, "ok")):
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda _path, free=free: SimpleNamespace(free=free))
        assert next(checks.folders(tmp_path)).status == status


def test_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert checks.kernel_cache().status == "warn"
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "0")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new" / "folder"))
    assert checks.kernel_cache().status == "ok"


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmodl.shutil, "which", lambda _name: None)
    assert neuron_checks.compiler().status == "warn" and "KSChan" in neuron_checks.compiler().advice
    monkeypatch.setattr(neuron_checks, "python", lambda *_: (0, "KSChan"))
    assert neuron_checks.mechanisms().status == "warn"
    monkeypatch.setattr(neuron_checks, "python", lambda *_: (1, "ImportError: no"))
    assert neuron_checks.mechanisms().status == "fail"


def test_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "python", lambda *_: (1, "ModuleNotFoundError: No module named 'mpi4py'"))
    (missing,) = doctor.mpi()
    assert missing.status == "warn" and "uv pip install mpi4py" in missing.advice
    monkeypatch.setattr(doctor, "python", lambda *_: (0, "MPICH Version: 4.2 | libmpi.so.12"))
    monkeypatch.setattr(doctor.shutil, "which", lambda _name: "mpiexec")
    for line, status in (("HYDRA build details:", "ok"), ("mpiexec (OpenRTE) 4.1.4", "warn")):
        monkeypatch.setattr(doctor, "first_line", lambda _command, line=line: (0, line))
        assert [f.status for f in doctor.mpi()] == ["ok", status]
    monkeypatch.setattr(doctor, "python", lambda *_: (0, "MPICH Version: 4.2 | a/libmpi.so.12 b/libmpi.so.40"))
    assert next(doctor.mpi()).status == "warn"


def test_dolfinx(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, status, word in (
        ((0, "0.11.0"), "ok", ""),
        ((1, "ModuleNotFoundError: No module named 'dolfinx'"), "warn", "dolfinx-solver-real"),
        ((1, "ImportError: libpetsc.so"), "warn", "reinstall"),
    ):
        monkeypatch.setattr(doctor, "python", lambda *_, answer=answer: answer)
        (found,) = doctor.dolfinx()
        assert found.status == status and word in found.advice


def test_a_broken_check_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise OSError("no such device")

    monkeypatch.setattr(registry, "names", lambda _group: ["mine"])
    monkeypatch.setattr(registry, "load", lambda _group, _name: broken)
    last = list(examine())[-1]
    assert last.name == "mine" and last.status == "fail" and "no such device" in last.found


def test_commands_that_cannot_be_run() -> None:
    assert first_line(["/nonexistent/command"])[0] == -1
    assert first_line(["sleep", "10"], 0.05) == (-1, "no answer in 0.05 s")
    assert python("raise ValueError('x')") == (1, "ValueError: x")
