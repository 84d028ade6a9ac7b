"""From parts to one ensemble file, run by run: its content does not depend on how the runs were made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.base.versions import versions
from couple.ensemble.design import Design
from couple.ensemble.ensemble import ENSEMBLE, FORMAT, KIND
from couple.ensemble.folder import Specification, inputs_of, read_part
from couple.ensemble.seeds import run_seed
from couple.experiment.understood.input_files import to_json
from couple.experiment.understood.resolved import resolved_text
from couple.files.open_hdf5 import read_hdf5
from couple.files.write_hdf5 import replacing
from couple.simulation.results.result_layout import ResultLayout
from couple.storage.records.recorder import columns, create

SIZES = {"volume_um3": "um^3", "area_um2": "um^2"}
"""Of sites, which a design may change from run to run."""


@dataclass(frozen=True)
class _Found:
    """rows: (n_rows, width) as the recorder has them. failure: why there are none.

    sizes: of the run's sites, "head/volume_um3" → (n_sites,).
    """

    rows: Floats
    imbalance: float
    seconds: float
    parts: Floats
    failure: str = ""
    sizes: Mapping[str, Floats] = field(default_factory=dict)


def assemble(folder: Path, wanted: Specification, there: Mapping[int, Path], layout: ResultLayout) -> Path:
    """Write OUT/ensemble.h5 from all runs that are there, in order; returns its path.

    One part at a time is in memory. Raises RunError if the disk refuses; an older ensemble file stays then.
    """
    runs = sorted(run for run in there if run < wanted.runs)
    path = folder / ENSEMBLE
    places = columns(layout.variables)
    with replacing(path, FORMAT) as file:
        _head(file, wanted, runs, layout, there)
        if wanted.design is not None:
            _parameters(file, wanted, wanted.design, runs, layout)
        if wanted.keeps_failures:
            reasons = file.create_dataset("failure", (len(runs),), h5py.string_dtype())
            reasons.attrs.update({"unit": "", "dims": ["run"], "meaning": "why a run has no rows"})
        data = [create(file, v, {"run": len(runs), "time": len(layout.times)}) for v in layout.variables]
        for row, found in enumerate(_read(runs, there, layout)):
            for v, dataset, place in zip(layout.variables, data, places, strict=True):
                dataset[row] = found.rows[:, place].reshape(len(layout.times), *v.shape)
            file["imbalance"][row], file["timing/cpu_seconds"][row] = found.imbalance, found.seconds
            file["timing/parts"][row] = found.parts if found.parts.size else np.nan
            if wanted.keeps_failures:
                file["failure"][row] = found.failure
            if wanted.design is not None:
                for name, values in found.sizes.items():
                    file[name][row] = values
    return path


def _head(
    file: h5py.File, wanted: Specification, runs: list[int], layout: ResultLayout, there: Mapping[int, Path]
) -> None:
    status = "complete" if len(runs) == wanted.runs else "partial"
    file.attrs.update({**layout.attributes, "experiment": resolved_text(wanted.experiment)})
    if wanted.design is not None:
        file.attrs["inputs"] = to_json(inputs_of(there, wanted))
    file.attrs.update({"format": FORMAT, "status": status, "seed": wanted.seed})
    if wanted.origin is not None:
        file.attrs["from"] = str(wanted.origin.path)
    for name, content in layout.tables.items():
        file.require_group(name).attrs.update(content)
    file.create_group("versions").attrs.update(versions())
    axes = {
        "time": (np.array(layout.times), layout.attributes["time_unit"], "time", "simulated time of a row"),
        "run": (np.array(runs, dtype=np.int64), "1", "run", "number of the run in the ensemble"),
        "seed": (np.array([run_seed(wanted.seed, r) for r in runs], dtype=np.int64), "1", "run", "experiment.seed"),
        "imbalance": (np.zeros(len(runs)), "count", "run", "largest imbalance of the ledger"),
        "timing/cpu_seconds": (np.zeros(len(runs)), "s", "run", "CPU time of the run"),
    }
    parts = json.loads(layout.attributes.get("parts", "[]"))
    shares = file.create_dataset("timing/parts", data=np.full((len(runs), len(parts)), np.nan))
    shares.attrs.update({"unit": "s", "dims": ["run", "part"], "part": parts, "meaning": "CPU time of each part"})
    for name, (values, unit, dim, meaning) in axes.items():
        file.create_dataset(name, data=values).attrs.update({"unit": unit, "dims": [dim], "meaning": meaning})


def _parameters(file: h5py.File, wanted: Specification, design: Design, runs: list[int], layout: ResultLayout) -> None:
    """What varies from run to run: the keys of the design, and sizes of sites."""
    values = np.array([design.points[wanted.point_of(r)].values for r in runs])
    about = {"parameter": [r.key for r in design.ranges], "units": [r.unit or "1" for r in design.ranges]}
    data = file.create_dataset("parameters", data=values)
    data.attrs.update({"unit": "", "dims": ["run", "parameter"], "meaning": "values of what varies", **about})
    sites = {v.path.split("/")[0]: v.labels[0] for v in layout.variables if v.dims[:1] == ("site",)}
    for component, names in sites.items():
        for size in (n for n in SIZES if n in layout.tables.get(component, {})):
            made = file.create_dataset(f"{component}/{size}", (len(runs), len(names)), "f8")
            made.attrs.update(
                {"unit": SIZES[size], "dims": ["run", "site"], "site": list(names), "meaning": "of the site"}
            )


def _read(runs: list[int], there: Mapping[int, Path], layout: ResultLayout) -> Iterator[_Found]:
    """Every run in order; a part is read once if its runs are neighbours, as they are."""
    at: Path | None = None
    part: dict[int, _Found] = {}
    for run in runs:
        path = there[run]
        if path.name == ENSEMBLE:
            yield _from_ensemble(path, run, layout)
            continue
        if path != at:
            content, at = read_part(path), path
            numbers = np.asarray(content["runs"]).tolist()
            shares = np.asarray(content.get("parts", np.zeros((len(numbers), 0))))
            columns_ = (np.asarray(content[k]) for k in ("rows", "imbalance", "seconds"))
            reasons, sizes = json.loads(str(content["failures"])), _sizes(str(content["layout"]))
            part = {
                n: _Found(r, float(i), float(s), p, why, sizes)
                for n, r, i, s, p, why in zip(numbers, *columns_, shares, reasons, strict=True)
            }
        yield part[run]


def _sizes(layout: str) -> dict[str, Floats]:
    tables = ResultLayout.from_json(layout).tables
    return {f"{c}/{name}": np.asarray(table[name]) for c, table in tables.items() for name in SIZES if name in table}


def _from_ensemble(path: Path, run: int, layout: ResultLayout) -> _Found:
    """A run out of an older ensemble file, back in the columns of the recorder."""
    places = columns(layout.variables)
    with read_hdf5(path, KIND) as file:
        row = int(np.searchsorted(file["run"][:], run))
        rows = np.empty((len(layout.times), sum(p.stop - p.start for p in places)))
        for v, place in zip(layout.variables, places, strict=True):
            rows[:, place] = file[v.path][row].reshape(len(layout.times), -1)
        parts = np.asarray(file["timing/parts"][row]) if "timing/parts" in file else np.zeros(0)
        failure = file["failure"].asstr()[row] if "failure" in file else ""
        sizes = {f"{c}/{n}": file[c][n][row] for c in layout.tables for n in SIZES if n in file.get(c, {})}
        seconds = float(file["timing/cpu_seconds"][row])
        return _Found(rows, float(file["imbalance"][row]), seconds, parts, failure, sizes)


def layout_of(there: Mapping[int, Path]) -> ResultLayout | None:
    """The layout of the first part that has one; None if there is no part."""
    for path in there.values():
        if path.name != ENSEMBLE:
            return ResultLayout.from_json(str(read_part(path)["layout"]))
    return None
