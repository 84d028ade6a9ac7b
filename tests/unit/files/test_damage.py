"""Every kind of file that we write: a damage anywhere is one line, and HDF5 never sees what is damaged."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import pytest

from couple.base.errors import InputError
from couple.files import open_hdf5
from couple.files.write_hdf5 import replacing
from couple.storage.records.results import FORMAT
from support.damaged_files import verdicts
from support.our_files import OUR_FILES, digest

MUTATIONS = 200

HDF5 = [kind for kind in OUR_FILES if kind not in ("segment", "request of an ensemble")]


@pytest.mark.parametrize("kind", OUR_FILES)
def test_damage_is_one_line(kind: str, tmp_path: Path) -> None:
    ours = OUR_FILES[kind]
    found = Counter(said for said, _ in verdicts(ours.write(tmp_path), ours.read, 1, MUTATIONS))
    # 512 bytes less at the beginning leave the same content to whoever takes files of others: no difference, no harm
    assert set(found) <= {"refused", "same"} and found["refused"] > 0.95 * MUTATIONS, found


@pytest.mark.parametrize("kind", HDF5)
def test_every_bit_of_the_seal_counts(kind: str, tmp_path: Path) -> None:
    ours = OUR_FILES[kind]
    path = ours.write(tmp_path)
    whole = path.read_bytes()
    for at in [*range(0, 160, 3), 300, 511]:
        content = bytearray(whole)
        content[at] ^= 1 << at % 8
        path.write_bytes(content)
        with pytest.raises(InputError, match=path.name):
            ours.read(path)


@pytest.mark.parametrize("kind", HDF5)
def test_hdf5_never_sees_what_is_damaged(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, seen = OUR_FILES[kind], []
    path = ours.write(tmp_path)
    opened = h5py.File

    def watched(name: Any, *args: Any, **options: Any) -> h5py.File:
        seen.append(Path(name))
        return opened(name, *args, **options)

    monkeypatch.setattr(open_hdf5.h5py, "File", watched)
    ours.read(path)
    assert path in seen, "the control: what is whole is opened"
    seen.clear()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError):
        ours.read(path)
    assert path not in seen


def test_the_same_damage_differs_without_a_seal(tmp_path: Path) -> None:
    """The control: to whoever believes the numbers that HDF5 finds."""

    def believing(path: Path) -> str:
        try:
            with h5py.File(path) as file:
                return digest(file)
        except Exception as error:
            raise InputError(f"{path.name}: is damaged") from error

    path = OUR_FILES["particles"].write(tmp_path)
    flips = Counter()
    whole = path.read_bytes()
    before = believing(path)
    for at in range(600, len(whole) - 8, len(whole) // 50):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        with suppress(InputError):
            flips[believing(path) != before] += 1
    assert flips[True] > 10


def test_the_file_of_a_rank_of_another_run_is_named(tmp_path: Path) -> None:
    """Whole and sealed, of equal names and shapes; also where the results were not merged again since."""
    ours = OUR_FILES["results over ranks"]
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    path, other = ours.write(tmp_path / "one"), ours.write(tmp_path / "other")
    with h5py.File(other) as old, replacing(tmp_path / "rank0001.h5", FORMAT) as new:
        new.attrs.update(old.attrs)
        for child in old:
            old.copy(child, new)
        new["time"][...] += 1.0
    ours.read(path)
    (tmp_path / "rank0001.h5").replace(path)
    with pytest.raises(InputError, match=r"rank0001\.h5: is not the file that results\.h5 was made of"):
        ours.read(path)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    """HDF5 fills in zeros."""
    ours = OUR_FILES["results over ranks"]
    path = ours.write(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"rank0001\.h5: no such file"):
        ours.read(path)
