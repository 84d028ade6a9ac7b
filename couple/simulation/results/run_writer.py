"""What a run leaves in its folder: results.h5, and summary.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.components.capabilities import HasEventTables, timings_of
from couple.files.write_hdf5 import replacing
from couple.parallel.communicator import SingleProcess
from couple.simulation.results.cell_costs import Costs, write_costs
from couple.simulation.results.rank_results import merge, merged, orders, rank_file, write_spikes
from couple.simulation.results.result_layout import attributes_of, component_tables
from couple.simulation.results.summary_text import summary_text
from couple.storage.atomic_file import replace
from couple.storage.records.recorder import Recorder
from couple.storage.records.results import FORMAT, Results
from couple.storage.run.run_folder import RESULTS, SUMMARY
from couple.wiring import System


def found_in(results: Results) -> dict[str, Any]:
    """What a summary takes from the records: peaks, spikes where there are somata, calcium that no link takes up."""
    found = {"spikes": results.spike_counts(), "calcium_not_linked": results.calcium_not_linked()}
    return {"peaks": results.peaks(), **{key: value for key, value in found.items() if value}}


def write_intervals(file: h5py.File, intervals: Floats) -> None:
    """The dataset `exchange_interval`: (n_exchanges,) ms, of a run that chose them."""
    data = file.create_dataset("exchange_interval", data=intervals, compression="gzip", shuffle=True)
    data.attrs.update({"unit": "ms", "dims": ["exchange"], "meaning": "between an exchange and the one before"})


def write_shape(file: h5py.File, system: System) -> None:
    """The group `morphology`: frusta of the model, the segment of each, and where sites are."""
    shape = system.shape
    assert shape is not None
    number = {name: k for k, name in enumerate(shape.segments)}
    sites = {s.name: number[s.segments[0]] for s in system.plan.sites if s.segments and s.segments[0] in number}
    content = {
        "frusta": (shape.frusta.astype(np.float32), ["frustum", "end"], "um", "x, y, z and diameter of both ends"),
        "segment": (shape.segment.astype(np.int32), ["frustum"], "1", "number of the segment of a frustum"),
        "name": (np.array(shape.segments, dtype="S"), ["segment"], "", "of a segment"),
        "site": (np.array([*sites], dtype="S"), ["site"], "", "name of a site"),
        "site_segment": (np.array([*sites.values()], dtype=np.int32), ["site"], "1", "its first segment"),
    }
    group = file.create_group("morphology")
    group.attrs["drawn"] = len(shape.drawn)
    for name, (values, dims, unit, meaning) in content.items():
        if values.size:
            group.create_dataset(name, data=values, compression="gzip", shuffle=True)
            group[name].attrs.update({"unit": unit, "dims": dims, "meaning": meaning})


@dataclass(frozen=True)
class RunWriter:
    """Writes what `recorder` holds of a system, on each rank its own part."""

    system: System
    recorder: Recorder
    ranks: SingleProcess

    def fill(self, file: h5py.File, summary: dict[str, Any], lengths: Sequence[int] = ()) -> None:
        """Put all that was recorded so far into an HDF5 file.

        lengths: ticks of each exchange interval, if they differ.
        """
        clock = self.system.plan.clock
        first = self.recorder.first
        times = np.array([clock.time(k * clock.record) for k in range(first, first + self.recorder.recorded)])
        engines = self.system.engines
        spent = {f"timing/{e.name}": seconds for e in engines if (seconds := timings_of(e))}
        tables = {**self._tables(summary), **component_tables(self.system), **spent}
        self.recorder.fill(file, times, self._attributes(summary), tables)
        for engine in engines:
            for name, rows in engine.event_tables().items() if isinstance(engine, HasEventTables) else ():
                data = file.create_dataset(f"{engine.name}/{name}", data=rows)
                data.attrs.update({"unit": "", "dims": ["row"], "meaning": "a table, one row for each event"})
        if lengths:
            write_intervals(file, np.array(lengths) * clock.tick)
        if self.system.shape is not None:
            write_shape(file, self.system)
        spikes = None if self.system.electrics is None else self.system.electrics.spikes
        if spikes is not None:
            times, cells = spikes
            write_spikes(file, times, cells, {"populations": json.dumps(self.system.plan.experiment.populations)})

    def write(
        self, folder: Path, status: str, summary: dict[str, Any], costs: Costs, lengths: Sequence[int] = ()
    ) -> dict[str, Any]:
        """Write the results, the summary and costs of cells, of all ranks, into `folder`; returns the summary with
        peaks. lengths: see `fill`."""
        if self.ranks.size > 1:
            return self._write_of_ranks(folder, status, summary, costs)
        with replacing(folder / RESULTS, FORMAT, self.recorder.version) as file:
            self.fill(file, summary, lengths)
        write_costs(folder, [costs])
        return self._with_peaks(folder, summary)

    def _write_of_ranks(self, folder: Path, status: str, summary: dict[str, Any], costs: Costs) -> dict[str, Any]:
        """A file of this rank; unless it alone has failed, one over all of them too."""
        with replacing(rank_file(folder, self.ranks.rank), FORMAT, self.recorder.version) as file:
            self.fill(file, summary)
            for path, order in orders(self.system.variables, self.system.plan.order).items():
                file[path].attrs["order"] = order
        if status == "failed":
            return summary
        summaries, every = self.ranks.gather(summary), self.ranks.gather(costs)
        if self.ranks.first:
            write_costs(folder, every)
            summary = merged(summaries, self.system.plan.order)
            merge(folder / RESULTS, self.ranks.size, self._attributes(summary), self._tables(summary))
            summary = self._with_peaks(folder, summary)
        return self.ranks.broadcast(summary)

    def _with_peaks(self, folder: Path, summary: dict[str, Any]) -> dict[str, Any]:
        """The summary, as it is put on the disk."""
        with Results(folder / RESULTS) as results:
            summary |= found_in(results)
        replace(folder / SUMMARY, summary_text(summary).encode())
        return summary

    def _attributes(self, summary: dict[str, Any]) -> dict[str, Any]:
        return {
            **attributes_of(self.system),
            "engines": json.dumps(summary["engines"]),
            "status": summary["status"],
            "seed": self.system.plan.experiment.experiment.seed,
            "format": FORMAT,
        }

    def _tables(self, summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {
            "ledger": {k: json.dumps(v) for k, v in summary["ledger"].items()},
            "timing": {**summary["seconds"], "cpu_seconds": summary["cpu_seconds"]},
            "versions": summary["versions"],
            **({"passes": summary["passes"]} if "passes" in summary else {}),
        }
