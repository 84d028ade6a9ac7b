"""A model of patterns on the disk: one sealed HDF5 file with its arrays and the names of its neurons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from couple.base.errors import InputError, nearest
from couple.base.regular_file import open_regular
from couple.base.versions import versions
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.seal import SIZE, sealed_kind
from couple.files.write_hdf5 import replacing
from reducers.population.library.kinds import MODELS
from reducers.population.models.model import PatternModel

FORMAT = "couple pattern model 1"
KIND = FileKind((FORMAT,), "a model of patterns", "give a file of couple population --save", "fit again")


@dataclass(frozen=True)
class ModelFile:
    """model: with its neurons' names, and the window of its patterns, ms (0 for none)."""

    model: PatternModel
    names: tuple[str, ...]
    window: float


def write_model(path: Path, content: ModelFile) -> None:
    """Whole or not at all. Raises RunError if the disk refuses."""
    with replacing(path, FORMAT) as file:
        file.attrs.update({"format": FORMAT, "kind": content.model.KIND, "window_ms": content.window})
        file.create_group("versions").attrs.update(versions())
        file["names"] = [name.encode() for name in content.names]
        for name, array in content.model.arrays().items():
            file[f"arrays/{name}"] = array


def read_model(path: Path) -> ModelFile:
    """What `write_model` wrote. Raises InputError if the file is missing, damaged or of another kind."""
    with read_hdf5(path, KIND) as file:
        kind = str(file.attrs["kind"])
        if kind not in MODELS:
            raise InputError(f'holds a model "{kind}"; {nearest(kind, MODELS)}')
        model = MODELS[kind].from_arrays({name: np.asarray(item) for name, item in file["arrays"].items()})
        names = tuple(name.decode() for name in np.asarray(file["names"]).tolist())
        if len(names) != model.n:
            raise InputError(f"{len(names)} names do not fit {model.n} neurons")
        return ModelFile(model, names, float(file.attrs["window_ms"]))


def refuse_other(path: Path) -> None:
    """Raise InputError if a file stands there that is no model of patterns: it would be lost."""
    if not path.exists():
        return
    with open_regular(path) as file:
        if sealed_kind(file.read(SIZE)) != FORMAT:
            raise InputError("is there already, and is no model of patterns: give another name", where=str(path))
