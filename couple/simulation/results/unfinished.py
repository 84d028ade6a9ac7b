"""What is known of a run that has no results yet: it goes on, or was stopped, and where its last checkpoint is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from couple.components.state import text, whole
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.storage import checkpoint
from couple.storage.folder.lock import is_claimed
from couple.storage.run.run_folder import CHECKPOINT, RESULTS


def unfinished(folder: Path) -> dict[str, Any] | None:
    """Status ("running", "stopped"), and from the last checkpoint the name, time, end and unit; None of other folders.

    Raises InputError for a damaged checkpoint.
    """
    if not folder.is_dir() or (folder / RESULTS).exists():
        return None
    running, saved = is_claimed(folder), folder / CHECKPOINT
    if not saved.is_file():
        return {"status": "running"} if running else None
    states = checkpoint.read(saved)
    if not states.keys() >= {"run", "clock"}:
        return None
    experiment = Experiment.from_stored(json.loads(text(states["run"], "experiment")))
    clock = Clock.of(experiment)
    return {
        "status": "running" if running else "stopped",
        "name": experiment.experiment.name,
        "time_unit": clock.unit,
        "saved": clock.time(whole(states["clock"], "window")),
        "end": clock.time(clock.windows),
    }
