"""What each cell of a network took of a run, and runs that spread their cells by it: OUT/costs.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from couple.base.errors import InputError
from couple.components.capabilities import work_of
from couple.files.json_file import read_sealed_json, sealed_json
from couple.storage.atomic_file import replace
from couple.storage.run.run_folder import COSTS
from couple.wiring import System

Costs = dict[str, float]
"""Cell → seconds of one exchange window: of its electrics, and of all of its sites."""


class CostMeter:
    """Measures what this rank does from now on."""

    def __init__(self, system: System, seconds: Mapping[str, float]) -> None:
        self._system, self._before = system, self._seconds(system, seconds)

    @staticmethod
    def _seconds(system: System, seconds: Mapping[str, float]) -> dict[str, float]:
        """Of each component, without waiting for others."""
        own = 0.0 if system.electrics is None else system.electrics.stepping_seconds
        return {**seconds, "": own}

    def costs(self, seconds: Mapping[str, float], windows: int) -> Costs:
        """Costs of the cells on this rank. seconds: of each component by now; windows: since the meter was made.

        What a component took is divided by what each cell or site says of its work.
        """
        model = self._system.electrics
        if model is None or windows <= 0 or not (weights := model.cell_weights):
            return {}
        spent = {name: s - self._before[name] for name, s in self._seconds(self._system, seconds).items()}
        whole = (spent[""] or spent[model.name]) / sum(weights.values())
        found = {cell: whole * weight for cell, weight in weights.items()}
        for engine in self._system.engines:
            work = work_of(engine)
            each = spent[engine.name] * work / max(float(work.sum()), 1e-300)
            for site, share in zip(engine.sites, each.tolist(), strict=True):
                cell = self._system.plan.cell_of.get(site.name)
                if cell in found:
                    found[cell] += share
        return {cell: s / windows for cell, s in found.items()}


def write_costs(folder: Path, parts: Sequence[Costs]) -> None:
    """Those of all ranks into a folder; nothing if there are none. Raises RunError if the disk refuses."""
    cells = {cell: s for part in parts for cell, s in part.items()}
    if cells:
        replace(folder / COSTS, sealed_json({"unit": "s per exchange", "cells": cells}).encode())


def read_costs(folder: Path) -> Costs:
    """Costs of the cells of the run in a folder. Raises InputError if it has none."""
    path = folder / COSTS if folder.is_dir() else folder
    try:
        cells = read_sealed_json(path, "run again", by_hand=True)["cells"]
        found = {str(cell): float(seconds) for cell, seconds in cells.items()}
    except FileNotFoundError:
        raise InputError(
            f'"{folder}" has no {COSTS}: give the folder of a run of this [network], be it a short one (--until)',
            where="--balance",
        ) from None
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is damaged: run again, or leave it out", where="--balance") from None
    if not all(np.isfinite(s) and s >= 0 for s in found.values()):
        raise InputError(f"{path} is damaged: run again, or leave it out", where="--balance")
    return found
