"""Model files of reduced blocks: HDF5, "couple driven model 1"."""

from __future__ import annotations

import io
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.storage.atomic_file import replace as put_in_place
from reducers.markov.block import About, DrivenBlock

FORMAT = "couple driven model 1"
BLOCKS = "couple.reduced_blocks"
"""Entry points: attribute `kind` of a file → its class, a `DrivenBlock`."""


def write_block(block: DrivenBlock, path: Path) -> None:
    """Write the file, whole or not at all. Raises RunError if the disk refuses."""
    about = {f.name: getattr(block.about, f.name) for f in fields(About) if f.name != "box"}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update({"format": FORMAT, "kind": block.kind, "about": json.dumps(about, default=dict)})
        file["box"] = block.about.box
        for key, values in block.arrays().items():
            file[f"model/{key}"] = values
    put_in_place(path, buffer.getvalue())


def read_block(path: Path) -> DrivenBlock:
    """Read a file. Raises InputError that names it if it is missing, damaged or of another format."""
    try:
        with h5py.File(path) as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(f'is not a driven model (format "{file.attrs.get("format", "none")}", not "{FORMAT}")')
            kind = str(file.attrs["kind"])
            if kind not in registry.names(BLOCKS):
                raise InputError(f'is a driven model of kind "{kind}"; {nearest(kind, registry.names(BLOCKS))}')
            about = _about(json.loads(str(file.attrs["about"])), np.asarray(file["box"]))
            made: DrivenBlock = registry.load(BLOCKS, kind).build(
                about, {key: np.asarray(item) for key, item in file["model"].items()}
            )
            return made
    except FileNotFoundError:
        raise InputError("no such file; give the model.h5 of a training", where=str(path)) from None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"is not a driven model, or damaged: {error}", where=str(path)) from None
    except InputError as error:
        raise error.inside(str(path)) from None


def _about(content: dict[str, Any], box: Any) -> About:
    """Lists of JSON as tuples again."""
    for key in ("contents", "observables"):
        content[key] = {k: tuple(v) for k, v in content[key].items()}
    for key in ("species", "drive_box"):
        content[key] = tuple(content[key])
    return About(box=box, **content)
