"""The folder of a training: what is in it, who writes there.

checkpoint.h5    what going on to the bit needs
model.h5         what was learned, with its picture
summary.json     errors and times
data/            ensembles of the fine model, kept when a training is begun anew
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.ensemble.folder import SAMPLING
from couple.storage.atomic_file import replace
from couple.storage.folder.contents import (
    FolderKind,
    has_format,
    has_group,
    has_keys,
    is_picture,
    is_report,
    refuse_taken,
)
from couple.storage.folder.lock import locked
from couple.storage.run.run_folder import claim_folder
from reducers.data.sources import DATA

CHECKPOINT, MODEL, SUMMARY = "checkpoint.h5", "model.h5", "summary.json"

SUMMARY_FORMAT = "couple training summary 1"
"""Entry `format` of a summary."""

PROTOCOL_FORMAT = "couple protocol data 1"
"""What the seal of a protocol's data says."""

GRAPH_FORMAT = "couple site graph 1"
"""What the seal of a molecule's structure says."""

ACCURACY_FORMAT = "couple accuracy model 1"
"""What the seal of learned errors and costs of engines says."""

MODEL_FORMATS = ("couple reduced model 1", "couple driven model 1", GRAPH_FORMAT, ACCURACY_FORMAT)
"""Attribute `format` of model files."""

TRAINING = FolderKind(
    "training",
    {
        r"checkpoint\.h5": has_group("training"),
        r"model\.h5": has_format(*MODEL_FORMATS),
        r"summary\.json": has_keys("format", "cpu_seconds"),
        r"model(-maps)?\.png": is_picture,
        r"report\.html": is_report,
    },
    {DATA: FolderKind("training", {r"[^/]+\.h5": has_format(PROTOCOL_FORMAT)}, {r"[^/]+": SAMPLING})},
)


@contextmanager
def folder_for(name: str, folder: Path | None) -> Iterator[Path]:
    """The folder of a new training, made if it is not there; without it again if what is done inside fails.

    folder: None for results/NAME-train. Raises InputError if it cannot be made, or if somebody else's file stands where
    a training writes.
    """
    place = Path("results") / f"{name}-train" if folder is None else folder
    made = not place.exists()
    claim_folder(name, place)
    try:
        refuse_taken(place, TRAINING)
        yield place
    except BaseException:
        if made:
            with suppress(OSError):  # runs that were sampled stay
                place.rmdir()
        raise


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there, is claimed and without what killed processes have left in it.

    Raises InputError if another process writes into it, or if somebody else's file stands where a training writes.
    """
    with folder_for("", folder), locked(folder):
        refuse_taken(folder, TRAINING).sweep()
        yield


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write OUT/summary.json. Raises RunError if the disk refuses."""
    replace(folder / SUMMARY, (json.dumps({"format": SUMMARY_FORMAT, **summary}, indent=1) + "\n").encode())


def refuse_earlier(folder: Path, file: str, advice: str) -> None:
    """Raise InputError if a training was begun, or has ended, in a folder."""
    if (folder / file).exists():
        raise InputError(advice, where=str(folder))
