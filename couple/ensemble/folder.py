"""The folder of an ensemble while it is made: what was asked for, and the runs that are there.

    sampling.json    the experiment, the ensemble's seed and how many runs are wanted
    parts/*.h5       batches of finished runs, each with a checksum, each written in one step
    ensemble.h5      all of them, at the end

A kill loses the batches that were running and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from couple.base.errors import InputError
from couple.base.paths.whole_file import guarded
from couple.base.toml import flatten
from couple.base.versions import versions
from couple.components.component import State
from couple.components.state import whole
from couple.ensemble.design import Design
from couple.ensemble.ensemble import ENSEMBLE, FORMAT, KIND
from couple.ensemble.sampler import SampledRun
from couple.ensemble.seeds import run_seed
from couple.experiment import Experiment
from couple.experiment.understood.input_files import InputFile, from_json, refuse_changed, unique
from couple.files.json_file import read_sealed_json, sealed_json
from couple.files.open_hdf5 import read_hdf5
from couple.simulation.resume import Origin
from couple.storage import checkpoint
from couple.storage.atomic_file import replace
from couple.storage.folder.contents import (
    FolderKind,
    files_of,
    has_format,
    has_group,
    has_keys,
    is_report,
    listed,
    own_folder,
    refuse_taken,
    survey,
)
from couple.storage.folder.lock import lock_folder
from couple.storage.run.run_folder import claim_folder

log = logging.getLogger(__name__)

SPECIFICATION, PARTS = "sampling.json", "parts"

PART_VERSION = 2
"""Of the content of a part, to be raised whenever that changes its form or meaning."""

_KEYS = ("experiment", "original", "path", "files", "unlayered", "overrides", "seed", "runs")

DECISIVE = ("couple", "neuron", "numba")
"""Packages whose versions runs depend on."""

SINCE, ADVICE = "since runs of this ensemble were made", "restore it, or give another --out"

PARTS_KIND = FolderKind("ensemble", {r"[0-9]{9,}-[0-9]+\.h5": has_group("part")})
"""The folder of finished runs."""

SAMPLING = FolderKind(
    "ensemble",
    {r"sampling\.json": has_keys(*_KEYS), r"ensemble\.h5": has_format(FORMAT), r"report\.html": is_report},
    {PARTS: PARTS_KIND},
)


@dataclass(frozen=True)
class Specification:
    """A request for an ensemble.

    seed: of the ensemble. runs: wanted, in all. fresh: a process of its own for every run. design: which values they
    have, the same for `runs / len(design)` runs that follow each other; None if they differ by their seed alone.
    origin: the saved moment that runs go on from; None for t = 0. limit: seconds after which a run is stopped, and kept
    as one that failed; None without. It is no part of what a run is.
    """

    experiment: Experiment
    seed: int
    runs: int
    fresh: bool = False
    design: Design | None = None
    origin: Origin | None = None
    limit: float | None = None

    @property
    def keeps_failures(self) -> bool:
        """Whether runs that fail are kept with their reason, and stop nobody."""
        return self.design is not None or self.limit is not None

    def point_of(self, run: int) -> int:
        """Number of the point of the design that a run is at."""
        return 0 if self.design is None else run * len(self.design) // self.runs

    def overrides_of(self, run: int) -> tuple[str, ...]:
        """What tells a run from the experiment, its seed aside."""
        return () if self.design is None else self.design.points[self.point_of(run)].overrides

    def experiment_of(self, run: int, seed: int | None = None) -> Experiment:
        """The experiment of a run; of its own seed, unless another is given. Raises InputError that names the key."""
        seed = run_seed(self.seed, run) if seed is None else seed
        return self.experiment.changed(*self.overrides_of(run), f"experiment.seed={seed}")

    def stored(self) -> dict[str, Any]:
        """All that `from_stored` needs, as JSON can hold it."""
        stored = self.experiment.stored()
        return {
            "experiment": stored.pop("content"),
            **stored,
            "seed": self.seed,
            "runs": self.runs,
            "fresh": self.fresh,
            "design": None if self.design is None else self.design.to_json(),
            "limit": self.limit,
            "from": None if self.origin is None else {"path": str(self.origin.path), "sha256": self.origin.sha256},
        }

    def as_dict(self) -> dict[str, Any]:
        """For sampling.json."""
        return {**self.stored(), "versions": versions()}

    def key(self, files: Sequence[InputFile]) -> str:
        """Digest of all that decides what a run of the ensemble is: not of how many there are. files: that it reads."""
        content, now = self.stored(), versions()
        kept = {name: now.get(name) for name in DECISIVE}
        read = [file.content for file in files]
        decisive = [_without_seed(content["experiment"]), content["design"], self.seed, kept, read]
        decisive += [] if self.origin is None else [self.origin.sha256]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()

    @classmethod
    def from_stored(cls, content: Mapping[str, Any]) -> Specification:
        """The request that was `stored`."""
        experiment = Experiment.from_stored({**content, "content": content["experiment"]})
        design = None if content.get("design") is None else Design.from_json(content["design"])
        start = content.get("from")
        origin = None if start is None else Origin(Path(start["path"]), start["sha256"])
        seed, runs, limit = content["seed"], content["runs"], content.get("limit")
        return cls(experiment, seed, runs, content["fresh"], design, origin, limit)

    @classmethod
    def read(cls, folder: Path) -> Specification:
        """The request for an ensemble that was begun in `folder`. Raises InputError if there is none."""
        return cls.from_stored(_content(folder))


class EnsembleFolder:
    """A claimed folder; `close` gives it up.

    folder: None for results/NAME-ensemble-001 or the next free number. An ensemble of the same experiment and seed in
    it is continued; anything else there is an InputError.
    """

    def __init__(self, wanted: Specification, folder: str | Path | None) -> None:
        self.wanted = wanted
        self.path = claim_folder(f"{wanted.experiment.experiment.name}-ensemble", folder)
        self._lock = lock_folder(self.path)
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def _begin(self) -> None:
        begun = (self.path / SPECIFICATION).exists()
        there = refuse_taken(self.path, SAMPLING) if begun else survey(self.path, SAMPLING)
        if begun:
            _check_same(_content(self.path), self.wanted.as_dict(), self.path)
        elif there.useful or there.strangers:
            held = listed(self.path, [*there.strangers, *there.ours])
            raise InputError(f"is not empty ({held}) and holds no ensemble: give another --out", where=str(self.path))
        there.sweep()
        text = sealed_json(self.wanted.as_dict())
        with guarded(self.path / SPECIFICATION, "read"):
            same = begun and text == (self.path / SPECIFICATION).read_text()
        if not same:
            replace(self.path / SPECIFICATION, text.encode())
        own_folder(self.path, PARTS)

    def there(self) -> dict[int, Path]:
        """Finished run → the file that has it; damaged files are left out, with a warning."""
        found: dict[int, Path] = {}
        if (self.path / ENSEMBLE).exists():
            try:
                with read_hdf5(self.path / ENSEMBLE, KIND) as file:
                    found |= dict.fromkeys(map(int, file["run"]), self.path / ENSEMBLE)
            except InputError as error:
                log.warning("%s; its runs are made again", error)
        for path in files_of(self.path / PARTS, PARTS_KIND):
            try:
                found |= dict.fromkeys(map(int, np.asarray(read_part(path)["runs"])), path)
            except (InputError, KeyError) as error:
                log.warning("%s; its runs are made again", error)
                with guarded(path, "removed"):
                    path.unlink()
        if found:
            refuse_changed(inputs_of(found, self.wanted), SINCE, ADVICE, str(self.path))
        return found

    def close(self, *, complete: bool) -> None:
        """Give the folder up; without the parts if all of them are in the ensemble file."""
        with suppress(OSError, InputError):
            survey(self.path, SAMPLING).sweep()
            if complete:
                survey(self.path / PARTS, PARTS_KIND).clear()
                (self.path / PARTS).rmdir()
        self._lock.release()


def write_part(folder: Path, runs: Sequence[int], made: Sequence[SampledRun], layout: str) -> Path:
    """Put finished runs into a file of their own, in one step. Raises RunError if the disk refuses."""
    path = folder / PARTS / f"{runs[0]:09d}-{len(runs)}.h5"
    part: State = {
        "version": PART_VERSION,
        "runs": np.array(runs, dtype=np.int64),
        "rows": np.array([run.rows for run in made]),
        "imbalance": np.array([run.imbalance for run in made]),
        "seconds": np.array([run.seconds for run in made]),
        "parts": np.array([run.parts for run in made]),
        "failures": json.dumps([run.failure for run in made]),
        "layout": layout,
    }
    checkpoint.write(path, {"part": part})
    return path


def read_part(path: Path) -> dict[str, Any]:
    """The content of a part, as `write_part` wrote it. Raises InputError if it is damaged or of another version."""
    part: dict[str, Any] = checkpoint.read(path)["part"]
    if whole(part, "version", 0) != PART_VERSION:
        raise InputError("was made by another version of couple", where=str(path))
    return part


def _content(folder: Path) -> dict[str, Any]:
    path = folder / SPECIFICATION
    try:
        content = read_sealed_json(path, "give another --out")
    except FileNotFoundError:
        raise InputError("holds no ensemble", where=str(folder)) from None
    if not content.keys() >= {*_KEYS}:
        raise InputError("is damaged: give another --out", where=str(path))
    return content


def _check_same(then: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """An ensemble is continued only with what it was begun with."""
    before, after = (
        flatten({"seed": c["seed"], "vary": c.get("design"), "from": _origin(c), **_without_seed(c["experiment"])})
        for c in (then, now)
    )
    changed = [k for k in sorted({*before, *after}) if before.get(k) != after.get(k)]
    if changed:
        shown = "; ".join(f"{k}: {before.get(k, 'absent')} -> {after.get(k, 'absent')}" for k in changed[:5])
        raise InputError(f"holds an ensemble of another experiment ({shown}): give another --out", where=str(folder))
    if now.get("design") is not None and then["runs"] != now["runs"]:
        raise InputError(
            f"holds an ensemble of {then['runs']} runs over its design: ask for as many, or give another --out",
            where=str(folder),
        )
    if then["runs"] > now["runs"]:
        raise InputError(
            f"holds an ensemble of {then['runs']} runs: ask for as many or more, or give another --out",
            where=str(folder),
        )
    moved = [k for k in DECISIVE if then["versions"].get(k) != now["versions"].get(k)]
    if moved:
        pairs = ", ".join(f"{k} {then['versions'].get(k)} -> {now['versions'].get(k)}" for k in moved)
        raise InputError(f"holds an ensemble of other versions ({pairs}): give another --out", where=str(folder))


def _origin(content: dict[str, Any]) -> str | None:
    """The bytes that runs go on from, wherever they lie."""
    start = content.get("from")
    return None if start is None else str(start["sha256"])


def _without_seed(content: dict[str, Any]) -> dict[str, Any]:
    """Of the experiment's own seed no run of the ensemble depends, nor of threads."""
    run = {k: v for k, v in content["experiment"].items() if k != "seed"}
    return {**{k: v for k, v in content.items() if k != "run"}, "experiment": run}


def inputs_of(there: Mapping[int, Path], wanted: Specification) -> tuple[InputFile, ...]:
    """The files that finished runs were made from: those of one, or of all if they may read different ones.

    there: finished run → the file that has it.
    """
    paths = list(dict.fromkeys(there.values()))
    read = paths[:1] if wanted.design is None else paths
    return tuple(unique(file for path in read for file in _inputs_in(path)))


def _inputs_in(path: Path) -> tuple[InputFile, ...]:
    """Those of the runs in a part, or in an ensemble file."""
    if path.name == ENSEMBLE:
        with read_hdf5(path, KIND) as file:
            return from_json(str(file.attrs.get("inputs", "[]")))
    attributes = json.loads(str(read_part(path)["layout"]))["attributes"]
    return from_json(attributes.get("inputs", "[]"))
