"""Files written anew: one piece, sealed, the same content."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from couple.base.errors import InputError
from couple.ensemble.open_recording import open_recording
from couple.files.repack import repack
from support.our_files import OUR_FILES, digest
from support.paths import EXAMPLES


def test_results_over_ranks_become_one_file(tmp_path: Path) -> None:
    OUR_FILES["results over ranks"].write(tmp_path)
    assert repack(tmp_path / "results.h5", tmp_path / "whole.h5") == "couple results 1"
    with open_recording(tmp_path) as found, open_recording(tmp_path / "whole.h5") as whole:
        assert digest(found.file) == digest(whole.file)
        assert not any(item.is_virtual for item in whole.file["ssa"].values())
        assert np.array_equal(found["b.A"], whole["b.A"]) and found["b.A"].any()
    with pytest.raises(InputError, match="there already"):
        repack(tmp_path / "results.h5", tmp_path / "whole.h5")


def test_a_file_without_a_seal_is_taken_over(tmp_path: Path) -> None:
    ours = OUR_FILES["results"]
    with h5py.File(ours.write(tmp_path)) as sealed, h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update(sealed.attrs)
        for name in sealed:
            sealed.copy(name, file)
    with pytest.raises(InputError, match="couple repack"):
        ours.read(tmp_path / "old.h5")
    repack(tmp_path / "old.h5", tmp_path / "new.h5")
    assert ours.read(tmp_path / "new.h5") == ours.read(tmp_path / "results.h5")


def test_a_model_stays_what_it_is(tmp_path: Path) -> None:
    repack(EXAMPLES / "sk" / "sk.h5", tmp_path / "model.h5")
    assert OUR_FILES["model"].read(tmp_path / "model.h5") == OUR_FILES["model"].read(EXAMPLES / "sk" / "sk.h5")


def test_what_is_damaged_or_nobodys_is_refused(tmp_path: Path) -> None:
    path = OUR_FILES["results"].write(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        repack(path, tmp_path / "new.h5")
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="what it is"):
        repack(tmp_path / "theirs.h5", tmp_path / "new.h5")
    assert not (tmp_path / "new.h5").exists()
