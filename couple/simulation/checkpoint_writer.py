"""Checkpoints of a run: what they hold besides the states of components, and when one is due."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter

from couple.components.component import State
from couple.parallel.communicator import SingleProcess
from couple.simulation import resume
from couple.simulation.repartition import names_of
from couple.simulation.results.cell_costs import Costs
from couple.simulation.state_versions import GROUP, versions_of
from couple.storage import checkpoint
from couple.storage.records.recorder import Recorder
from couple.storage.run import rank_checkpoints
from couple.storage.run.run_folder import CHECKPOINT, clear_others
from couple.wiring import System

SEGMENTS = "segments"
"""The folder of recorded rows, where no run on another number of ranks has left some."""


class CheckpointWriter:
    """Writes OUT/checkpoint.h5, on all ranks together.

    place: the folder of recorded rows in `folder`. costs: by which cells are spread over ranks, if by any.
    number: of checkpoints that several ranks have written before. left: the place of another number of ranks, whose
    files go with the first checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        system: System,
        recorder: Recorder,
        ranks: SingleProcess,
        place: str = SEGMENTS,
        costs: Costs | None = None,
    ) -> None:
        self.folder, self.number, self.left = folder, 0, ""
        self._system, self._recorder, self._ranks, self._place, self._costs = system, recorder, ranks, place, costs
        self._names: State = {}
        self._last = perf_counter()
        self.margin = 1.0
        """s before a deadline at which the last one has to be begun."""

    def due(self, wall: float | None) -> bool:
        """Whether more than `wall` ms of wall-clock time have passed since the last one; None: never."""
        return wall is not None and perf_counter() - self._last > wall / 1000

    def write(self, states: dict[str, State], cpu_seconds: float) -> Path:
        """Write the states of components with what a resumed run needs besides, and return the path."""
        system, electrics = self._system, self._system.electrics
        states["run"] = resume.describe(system, cpu_seconds)
        if self._place != SEGMENTS:
            states["run"]["place"] = self._place
        if self._costs is not None:  # whoever goes on has to spread cells likewise
            states["run"]["costs"] = json.dumps(self._costs)
        if self._ranks.size > 1 or system.plan.helped or electrics is None or electrics.is_network:
            states["names"] = self._names = self._names or names_of(system, self._recorder)
        states[GROUP] = versions_of(system)
        path, begun = self.folder / CHECKPOINT, perf_counter()
        if self._ranks.size == 1:
            checkpoint.write(path, states)
        else:
            self.number += 1
            rank_checkpoints.write(path, states, states.pop("run"), self.number, self._ranks)
        self._last = perf_counter()
        if self.left and self._ranks.first:  # what other ranks have left, which nothing names any more
            clear_others(self.folder, self.left, self._ranks.size)
        self.left = ""
        self.margin = max(self.margin, 1.0 + 3 * (self._last - begun))
        return path
