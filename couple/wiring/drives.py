"""From [[drive]] blocks to the Drive component: prescribed, clamped and replayed inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.base.units import IONS_PER_MM_UM3
from couple.components.drive import Drive, clamp_per_window, influx_per_window, replayed
from couple.components.electrics import IonSegments
from couple.exchange.ions import VALENCE, ions_per_charge
from couple.experiment import ClampCourse, DriveBlock, Experiment
from couple.experiment.clock import Clock
from couple.wiring.sites import Place, matching


@dataclass(frozen=True)
class DriveLink:
    """Column `column` of the drive's port `port` ("ions" or "clamp") goes to this species of this site."""

    site: str
    species: str
    port: str
    column: int
    name: str


def build_drive(experiment: Experiment, clock: Clock, places: Sequence[Place]) -> tuple[Drive | None, list[DriveLink]]:
    """The component that plays all drives (None without any) and where its columns go.

    Raises InputError that names the key.
    """
    columns: dict[str, list[Floats]] = {"ions": [], "clamp": []}
    links: list[DriveLink] = []
    for i, block in enumerate(experiment.drive):
        key = f"drive[{i}]"
        pattern, species = block.target.split(".", 1)
        for place in matching(pattern, places, f"{key}.to"):
            port, table, text = _table(block, key, experiment, clock, place)
            links.append(DriveLink(place.name, species, port, len(columns[port]), f"{text} -> {place.name}.{species}"))
            columns[port].append(table)
    if not links:
        return None, []
    tables = {port: np.array(t).reshape(-1, clock.windows).T.copy() for port, t in columns.items()}
    return Drive(tables["ions"], tables["clamp"], clock.window), links


def drive_labels(links: Sequence[DriveLink]) -> dict[str, list[str]]:
    """Names along each port of the drive."""
    found: dict[str, list[str]] = {"ions": [], "clamp": []}
    for link in links:  # in the order of their columns
        found[link.port].append(link.name)
    return found


def _table(block: DriveBlock, key: str, experiment: Experiment, clock: Clock, place: Place) -> tuple[str, Floats, str]:
    window = clock.window * clock.tick
    try:
        if block.influx is not None:
            table = influx_per_window(block.influx.times, block.influx.rate, window, clock.windows)
            return "ions", table, f"influx {block.influx.rate} at {block.influx.times}"
        if isinstance(block.clamp, ClampCourse):
            held = clamp_per_window(block.clamp.times, block.clamp.values, window, clock.windows)
            return (
                "clamp",
                held * place.geometry.volume * IONS_PER_MM_UM3,
                f"clamp {block.clamp.values} at {block.clamp.times}",
            )
        if block.clamp is not None:
            count = block.clamp * place.geometry.volume * IONS_PER_MM_UM3
            return "clamp", np.full(clock.windows, count), f"clamp {block.clamp * 1e3:g} uM"
    except InputError as error:
        raise error.at(f"{key}.{'influx' if block.influx is not None else 'clamp'}") from None
    assert block.replay is not None
    try:
        ions = _replay(experiment.folder, block.replay, place.segments, window, clock.windows)
    except InputError as error:
        raise error.at(f"{key}.replay") from None
    return "ions", ions, f"replay {block.replay}"


def _replay(folder: Path, replay: str, segments: Sequence[str], window: float, windows: int) -> Floats:
    """(n_windows,) ions from the charge in "run.h5:neuron.ica", of the site's segments or the only one."""
    name, _, variable = replay.rpartition(":")
    ion = variable.removeprefix("neuron.i")
    if variable == ion or ion not in VALENCE:
        known = ", ".join(f"neuron.i{k}" for k in VALENCE)
        raise InputError(f'"{replay}" must be "RESULTS.h5:neuron.ica", or another current of {known}')
    path, dataset = folder / name, f"neuron/{IonSegments(ion, ()).charge}"
    try:
        with h5py.File(path, "r") as file:
            charge, time = file[dataset], file["time"][()]
            there = [str(s) for s in charge.attrs["segment"]]
            values = charge[()]
    except (OSError, KeyError):
        raise InputError(f'"{path}" is not a result file with {dataset}') from None
    missing = [s for s in segments if s not in there]
    if missing or (not segments and len(there) != 1):
        wanted = missing[0] if missing else "one segment"
        raise InputError(f'"{path}" has no charge of {wanted}; {nearest(wanted, there)}')
    columns = [there.index(s) for s in segments] or [0]
    every = round(float(time[1] - time[0]) / window) if len(time) > 1 else 0
    if every < 1 or abs(every * window - (time[1] - time[0])) > 1e-9 * window:
        raise InputError(
            f"rows of {path} are {time[1] - time[0]:g} ms apart, not a multiple of the exchange interval {window:g} ms"
        )
    # row 0 is the initial state: nothing has crossed yet
    return replayed(values[1:, columns].sum(axis=1), every, windows) * ions_per_charge(VALENCE[ion])
