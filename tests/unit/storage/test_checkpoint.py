"""A checkpoint is whole or refused."""

from pathlib import Path

import numpy as np
import pytest

from couple.base.errors import InputError, RunError
from couple.storage import checkpoint

STATE = {
    "a": {"x": np.arange(500.0), "n": 7, "blob": b"\x00\xff", "text": "µ", "f": 0.1, "empty": np.zeros((0, 3))},
    "b.c": {"words": np.array([2**64 - 1, 3], dtype=np.uint64)},
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.h5"
    checkpoint.write(path, STATE)
    read = checkpoint.read(path)
    assert read.keys() == STATE.keys()
    for name, state in STATE.items():
        for key, value in state.items():
            if isinstance(value, np.ndarray):
                assert read[name][key].dtype == value.dtype and np.array_equal(read[name][key], value)
            else:
                assert read[name][key] == value and type(read[name][key]) is type(value)


@pytest.mark.parametrize("name", ["CaMKII/found", "/", "a//b", ".", "..", "%2F", "100 %", "a\0b", "µ", "x.y"])
def test_names_may_be_any_text(tmp_path: Path, name: str) -> None:
    path, state = tmp_path / "checkpoint.h5", {name: 7, f"{name}{name}": 8, "other": 9}
    checkpoint.write(path, {name: state, "site": {"n": 1}})
    assert checkpoint.read(path) == {name: state, "site": {"n": 1}}


def test_it_opens_with_h5py(tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "checkpoint.h5"
    checkpoint.write(path, STATE)
    with h5py.File(path) as file:
        assert np.array_equal(file["a/x"], np.arange(500.0))


def test_every_flip_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.h5"
    checkpoint.write(path, STATE)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for k in range(200):
        damaged = bytearray(content)
        if k % 2:
            damaged[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        else:
            damaged = damaged[: int(rng.integers(len(content)))]
        path.write_bytes(bytes(damaged))
        with pytest.raises(InputError, match=r"checkpoint\.h5"):
            checkpoint.read(path)
    path.write_bytes(content)
    checkpoint.read(path)


def test_a_failing_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.h5"
    checkpoint.write(path, STATE)
    before = path.read_bytes()

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="No space left"):
        checkpoint.write(path, {"a": {"n": 1}})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.h5"]


def test_other_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    import h5py

    with pytest.raises(InputError, match="no such file"):
        checkpoint.read(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="another kind"):
        checkpoint.read(tmp_path / "other.h5")
