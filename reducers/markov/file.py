"""Model files of reduced blocks: HDF5, "couple driven model 1"."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.markov.block import About, DrivenBlock

FORMAT = "couple driven model 1"
KIND = FileKind((FORMAT,), "a driven model", "give the model.h5 of a training", "train it again, or use a copy")
BLOCKS = "couple.reduced_blocks"
"""Entry points: attribute `kind` of a file → its class, a `DrivenBlock`."""


def write_block(block: DrivenBlock, path: Path) -> None:
    """Write the file, whole or not at all. Raises RunError if the disk refuses."""
    about = {f.name: getattr(block.about, f.name) for f in fields(About) if f.name != "box"}
    with replacing(path, FORMAT) as file:
        file.attrs.update({"format": FORMAT, "kind": block.kind, "about": json.dumps(about, default=dict)})
        file["box"] = block.about.box
        for key, values in block.arrays().items():
            file[f"model/{key}"] = values


def read_block(path: Path) -> DrivenBlock:
    """Read a file. Raises InputError that names it if it is missing, damaged or of another format."""
    with read_hdf5(path, KIND) as file:
        kind = str(file.attrs["kind"])
        if kind not in registry.names(BLOCKS):
            raise InputError(f'is a driven model of kind "{kind}"; {nearest(kind, registry.names(BLOCKS))}')
        about = _about(json.loads(str(file.attrs["about"])), np.asarray(file["box"]))
        made: DrivenBlock = registry.load(BLOCKS, kind).build(
            about, {key: np.asarray(item) for key, item in file["model"].items()}
        )
        return made


def _about(content: dict[str, Any], box: Any) -> About:
    """Lists of JSON as tuples again."""
    for key in ("contents", "observables"):
        content[key] = {k: tuple(v) for k, v in content[key].items()}
    for key in ("species", "drive_box"):
        content[key] = tuple(content[key])
    return About(box=box, **content)
