"""Neurodata Without Borders: voltages in acquisition, chemistry in a processing module, spikes as units."""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from couple.base.errors import InputError, MissingDependencyError
from couple.storage.records.columns import Column, columns_of
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

SI = {"mV": ("volts", 1e-3), "uM": ("mol/m^3", 1e-3), "molecules": ("molecules", 1.0)}
"""Unit → that of NWB, and the factor of the numbers."""


def write_nwb(recording: Recording, path: Path) -> None:
    """A run as NWB 2. Numbers stay as they are; `conversion` says what makes them SI. Times in seconds.

    Raises InputError for an ensemble and for times in steps, MissingDependencyError without pynwb.
    """
    if not isinstance(recording, Results):
        raise InputError("NWB holds one run: export an ensemble to csv or parquet", where="--to")
    if recording.time_unit != "ms":
        raise InputError("NWB holds times in seconds, these are steps of a lattice", where="--to")
    try:
        import pynwb
    except ModuleNotFoundError:
        raise MissingDependencyError("nwb needs pynwb, which is not installed: uv pip install pynwb") from None
    text = str(recording.file.attrs["experiment"])
    there = recording.path.is_file()
    begun = datetime.fromtimestamp(recording.path.stat().st_mtime, UTC) if there else datetime.now(UTC)
    file = pynwb.NWBFile(
        session_description=f"simulation of {recording.name}, {recording.status}",
        identifier=hashlib.sha256(f"{text}{recording.file.attrs['seed']}".encode()).hexdigest(),
        session_start_time=begun,
        source_script=text,
        source_script_file_name=f"{recording.name}.toml",
    )
    chemistry = file.create_processing_module("chemistry", "molecules of sites")
    for column in columns_of(recording):
        series = _series(pynwb, column, recording)
        file.add_acquisition(series) if column.name.startswith("neuron.") else chemistry.add(series)
    _, trains = recording.spikes()
    for name, times in trains.items():
        if not file.units:
            file.add_unit_column("cell", "name of the cell or soma")
        file.add_unit(spike_times=times * 1e-3, cell=name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not end in '.nwb'")  # until it is renamed
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)


def _series(pynwb: Any, column: Column, recording: Recording) -> Any:
    """A time series, with a rate where rows are equally far apart."""
    unit, factor = SI.get(column.unit, (column.unit, 1.0))
    time = recording.time * 1e-3
    steps = np.diff(time)
    even = len(steps) > 0 and np.allclose(steps, steps[0], rtol=1e-9, atol=1e-12)
    when = {"rate": float(1 / steps[0]), "starting_time": float(time[0])} if even else {"timestamps": time}
    name = column.name.replace("/", "_").replace(":", "_")
    return pynwb.TimeSeries(
        name=name, data=column.values, unit=unit, conversion=factor, description=column.meaning, **when
    )
