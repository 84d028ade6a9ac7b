"""Files of others, and forged ones with a seal: nothing leads out of them, and their sizes are not believed."""

from __future__ import annotations

import io
import os
import pickle
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.files import foreign
from couple.files.array_file import read_array
from couple.files.open_hdf5 import FileKind, open_given, open_hdf5, read_given
from couple.files.write_hdf5 import replacing
from support.damaged_files import damaged
from support.our_files import digest

KIND = FileKind(("couple test 1",), "a file of tests", "give one", parts=True, whole=False)


def _plain(file: h5py.File) -> None:
    file["x"] = np.arange(100.0)
    file["x"].attrs["names"] = ["a", "µ"]
    file.create_dataset("packed", data=np.zeros((400, 50)), chunks=(400, 50), compression="gzip", shuffle=True)
    file["inner"] = h5py.SoftLink("/x")


def _external_link(file: h5py.File) -> None:
    file["x"] = h5py.ExternalLink("/etc/passwd", "/x")


def _hidden_link(file: h5py.File) -> None:
    file.create_group("a/b")["x"] = h5py.ExternalLink("other.h5", "/x")


def _external_storage(file: h5py.File) -> None:
    file.create_dataset("x", shape=(10,), dtype="f8", external=[("/etc/passwd", 0, 80)])


def _virtual(name: str) -> Callable[[h5py.File], None]:
    def fill(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((100,), "f8")
        layout[:] = h5py.VirtualSource(name, "x", (100,))
        file.create_virtual_dataset("x", layout)

    return fill


def _long(file: h5py.File) -> None:
    file.create_dataset("neuron/v", shape=(10**11, 2), dtype="f8", chunks=None)
    file.create_dataset("time", shape=(10**11,), dtype="f8")


def _huge_chunk(file: h5py.File) -> None:
    file.create_dataset("x", shape=(1,), maxshape=(None,), dtype="f8", chunks=(2**28,), compression="gzip")


def _twice_packed(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((2**22,))
    for _ in range(2):
        plist.set_deflate(9)
    space = h5py.h5s.create_simple((2**22,))
    data = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F64LE, space, plist)
    data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(2**22))


def _circle(file: h5py.File) -> None:
    group = file.create_group("a")
    group["back"] = group
    file["x"] = [1.0]


BOMBS = {
    "external link": (_external_link, "another file"),
    "hidden link": (_hidden_link, "another file"),
    "external storage": (_external_storage, "another file"),
    "virtual elsewhere": (_virtual("/etc/passwd"), "another file"),
    "virtual above": (_virtual("../rank0001.h5"), "another file"),
    "long": (_long, "cannot hold"),
    "huge chunk": (_huge_chunk, "cannot hold"),
    "packed twice": (_twice_packed, "cannot hold"),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_bomb_is_one_line(name: str, sealed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, says = BOMBS[name]
    path = tmp_path / "bomb.h5"
    if sealed:
        with replacing(path, "couple test 1") as file:
            fill(file)
    else:
        with h5py.File(path, "w") as file:
            fill(file)
        if name != "long":  # one in a process of its own; the others look in this one, which is the same and faster
            monkeypatch.setattr("couple.files.open_hdf5.check_foreign", lambda *_, **__: None)
    with pytest.raises(InputError, match=says) as error:
        open_given(path, KIND)
    assert "\n" not in str(error.value) and path.name in str(error.value)


@pytest.mark.parametrize("fill", [_plain, _circle])
def test_what_is_no_bomb_is_read(fill: Callable[[h5py.File], None], tmp_path: Path) -> None:
    """The control."""
    with replacing(tmp_path / "ours.h5", "couple test 1") as file:
        fill(file)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        fill(file)
    with open_hdf5(tmp_path / "ours.h5", KIND) as ours, read_given(tmp_path / "theirs.h5", KIND) as theirs:
        assert digest(ours) == digest(theirs)


def test_datasets_of_a_sealed_file_beside_are_read(tmp_path: Path) -> None:
    with replacing(tmp_path / "rank0001.h5", "couple test 1") as file:
        _plain(file)
    with replacing(tmp_path / "all.h5", "couple test 1") as file:
        _virtual("rank0001.h5")(file)
    with open_hdf5(tmp_path / "all.h5", KIND) as file:
        assert np.array_equal(file["x"], np.arange(100.0))
    with replacing(tmp_path / "rank0001.h5", "couple test 1") as file:
        _external_storage(file)
    with pytest.raises(InputError, match=r"rank0001\.h5: .*another file"):
        open_hdf5(tmp_path / "all.h5", KIND)
    (tmp_path / "rank0001.h5").unlink()
    (tmp_path / "rank0001.h5").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="link"):
        open_hdf5(tmp_path / "all.h5", KIND)


def test_a_file_that_says_it_is_ours_needs_a_seal(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["format"] = "couple results 1"
    with pytest.raises(InputError, match="has no seal"):
        open_given(tmp_path / "x.h5", KIND)
    with pytest.raises(InputError, match="without the seal"):
        open_hdf5(tmp_path / "x.h5", KIND)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path / "pipe.h5", tmp_path, tmp_path / "none.h5"):
        with pytest.raises(InputError, match=path.name):
            open_given(path, KIND)


@pytest.mark.parametrize("end", ["crash", "hang", "said nothing"])
def test_a_reader_that_crashes_or_hangs_is_one_line(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        _plain(file)
    done = {"crash": (-11, b""), "hang": None, "said nothing": (0, b"")}[end]

    def run(*_: object, **__: object) -> SimpleNamespace:
        if done is None:
            raise foreign.subprocess.TimeoutExpired("x", 1)
        return SimpleNamespace(returncode=done[0], stdout=done[1])

    monkeypatch.setattr(foreign.subprocess, "run", run)
    with pytest.raises(InputError, match=r"x\.h5: is damaged: HDF5"):
        open_given(path, KIND)


def test_damaged_files_of_others_do_not_harm_this_process(tmp_path: Path) -> None:
    """Some are read: nobody can say of them that they are damaged."""
    path, rng, found = tmp_path / "x.h5", random.Random(4), Counter()
    with h5py.File(path, "w") as file:
        _plain(file)
    whole = path.read_bytes()
    for _ in range(3):
        path.write_bytes(damaged(whole, rng))
        try:
            with read_given(path, KIND) as file:
                digest(file)
            found["read"] += 1
        except InputError as error:
            assert path.name in str(error) and "\n" not in str(error)
            found["refused"] += 1
    assert found["refused"]


def _npy(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros(10**7))
    return buffer.getvalue()


class _Runs:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch ran",)


ARRAYS = {
    "objects": _npy(np.array([_Runs()], dtype=object)),
    "pickle": pickle.dumps(_Runs()),
    "archive": _npz(),
    "too long": _npy(np.ones((3, 4))).replace(b"(3, 4)", b"(9**9,)".ljust(6)).replace(b"(9**9,)", b"(99999,)")[:128],
    "cut": _npy(np.ones((30, 4)))[:-8],
    "empty": b"",
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "version 3": b"\x93NUMPY\x03\x00" + bytes(20),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_hold_numbers_and_no_more_than_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, InputError)):
        read_array(io.BytesIO(ARRAYS[name]), "x.npy")
    assert not (tmp_path / "ran").exists()
    assert np.array_equal(read_array(io.BytesIO(_npy(np.arange(5))), "x.npy"), np.arange(5)), "the control"
