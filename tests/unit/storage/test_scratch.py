"""Temporary folders: gone at the end, swept when their process was killed, never somebody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from couple.base.errors import RunError
from couple.storage.folder.picture_file import write_picture
from couple.storage.scratch import scratch_folder, sweep

DEAD = 2**22 + 1

KEEP = """
import sys, time
from pathlib import Path
from couple.storage.scratch import scratch_folder
with scratch_folder("test", Path(sys.argv[1])) as folder:
    (folder / "big").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_goes_at_the_end_and_with_its_process(tmp_path: Path) -> None:
    with scratch_folder("test", tmp_path) as folder:
        (folder / "file").write_text("x")
        sweep(tmp_path)
        assert (folder / "file").exists()
    assert not list(tmp_path.iterdir())
    other = subprocess.Popen([sys.executable, "-c", KEEP, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    folder = Path(other.stdout.readline().strip())
    with scratch_folder("test", tmp_path):
        assert folder.exists(), "its process lives"
    other.kill()
    other.communicate()
    assert folder.exists()
    with scratch_folder("test", tmp_path):
        assert not folder.exists()


def test_only_folders_of_ours_are_swept(tmp_path: Path) -> None:
    """Not those that a living process of another container holds, nor links, nor what merely looks alike."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis").write_text("x")
    (tmp_path / f"couple-test-{DEAD}-link").symlink_to(victim)
    (tmp_path / f"couple-test-{DEAD}-file").write_text("x")
    (tmp_path / "couple-test-mine").mkdir()
    (tmp_path / f"couple-test-{DEAD}-ours").mkdir()
    with scratch_folder("test", tmp_path) as held:
        held.rename(other := tmp_path / f"couple-test-{DEAD}-elsewhere")
        sweep(tmp_path)
        assert other.exists()
    left = {path.name for path in tmp_path.iterdir()}
    assert f"couple-test-{DEAD}-ours" not in left
    assert {f"couple-test-{DEAD}-link", f"couple-test-{DEAD}-file", "couple-test-mine", "victim"} <= left
    assert (victim / "thesis").exists()


def test_no_room_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="cannot be written: No such file"), scratch_folder("test", tmp_path / "none"):
        pass
    with pytest.raises(RunError, match="No space left"), scratch_folder("test", tmp_path):
        raise OSError(28, os.strerror(28))
    assert not list(tmp_path.iterdir())


def test_a_picture_is_written_into_one(tmp_path: Path) -> None:
    with scratch_folder("test", tmp_path) as folder:
        write_picture(Figure(), folder / "x.png", 50)
        assert (folder / "x.png").stat().st_size > 0
