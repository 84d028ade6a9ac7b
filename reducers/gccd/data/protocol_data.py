"""Runs of the fine model under many stimuli, and what is kept of them: how many molecules are in each state.

All stimuli of a protocol are sites of one experiment, so that an ensemble of it uses all cores. Where ions come in,
calcium follows from the chemistry and reacts to the molecules; what is kept of it is its mean over each window and over
runs, and the law is driven by that. Such a mean field leaves out that in a run calcium is higher where fewer molecules
have taken it up, and that it fluctuates, by single ions and with the buffers: of the product of calcium and of empty
lobes the law sees the product of means. `mean_field.py` measures what this costs: in a head of 0.1 um^3 with 30 uM
calmodulin less than the scatter of 16 runs (0.7 % of bound, 2.5 % of phosphorylated, NRMSE on held-out stimuli).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.toml import read_toml
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.network import ReactionNetwork
from couple.ensemble import sample
from couple.experiment import Experiment
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.data.stimuli import CalciumStimulus, make_stimuli
from reducers.gccd.data.settings import StimulusSet
from reducers.gccd.law.molecule import census, members, observables
from reducers.training.folder import PROTOCOL_FORMAT

KIND = FileKind(
    (PROTOCOL_FORMAT,), "the data of a training", "give what `write_data` wrote", "remove it, and it is made again"
)

UM = IONS_PER_MM_UM3 * 1e-3
"""Molecules per uM and um^3."""

SEEN = "Ca_seen"
"""Observable whose means over windows are the calcium that followed from an influx."""


@dataclass(frozen=True)
class ProtocolData:
    """Courses of one protocol.

    stimuli: S of them. time: (T,) ms of rows, the first at 0. windows: ms of one value of calcium.
    counts: (S, T, 46) molecules by state, then free subunits, summed over runs. spread: (S, T, 46) variance of one run.
    runs. volume: um^3 of one run. shares: (runs, S, T, 4) `molecule.observables` of each run, if they are kept.
    """

    name: str
    stimuli: tuple[CalciumStimulus, ...]
    time: Floats
    window: float
    counts: Floats
    spread: Floats
    runs: int
    volume: float
    shares: Floats | None = None

    @property
    def concentrations(self) -> Floats:
        """(S, T, 46) uM."""
        return np.asarray(self.counts / (self.runs * self.volume * UM))

    def digest(self) -> str:
        """SHA-256 of name, times, molecules and calcium."""
        content = hashlib.sha256(self.name.encode())
        for values in (self.time, self.counts, *(s.calcium for s in self.stimuli)):
            content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()


def load_network(path: Path) -> ReactionNetwork:
    """The chemistry of the experiment that a training names. Raises InputError."""
    content = _with_site(read_toml(path), path)
    return Experiment.parse(content, path=path).network()


def sample_protocol(
    protocol: StimulusSet,
    stimuli: tuple[CalciumStimulus, ...],
    path: Path,
    folder: Path,
    seed: int,
    runs: int,
    site: Mapping[str, Any] | None = None,
    *,
    shares: bool = False,
) -> ProtocolData:
    """Sample stimuli in the experiment at `path`, or go on with what is in `folder`.

    site: changes of its site. shares: whether those of each run are kept. Raises InputError for what does not fit in
    the experiment.
    """
    experiment = build_experiment(protocol, stimuli, path, site or {})
    with sample(experiment, runs, seed, folder) as ensemble:
        group = ensemble.file[ensemble.sites()[stimulus_site(0)][0]]
        every = 1 if stimuli[0].influx is None else round(protocol.every / protocol.exchange)
        counts, spread, each = _counted(group, len(stimuli), every)
        volume = float(np.asarray(group.attrs["volume_um3"]).ravel()[0])
        seen = stimuli if stimuli[0].influx is None else _seen(group, stimuli, volume)
        time = ensemble.time[::every]
        kept = each if shares else None
        return ProtocolData(protocol.name, seen, time, protocol.exchange, counts, spread, runs, volume, kept)


def build_experiment(
    protocol: StimulusSet, stimuli: tuple[CalciumStimulus, ...], path: Path, site: Mapping[str, Any]
) -> Experiment:
    """The experiment at `path` under these stimuli. Raises InputError for what does not fit in it."""
    content = experiment_of(_with_site(read_toml(path), path), protocol, stimuli, site)
    return Experiment.parse(content, path=path, overrides=protocol.set)


def stimulus_site(i: int) -> str:
    """Name of the site of stimulus i."""
    return f"s{i:03d}"


def experiment_of(
    base: dict[str, Any], protocol: StimulusSet, stimuli: tuple[CalciumStimulus, ...], site: Mapping[str, Any]
) -> dict[str, Any]:
    """Content of the experiment with one site per stimulus, in which calcium is held at its course or ions come in."""
    run = {**base["experiment"], "duration": f"{protocol.duration!r} ms", "exchange": f"{protocol.exchange!r} ms"}
    chosen = {**base["site"][0], **site}
    sites = [{**chosen, "name": stimulus_site(i)} for i in range(len(stimuli))]
    middles = " ".join(f"{t:.10g}" for t in window_middles(protocol)) + " ms"
    drives = [_drive(stimulus_site(i), middles, stimulus) for i, stimulus in enumerate(stimuli)]
    record = {"every": f"{protocol.every!r} ms", "variables": ["counts"], "species": "all"}
    made = {**base, "experiment": run, "site": sites, "drive": drives, "record": record}
    if stimuli[0].influx is None:
        return made
    chemistry = base["chemistry"]
    watched = {**chemistry, "observables": {**chemistry.get("observables", {}), SEEN: ["Ca"]}}
    means = {**record, "every": run["exchange"], "variables": ["counts", "means"]}
    return {**made, "chemistry": watched, "record": means}


def _drive(site: str, middles: str, stimulus: CalciumStimulus) -> dict[str, Any]:
    """A table [[drive]]."""
    if stimulus.influx is not None:
        rates = " ".join(f"{r:.7g}" for r in stimulus.influx) + " /ms"
        return {"to": f"{site}.Ca", "influx": {"times": middles, "rate": rates}}
    values = " ".join(f"{c:.7g}" for c in stimulus.calcium) + " uM"
    return {"to": f"{site}.Ca", "clamp": {"times": middles, "values": values}}


def window_middles(protocol: StimulusSet) -> Floats:
    """(n_windows,) ms."""
    windows = round(protocol.duration / protocol.exchange)
    return np.asarray((np.arange(windows) + 0.5) * protocol.exchange)


def stimuli_of(protocol: StimulusSet, seed: int) -> tuple[CalciumStimulus, ...]:
    """Courses with the digits that the experiment is given."""
    time = window_middles(protocol)
    made = [s for block in protocol.stimuli for s in make_stimuli(block, time, seed, protocol.name)]
    return tuple(replace(s, calcium=np.array([float(f"{c:.7g}") for c in s.calcium])) for s in made)


def volume_of(path: Path, protocol: StimulusSet, site: Mapping[str, Any]) -> float:
    """um^3 of the experiment's site with these changes."""
    base = _with_site(read_toml(path), path)
    block = Experiment.parse({**base, "site": [{**base["site"][0], **site}]}, path=path).site[0]
    if block.geometry is None:
        raise InputError("needs a geometry", where=f"{path}: site")
    return block.geometry.build().volume


