"""What [[drive]] blocks prescribe: influx, clamped and replayed inputs, window by window."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError, nearest, quoted
from couple.base.toml import nearest_file
from couple.base.units import IONS_PER_MM_UM3
from couple.components.attachments import IonSegments
from couple.components.drive import (
    MOST,
    Drive,
    check_amount,
    clamp_per_window,
    events_per_window,
    influx_per_window,
    replayed,
)
from couple.exchange.ions import VALENCE, ions_per_charge
from couple.experiment import ClampCourse, DriveBlock, Events, Experiment
from couple.experiment.chemistry.chemistry import MOST_MOLECULES
from couple.experiment.clock import Clock
from couple.files.open_hdf5 import read_given
from couple.storage.records.results import KIND
from couple.wiring.cells.protocol_stimuli import synapse_times
from couple.wiring.cells.spike_times import spike_times
from couple.wiring.cells.spines import has_synapse
from couple.wiring.sites.placed_site import PlacedSite, PlacedSites

SHOWN = 4
"""Points of a course that the name of its link shows."""


@dataclass(frozen=True)
class DriveLink:
    """Column `column` of the drive's port `port` ("ions" or "clamp") goes to this species of this site."""

    site: str
    species: str
    port: Literal["ions", "clamp"]
    column: int
    name: str


@dataclass(frozen=True)
class PlannedDrives:
    """All that is prescribed: where each column goes, and tables of every window of the run, or of every tick where
    windows differ.

    ions: (n_windows, n_ions) molecules that enter in each window. clamp: (n_windows, n_clamp) counts that are held.
    """

    links: tuple[DriveLink, ...]
    ions: Floats
    clamp: Floats

    def build(self, ticks: int) -> Drive | None:
        """The component that plays them, None without any. ticks: of a window."""
        return Drive(self.ions, self.clamp, ticks) if self.links else None

    def labels(self) -> dict[str, list[str]]:
        """Names along each port of the component."""
        found: dict[str, list[str]] = {"ions": [], "clamp": []}
        for link in self.links:  # in the order of their columns
            found[link.port].append(link.name)
        return found


def plan_drives(experiment: Experiment, clock: Clock, sites: PlacedSites, shares: Mapping[str, float]) -> PlannedDrives:
    """What the [[drive]] blocks prescribe for the sites of this rank. Raises InputError that names the key.

    shares: of each species, see Species.
    """
    filled = [
        sites.matching(block.target.split(".", 1)[0], f"drive[{i}].to") for i, block in enumerate(experiment.drive)
    ]
    n = sum(map(len, filled))
    # every window of every one, and once more while they are put side by side
    rows = clock.windows * clock.window // clock.played
    what = f"{rows:.3g} windows of {n} prescribed input{'s' if n != 1 else ''}"
    check_memory(24.0 * rows * n, what, "give a longer experiment.exchange or a shorter duration", "drive")
    columns: dict[str, list[Floats]] = {"ions": [], "clamp": []}
    links: list[DriveLink] = []
    for i, block in enumerate(experiment.drive):
        key = f"drive[{i}]"
        _, species = block.target.split(".", 1)
        for site in filled[i]:
            port, table, text = _table(block, key, experiment, clock, site, shares.get(species, 1.0))
            links.append(DriveLink(site.name, species, port, len(columns[port]), f"{text} -> {site.name}.{species}"))
            columns[port].append(table)
    tables = {port: np.array(t).reshape(-1, rows).T.copy() for port, t in columns.items()}
    return PlannedDrives(tuple(links), tables["ions"], tables["clamp"])


def _table(
    block: DriveBlock, key: str, experiment: Experiment, clock: Clock, site: PlacedSite, share: float
) -> tuple[Literal["ions", "clamp"], Floats, str]:
    """Port, (n_windows,) values and what they are in words. share: of the site's volume that the species is in."""
    window, rows = clock.played * clock.tick, clock.windows * clock.window // clock.played
    per_mm = IONS_PER_MM_UM3 * site.geometry.volume * share
    try:
        if block.influx is not None:
            table = influx_per_window(block.influx.times, block.influx.rate, window, rows)
            return "ions", table, f"influx {_short(block.influx.rate)} at {_short(block.influx.times)}"
        if block.events is not None:
            return "ions", *_events(experiment, block.events, site, window, rows)
        if isinstance(block.clamp, ClampCourse):
            held = clamp_per_window(block.clamp.times, block.clamp.values, window, rows)
            text = f"clamp {_short(block.clamp.values)} at {_short(block.clamp.times)}"
            return "clamp", _molecules(held * per_mm, site), text
        if block.clamp is not None:
            return "clamp", _molecules(np.full(rows, block.clamp * per_mm), site), f"clamp {block.clamp * 1e3:g} uM"
    except InputError as error:
        kind = next(k for k in ("influx", "events", "clamp") if getattr(block, k) is not None)
        raise error.at(f"{key}.{kind}") from None
    assert block.replay is not None
    try:
        ions = _replay(experiment.folder, block.replay, site.segments, window, rows)
    except InputError as error:
        raise error.at(f"{key}.replay") from None
    return "ions", ions, f"replay {block.replay}"


