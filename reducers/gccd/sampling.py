"""Runs of the fine model under many stimuli, and what is kept of them: how many molecules are in each state.

All stimuli of a protocol are sites of one experiment, so that an ensemble of it uses all cores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.ensemble import sample
from couple.errors import InputError
from couple.experiment import Experiment
from couple.network import ReactionNetwork
from couple.toml import read_toml
from couple.units import IONS_PER_MM_UM3
from reducers.gccd.molecule import Floats, census, members
from reducers.gccd.settings import Protocol
from reducers.gccd.stimuli import Stimulus, courses

UM = IONS_PER_MM_UM3 * 1e-3
"""Molecules per uM and um^3."""


@dataclass(frozen=True)
class Data:
    """Courses of one protocol.

    stimuli: S of them. time: (T,) ms of rows, the first at 0. windows: ms of one value of calcium.
    counts: (S, T, 46) molecules by state, then free subunits, summed over runs. spread: (S, T, 46) variance of one run.
    runs. volume: um^3 of one run.
    """

    name: str
    stimuli: tuple[Stimulus, ...]
    time: Floats
    window: float
    counts: Floats
    spread: Floats
    runs: int
    volume: float

    @property
    def concentrations(self) -> Floats:
        """(S, T, 46) uM."""
        return np.asarray(self.counts / (self.runs * self.volume * UM))

    def digest(self) -> str:
        """SHA-256."""
        content = hashlib.sha256(self.name.encode())
        for values in (self.time, self.counts, *(s.calcium for s in self.stimuli)):
            content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()


def load_network(path: Path) -> ReactionNetwork:
    """The chemistry of the experiment that a training names. Raises InputError."""
    content = _with_site(read_toml(path), path)
    return Experiment.parse(content, path=path).network()


def gather(protocol: Protocol, path: Path, folder: Path, seed: int, tell: Callable[[str], None], **site: Any) -> Data:
    """Sample a protocol of the experiment at `path`, or go on with what is in `folder`; site: changes of its site.

    Raises InputError for what does not fit in the experiment.
    """
    stimuli = _stimuli(protocol, seed)
    base = _with_site(read_toml(path), path)
    content = experiment_of(base, protocol, stimuli, site)
    experiment = Experiment.parse(content, path=path, overrides=protocol.set)
    tell(f"{protocol.name}: {protocol.runs} runs of {len(stimuli)} stimuli, {protocol.duration:g} ms each")
    with sample(experiment, protocol.runs, seed, folder) as ensemble:
        engine = ensemble.sites()[stimulus_site(0)][0]
        counts, spread = _counted(ensemble.file[engine], len(stimuli))
        volume = float(np.asarray(ensemble.file[engine].attrs["volume_um3"]).ravel()[0])
        return Data(protocol.name, stimuli, ensemble.time, protocol.exchange, counts, spread, protocol.runs, volume)


def stimulus_site(i: int) -> str:
    """Name of the site of stimulus i."""
    return f"s{i:03d}"


def experiment_of(
    base: dict[str, Any], protocol: Protocol, stimuli: tuple[Stimulus, ...], site: dict[str, Any]
) -> dict[str, Any]:
    """Content of the experiment with one site per stimulus, in which calcium is held at its course."""
    run = {**base["experiment"], "duration": f"{protocol.duration!r} ms", "exchange": f"{protocol.exchange!r} ms"}
    chosen = {**base["site"][0], **site}
    sites = [{**chosen, "name": stimulus_site(i)} for i in range(len(stimuli))]
    middles = " ".join(f"{t:.10g}" for t in window_middles(protocol)) + " ms"
    drives = []
    for i, stimulus in enumerate(stimuli):
        values = " ".join(f"{c:.7g}" for c in stimulus.calcium) + " uM"
        drives.append({"to": f"{stimulus_site(i)}.Ca", "clamp": {"times": middles, "values": values}})
    record = {"every": f"{protocol.every!r} ms", "variables": ["counts"], "species": "all"}
    return {**base, "experiment": run, "site": sites, "drive": drives, "record": record}


def window_middles(protocol: Protocol) -> Floats:
    """(n_windows,) ms."""
    windows = round(protocol.duration / protocol.exchange)
    return np.asarray((np.arange(windows) + 0.5) * protocol.exchange)


def _stimuli(protocol: Protocol, seed: int) -> tuple[Stimulus, ...]:
    """Courses with the digits that the experiment is given."""
    time = window_middles(protocol)
    made = [s for block in protocol.stimuli for s in courses(block, time, seed, protocol.name)]
    return tuple(Stimulus(s.name, s.kind, s.test, np.array([float(f"{c:.7g}") for c in s.calcium])) for s in made)


def _with_site(content: dict[str, Any], path: Path) -> dict[str, Any]:
    if not isinstance(content.get("experiment"), dict) or len(content.get("site", ())) != 1:
        raise InputError("needs [experiment], [chemistry] and one [[site]]", where=str(path))
    return content


def _counted(group: h5py.Group, n_stimuli: int) -> tuple[Floats, Floats]:
    """(S, T, 46) sums over runs, and variances over runs, of molecules by state."""
    data = group["counts"]
    names = [str(s) for s in data.attrs["species"]]
    columns = [k for k, name in enumerate(names) if _known(name)]
    weights = census([names[k] for k in columns]).T
    sites = [str(s) for s in data.attrs["site"]]
    total, square = [], []
    for i in range(n_stimuli):
        found = np.asarray(data[:, :, sites.index(stimulus_site(i)), :], dtype=float)[:, :, columns] @ weights
        total.append(found.sum(axis=0))
        square.append(found.var(axis=0, ddof=1))
    return np.stack(total), np.stack(square)


def _known(name: str) -> bool:
    try:
        members(name)
    except InputError:
        return False
    return True


def write_data(data: Data, path: Path) -> None:
    """Keep what is learned from."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"name": data.name, "window": data.window, "runs": data.runs, "volume": data.volume})
        file["time"], file["counts"], file["spread"] = data.time, data.counts, data.spread
        file["calcium"] = np.stack([s.calcium for s in data.stimuli])
        for key in ("name", "kind", "test"):
            file.attrs[f"stimulus_{key}"] = [getattr(s, key) for s in data.stimuli]


def read_data(path: Path) -> Data:
    """What `write_data` wrote. Raises InputError if it is missing or damaged."""
    try:
        with h5py.File(path) as file:
            calcium = np.asarray(file["calcium"])
            heads = zip(*(file.attrs[f"stimulus_{key}"] for key in ("name", "kind", "test")), strict=True)
            stimuli = tuple(
                Stimulus(str(name), str(kind), bool(test), calcium[i]) for i, (name, kind, test) in enumerate(heads)
            )
            arrays = (np.asarray(file[key]) for key in ("counts", "spread"))
            counts, spread = arrays
            return Data(
                str(file.attrs["name"]),
                stimuli,
                np.asarray(file["time"]),
                float(file.attrs["window"]),
                counts,
                spread,
                int(file.attrs["runs"]),
                float(file.attrs["volume"]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"is not the data of a training, or damaged: {error}", where=str(path)) from None
