"""The files that an experiment reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from couple.wiring.system.system import System


def input_files(system: System) -> dict[Path, str]:
    """Path of every file that a wired experiment was made from → its role.

    Roles: "experiment", "chemistry", "model" (of the electrical model), "replay", "options" (text in the options of a
    site's engine that names a file).
    """
    experiment = system.plan.experiment
    found = dict(experiment.files)
    for name in () if system.electrics is None else system.electrics.model_files:
        found.setdefault(Path(name), "model")
    for drive in experiment.drive:
        if drive.replay is not None:
            found.setdefault(experiment.folder / drive.replay.rpartition(":")[0], "replay")
    for site in system.plan.sites:
        for text in _texts(dict(site.engine.tables)):
            path = experiment.folder / text
            if path.is_file():
                found.setdefault(path, "options")
    return found


def _texts(value: Any) -> Iterator[str]:
    """All text in tables and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
