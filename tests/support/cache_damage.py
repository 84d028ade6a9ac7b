"""Ways in which an entry of the cache of compiled libraries can be unfit to be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couple.cache.entry import SEAL

STRANGER = 65534

DAMAGES = (
    *("empty", "cut", "flipped", "longer", "gone", "link", "mode", "owner", "more", "unsealed", "seal of another"),
    *("folder link", "folder mode", "folder owner", "a file", "a folder in it"),
)


def spoil(entry: Path, how: str) -> None:
    """Damage a folder of a library, or have others be able to write to it."""
    file = max((path for path in entry.iterdir() if path.name != SEAL), key=lambda path: path.stat().st_size)
    content = file.read_bytes()
    middle = len(content) // 2
    contents = {
        "empty": b"",
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "longer": content + b"x",
    }
    if how in contents:
        file.write_bytes(contents[how])
    elif how == "gone":
        file.unlink()
    elif how == "more":
        (entry / "more.so").write_bytes(content)
    elif how == "unsealed":
        (entry / SEAL).unlink()
    elif how == "seal of another":
        (entry / SEAL).write_text(f"{'0' * 64}  {file.name}\n")
    elif how == "a folder in it":
        (entry / "folder").mkdir()
    else:
        _give_away(entry if how.startswith("folder") or how == "a file" else file, how.split()[-1])


def _give_away(path: Path, how: str) -> None:
    if how == "mode":
        path.chmod(0o777)
    elif how == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        os.lchown(path, STRANGER, STRANGER)
    else:
        target = path.with_name("elsewhere") if path.is_dir() else path.parent.with_name("elsewhere")
        path.rename(target)
        path.symlink_to(target) if how == "link" else path.write_text("")