def _with_site(content: dict[str, Any], path: Path) -> dict[str, Any]:
    if not isinstance(content.get("experiment"), dict) or len(content.get("site", ())) != 1:
        raise InputError("needs [experiment], [chemistry] and one [[site]]", where=str(path))
    return content


def _counted(group: h5py.Group, n_stimuli: int, every: int) -> tuple[Floats, Floats, Floats]:
    """(S, T, 46) sum and variance over runs of every `every`-th row, and (runs, S, T, 4) shares."""
    data = group["counts"]
    names = [str(s) for s in data.attrs["species"]]
    columns = [k for k, name in enumerate(names) if _known(name)]
    weights = census([names[k] for k in columns]).T
    sites = [str(s) for s in data.attrs["site"]]
    total, square, shares = [], [], []
    for i in range(n_stimuli):
        rows = data[:, ::every, sites.index(stimulus_site(i)), :]
        found = np.asarray(rows, dtype=float)[:, :, columns] @ weights
        total.append(found.sum(axis=0))
        square.append(found.var(axis=0, ddof=1))
        molecules = found[:, :, :45]
        shares.append(np.stack([*observables(molecules / molecules.sum(axis=2, keepdims=True)).values()], axis=2))
    return np.stack(total), np.stack(square), np.stack(shares, axis=1)


def _seen(group: h5py.Group, stimuli: tuple[CalciumStimulus, ...], volume: float) -> tuple[CalciumStimulus, ...]:
    """The same with the mean calcium of each window."""
    data = group["means"]
    sites, column = [str(s) for s in data.attrs["site"]], [str(o) for o in data.attrs["observable"]].index(SEEN)
    out = []
    for i, stimulus in enumerate(stimuli):
        windows = np.asarray(data[:, 1:, sites.index(stimulus_site(i)), column], dtype=float)
        out.append(replace(stimulus, calcium=windows.mean(axis=0) / (volume * UM)))
    return tuple(out)


def _known(name: str) -> bool:
    try:
        members(name)
    except InputError:
        return False
    return True


def write_data(data: ProtocolData, path: Path) -> None:
    """Write a protocol's data as HDF5, for `read_data`. Raises RunError if the disk refuses."""
    with replacing(path, PROTOCOL_FORMAT) as file:
        file.attrs.update({"name": data.name, "window": data.window, "runs": data.runs, "volume": data.volume})
        file["time"], file["counts"], file["spread"] = data.time, data.counts, data.spread
        file["calcium"] = np.stack([s.calcium for s in data.stimuli])
        found = [s.influx for s in data.stimuli if s.influx is not None]
        if found:
            file["influx"] = np.stack(found)
        if data.shares is not None:
            file["shares"] = data.shares
        for key in ("name", "kind", "test"):
            file.attrs[f"stimulus_{key}"] = [getattr(s, key) for s in data.stimuli]


def read_data(path: Path) -> ProtocolData:
    """What `write_data` wrote. Raises InputError if it is missing or damaged."""
    with read_hdf5(path, KIND) as file:
        calcium = np.asarray(file["calcium"])
        influx = list(np.asarray(file["influx"])) if "influx" in file else [None] * len(calcium)
        heads = zip(*(file.attrs[f"stimulus_{key}"] for key in ("name", "kind", "test")), strict=True)
        stimuli = tuple(
            CalciumStimulus(str(name), str(kind), bool(test), calcium[i], influx[i])
            for i, (name, kind, test) in enumerate(heads)
        )
        return ProtocolData(
            str(file.attrs["name"]),
            stimuli,
            np.asarray(file["time"]),
            float(file.attrs["window"]),
            np.asarray(file["counts"]),
            np.asarray(file["spread"]),
            int(file.attrs["runs"]),
            float(file.attrs["volume"]),
            np.asarray(file["shares"]) if "shares" in file else None,
        )
