"""Where no folder for temporary files can be written to, as in a container that is read only."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

from couple.base.paths.opened_files import opened_files
from couple.base.paths.whole_file import temporary_root
from couple.cache import folder as cache_folder
from couple.cli.output import matplotlib_folder
from support.in_fork import in_fork
from support.paths import ROOT


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # after pytest has made its folder
    def refuse() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)


@pytest.mark.usefixtures("nowhere")
def test_files_of_a_model_are_listened_to(tmp_path: Path) -> None:
    assert temporary_root() is None
    (tmp_path / "cell.py").write_text("")
    with opened_files() as found:
        (tmp_path / "cell.py").read_text()
    assert found == [tmp_path / "cell.py"]


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.usefixtures("nowhere")
def test_matplotlib_has_a_folder_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: bool) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(matplotlib_folder, "MEMORY", tmp_path if memory else Path("/dev/null"))
    kept: list[object] = []
    monkeypatch.setattr(matplotlib_folder.atexit, "register", kept.append)
    matplotlib_folder.provide()
    assert (Path(os.environ.get("MPLCONFIGDIR", "/none")).parent == tmp_path) is memory
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    for end in kept:
        end()  # type: ignore[operator]
    assert not list(tmp_path.iterdir())


def test_temporary_files_go_through_one_place() -> None:
    """Where there is no place for them, and what killed processes leave: thought of once (`scratch_folder`)."""
    own = {
        "couple/storage/scratch.py",
        "couple/cache/folder.py",
        "couple/base/paths/whole_file.py",
        "couple/doctor/checks.py",
    }
    files = [path for name in ("couple", "adapters", "reducers") for path in (ROOT / name).rglob("*.py")]
    found = {str(p.relative_to(ROOT)) for p in files if re.search(r"^\s*(import|from) tempfile", p.read_text(), re.M)}
    assert found == own and len(files) > 400


@pytest.mark.usefixtures("nowhere")
def test_a_model_without_mechanisms_needs_none() -> None:
    user = pytest.importorskip("adapters.neuron.mechanisms.user")
    assert user.load([]) == {}


def test_its_own_folder_is_kept_where_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "later"))
    matplotlib_folder.provide()
    assert "MPLCONFIGDIR" not in os.environ


@in_fork
def test_a_home_that_may_not_be_looked_into(tmp_path: Path) -> None:
    """As after `sudo -u somebody`: the home is still that of who called it. Kernels and pictures have another place."""
    home = tmp_path / "locked" / "home"
    home.mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    os.environ["HOME"], os.environ["TMPDIR"] = str(home), "/tmp"
    for name in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "COUPLE_CACHE_DIR", "NUMBA_CACHE_DIR"):
        os.environ.pop(name, None)
    if os.geteuid() == 0:  # who may look into everything
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    matplotlib_folder.provide()
    assert not os.environ["MPLCONFIGDIR"].startswith(str(tmp_path))
    _, refused = cache_folder.look(cache_folder.KERNELS)
    assert "Permission denied" in str(refused[0])