def _molecules(held: Floats, site: PlacedSite) -> Floats:
    """What is held in a site, molecules. Raises InputError for more than could be there at the start."""
    if not (held <= MOST_MOLECULES).all():
        raise InputError(f"{held.max():.2g} molecules in {site.name}; up to {MOST_MOLECULES:.0e} can be")
    return held


def _events(experiment: Experiment, given: Events, site: PlacedSite, window: float, rows: int) -> tuple[Floats, str]:
    """(n_windows,) molecules of a train, and what it is in words."""
    if given.times is None:
        times, whose = _of_synapse(experiment, site), "the synapse"
    else:
        times, whose = spike_times(given.times, "times"), _short(given.times)
    text = str(given.weight).split()
    try:
        weights = [float(word) for word in text]
    except ValueError:
        raise InputError(f'{quoted(given.weight)}: numbers are expected, like "1 0.5"', where="weight") from None
    if len(weights) not in (1, len(times)) or not all(0 <= w <= MOST for w in weights):
        raise InputError(
            f"{len(weights)} weights and {len(times)} times; give one for each, of 0 or more, or a single one",
            where="weight",
        )
    molecules = given.molecules * np.broadcast_to(np.array(weights), len(times))
    found = events_per_window(np.array(times) + given.delay, molecules, window, rows)
    check_amount(found, f"{given.molecules:g} molecules an event", "molecules")
    return found, f"{given.molecules:g} at each event of {whose}"


def _of_synapse(experiment: Experiment, site: PlacedSite) -> tuple[float, ...]:
    """Times of the events of the synapse on a site's spine; none where its spine has no synapse. Raises InputError."""
    for i, block in enumerate(experiment.spine):
        name = re.escape(block.name)
        number = next(
            (m[1] for s in site.segments if (m := re.fullmatch(rf"(?:.*\.)?{name}_(\d+)\.head\(.*", s))), None
        )
        if number is None:
            continue
        if block.synapse is None or not has_synapse(experiment, i, int(number)):
            return ()
        if block.synapse.rate is not None:
            raise InputError(
                f"the events of {site.name} are random (spine[{i}].synapse.rate) and only NEURON knows them: give "
                "times, here or there, or a [[protocol]]",
                where="times",
            )
        return synapse_times(experiment, i)
    raise InputError(
        f'{site.name} is no head of a [[spine]] that has a synapse: give times = "10 20 ms"', where="times"
    )


def _short(text: object) -> str:
    """A course of few points as it was given; of more the first and the last, as in "0 1500 .. 0 /ms"."""
    words = str(text).split()
    numbers = [k for k, word in enumerate(words) if word[0] in "+-.0123456789"]
    if len(numbers) <= SHOWN:
        return " ".join(words)
    return " ".join([*words[: numbers[1] + 1], "..", *words[numbers[-1] :]])


def _recorded(path: Path, dataset: str) -> tuple[Floats, Floats, list[str]]:
    """(n_rows, n_segments) of a dataset, (n_rows,) its times, and names of the segments."""
    with read_given(path, KIND) as file:
        if dataset not in file or "time" not in file:
            raise InputError(f"holds no {dataset if 'time' in file else 'time'}")
        data = file[dataset]
        check_memory(data.size * data.dtype.itemsize, dataset, "record less often", str(path))
        return np.asarray(data), np.asarray(file["time"]), [str(s) for s in data.attrs["segment"]]


def _replay(folder: Path, replay: str, segments: Sequence[str], window: float, windows: int) -> Floats:
    """(n_windows,) ions from the charge in "run.h5:neuron.ica", of the site's segments or the only one."""
    name, _, variable = replay.rpartition(":")
    ion = variable.removeprefix("neuron.i")
    if variable == ion or ion not in VALENCE:
        known = ", ".join(f"neuron.i{k}" for k in VALENCE)
        raise InputError(f'"{replay}" must be "RESULTS.h5:neuron.ica", or another current of {known}')
    path, dataset = folder / name, f"neuron/{IonSegments(ion, ()).charge}"
    if not path.exists():
        raise InputError(f'"{path}": no such file; {nearest_file(path)}')
    try:
        values, time, there = _recorded(path, dataset)
    except InputError as error:
        raise InputError(f'"{path}" {error.message}') from None
    missing = [s for s in segments if s not in there]
    if missing:
        raise InputError(f'"{path}" has no charge of {missing[0]}; {nearest(missing[0], there)}')
    if not segments and len(there) != 1:
        raise InputError(
            f'"{path}" has the charge of {len(there)} segments and the site is in none: say which one is meant, '
            f"segment = {quoted(there[0]) if there else '...'}"
        )
    columns = [there.index(s) for s in segments] or [0]
    every = round(float(time[1] - time[0]) / window) if len(time) > 1 else 0
    if every < 1 or abs(every * window - (time[1] - time[0])) > 1e-9 * window:
        raise InputError(
            f"rows of {path} are {time[1] - time[0]:g} ms apart, not a multiple of the exchange interval {window:g} ms"
        )
    # row 0 is the initial state: nothing has crossed yet
    ions = replayed(values[1:, columns].sum(axis=1), every, windows) * ions_per_charge(VALENCE[ion])
    check_amount(ions, quoted(replay))
    return ions
