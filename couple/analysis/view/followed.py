"""What there is to show of a folder now: a run or an ensemble that goes on, one that was stopped, or results."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from couple.analysis.report.curves import curve_figure
from couple.base.errors import InputError
from couple.base.regular_file import real_path
from couple.ensemble.ensemble import ENSEMBLE
from couple.ensemble.folder import PARTS, SPECIFICATION
from couple.files.json_file import read_sealed_json
from couple.simulation.results.unfinished import unfinished
from couple.storage.folder.contents import LOCK
from couple.storage.folder.owner import is_being_written
from couple.storage.run.run_folder import CHECKPOINT, RESULTS
from couple.storage.run.watched_folder import LIVE, ROWS, WATCHED, leave, look, read_live

_PART = re.compile(r"[0-9]{9,}-([0-9]+)\.h5")

MODEL = "model.h5"
"""What a training leaves."""

Kind = Literal["run", "ensemble", "training"]


@dataclass
class Followed:
    """A folder, or a file of results in it.

    Raises InputError if it is not there, or holds nothing that couple left.
    """

    path: Path
    _begun: tuple[float, int] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise InputError("no such folder; give that of a run or an ensemble", where=str(self.path))
        if self.path.is_dir() and not any(
            (self.path / name).exists() for name in (RESULTS, ENSEMBLE, MODEL, CHECKPOINT, SPECIFICATION, LOCK)
        ):
            raise InputError(
                "holds no run and no ensemble (no results.h5, ensemble.h5 or checkpoint.h5): give the folder of one",
                where=str(self.path),
            )

    @property
    def folder(self) -> Path | None:
        """Where a process may be writing; None for a file of results with a name of its own."""
        if self.path.is_dir():
            return self.path
        return self.path.parent if self.path.name in (RESULTS, ENSEMBLE, MODEL) else None

    @property
    def goes_on(self) -> bool:
        """Whether a process writes into the folder now."""
        return self.folder is not None and is_being_written(self.folder)

    @property
    def results(self) -> Path | None:
        """The file that a report is made of, if there is one."""
        names = [self.path] if self.path.is_file() else [self.path / name for name in (ENSEMBLE, RESULTS, MODEL)]
        return next((path for path in names if path.is_file()), None)

    @property
    def kind(self) -> Kind:
        """What goes on in the folder."""
        folder = self.folder or self.path
        if (folder / SPECIFICATION).exists():
            return "ensemble"
        return "training" if (folder / MODEL).exists() or (folder / "data").is_dir() else "run"

    def state(self, seen: str = "") -> dict[str, Any]:
        """What a page shows of what goes on, as JSON can hold it.

        status: "running", "stopped", "finished". kind. done, total, unit: how far it is, None where that is not known.
        left_s: seconds. version: of the figure; the figure itself only if it is not the one that was `seen`.
        """
        if self.goes_on:
            folder = self.folder
            assert folder is not None
            found = self._ensemble(folder) if self.kind == "ensemble" else self._run(folder, seen)
            return {"status": "running", "kind": self.kind, **found}
        if self.results is not None:
            return {"status": "finished", "kind": self.kind}
        return {"status": "stopped", "kind": self.kind, **self._saved()}

    def _run(self, folder: Path, seen: str) -> dict[str, Any]:
        can_look = look(folder, os.getpid())
        path = folder / LIVE / ROWS
        with suppress(InputError, OSError):
            version = str(path.stat().st_mtime_ns)
            if (shown := read_live(folder)) is not None:
                results, at = shown
                with results as rows:
                    found = {
                        "name": rows.name,
                        "done": at.simulated,
                        "total": at.end,
                        "unit": rows.time_unit,
                        "left_s": at.elapsed * (at.end - at.simulated) / (at.simulated - at.since)
                        if at.simulated > at.since
                        else None,
                        "version": version,
                    }
                    return found | ({} if version == seen else {"figure": curve_figure(rows)})
        note = "" if can_look else "the folder cannot be written to, so that the run does not know that somebody looks"
        return {**self._saved(), "version": "", "note": note}

    def _ensemble(self, folder: Path) -> dict[str, Any]:
        wanted = read_sealed_json(folder / SPECIFICATION, "give another folder")
        done = sum(int(found[1]) for name in _names(folder / PARTS) if (found := _PART.fullmatch(name)))
        now = monotonic()
        self._begun = self._begun or (now, done)
        made, spent = done - self._begun[1], now - self._begun[0]
        total = int(wanted["runs"])
        return {
            "name": str(wanted["experiment"]["experiment"]["name"]),
            "done": done,
            "total": total,
            "unit": "runs",
            "left_s": spent * (total - done) / made if made > 0 else None,
            "version": "",
        }

    def _saved(self) -> dict[str, Any]:
        """How far the last checkpoint is, of a run."""
        known = {
            "name": real_path(self.folder or self.path).name,
            "done": None,
            "total": None,
            "unit": "",
            "left_s": None,
        }
        if self.path.is_dir() and self.kind == "run":
            with suppress(InputError):
                saved = unfinished(self.path) or {}
                if "saved" in saved:
                    return known | {
                        "name": saved["name"],
                        "done": saved["saved"],
                        "total": saved["end"],
                        "unit": saved["time_unit"],
                    }
        return known

    def leave(self) -> None:
        """Nobody looks any more."""
        if self.folder is not None:
            leave(self.folder, WATCHED)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []
