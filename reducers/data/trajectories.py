"""Trajectories to learn from: many runs of a fine model, from an ensemble file or from arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, nearest
from couple.ensemble.ensemble import FORMAT as ENSEMBLE_FORMAT
from couple.experiment.understood.resolved import read_resolved
from couple.files.open_hdf5 import FileKind, read_given
from couple.files.write_hdf5 import replacing
from couple.rng.streams import generator

FORMAT = "couple trajectories 1"
"""What the seal of a file of runs says."""

KIND = FileKind(
    (FORMAT, ENSEMBLE_FORMAT),
    "an ensemble file",
    "give the ensemble.h5 of couple sample",
    "make it again",
    missing="no such ensemble file",
)

Snapshots = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Trajectories:
    """Runs sampled at common times.

    time: (T,). species: names. counts: (R, T, S). moments: name → (R, T), whatever else was recorded.
    snapshots: (R, T, n_sites) 0 for an empty site, else species index + 1, of a lattice of `shape`; or None.
    seeds: (R,). conditions: (R,) which initial condition a run belongs to.
    Raises InputError for arrays that do not fit together, hold a NaN, or hold no run.
    """

    time: Floats
    species: tuple[str, ...]
    counts: Floats
    moments: Mapping[str, Floats] = field(default_factory=dict)
    snapshots: Snapshots | None = None
    shape: tuple[int, ...] = ()
    seeds: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    conditions: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        runs, times = self.counts.shape[:2]
        if runs == 0 or times < 2:
            raise InputError(f"holds {runs} runs of {times} times; learning needs one run and two times at least")
        if self.counts.shape != (runs, len(self.time), len(self.species)):
            raise InputError(
                f"counts {self.counts.shape} do not fit {len(self.time)} times and {len(self.species)} species"
            )
        for name in ("seeds", "conditions"):
            given = getattr(self, name)
            object.__setattr__(self, name, given if len(given) else np.zeros(runs, dtype=np.int64))
        for name, values in {"counts": self.counts.sum(axis=2), **self.moments}.items():
            if values.shape != (runs, times) or not np.isfinite(values).all():
                raise InputError(f"{name} has a value that is not a number, or another shape than {(runs, times)}")
        if self.snapshots is not None:
            self._check_snapshots(self.snapshots, (runs, times, int(np.prod(self.shape))))

    def _check_snapshots(self, snapshots: Snapshots, shape: tuple[int, ...]) -> None:
        if snapshots.shape != shape:
            raise InputError(f"snapshots {snapshots.shape} do not fit a lattice of {self.shape}: expected {shape}")
        if snapshots.size and int(snapshots.max()) > len(self.species):
            raise InputError(f"snapshots hold a state {snapshots.max()}; there are {len(self.species)} species")

    @property
    def runs(self) -> int:
        """Number of runs R."""
        return len(self.counts)

    @property
    def dt(self) -> float:
        """Distance of the times. Raises InputError if they are not evenly spaced."""
        steps = np.diff(self.time)
        if not np.allclose(steps, steps[0], rtol=1e-9) or steps[0] <= 0:
            raise InputError("the times of the runs are not evenly spaced")
        return float((self.time[-1] - self.time[0]) / len(steps))

    def count(self, species: str) -> Floats:
        """(R, T) molecules of a species."""
        if species not in self.species:
            raise InputError(f'no species "{species}"; {nearest(species, self.species)}')
        return np.asarray(self.counts[:, :, self.species.index(species)])

    def select(self, runs: Ints) -> Trajectories:
        """Some of the runs."""
        return replace(
            self,
            counts=self.counts[runs],
            moments={name: values[runs] for name, values in self.moments.items()},
            snapshots=None if self.snapshots is None else self.snapshots[runs],
            seeds=self.seeds[runs],
            conditions=self.conditions[runs],
        )

    def first(self, runs: int) -> Trajectories:
        """The first runs, as many as are wanted."""
        return self if runs >= self.runs else self.select(np.arange(runs))

    def thinned(self, rows: Ints) -> Trajectories:
        """Some of the times."""
        return replace(
            self,
            time=self.time[rows],
            counts=self.counts[:, rows],
            moments={name: values[:, rows] for name, values in self.moments.items()},
            snapshots=None if self.snapshots is None else self.snapshots[:, rows],
        )

    def split(self, held_out: int, seed: int) -> tuple[Trajectories, Trajectories]:
        """Runs to learn from and runs held out, chosen at random. Raises InputError if none would be left."""
        if not 0 < held_out < self.runs:
            raise InputError(f"{held_out} of {self.runs} runs cannot be held out: give 1 to {self.runs - 1}")
        order = generator(seed, "reducers", "trajectories", "split").permutation(self.runs)
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))

    def digest(self) -> str:
        """SHA-256 of times, counts, snapshots and conditions."""
        content = hashlib.sha256(repr((self.species, self.shape)).encode())
        for values in (self.time, self.counts, self.snapshots, self.conditions):
            if values is not None:
                content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()

    @classmethod
    def of_snapshots(
        cls,
        time: Floats,
        species: Sequence[str],
        snapshots: Snapshots,
        shape: Sequence[int],
        conditions: Ints | None = None,
    ) -> Trajectories:
        """Runs given as configurations (R, T, n_sites) or (R, T, *shape); counts follow."""
        flat = snapshots.reshape(*snapshots.shape[:2], -1)
        counts = np.stack([(flat == s).sum(axis=2) for s in range(1, len(species) + 1)], axis=2).astype(float)
        none = np.zeros(0, dtype=np.int64)
        return cls(
            np.asarray(time, dtype=float),
            tuple(species),
            counts,
            snapshots=flat,
            shape=tuple(shape),
            conditions=none if conditions is None else conditions,
        )

    @classmethod
    def load(cls, path: Path, site: str | None = None) -> Trajectories:
        """Read an ensemble file (HDF5): of `couple sample`, or counts[run, time, species], time, optional snapshots,
        moments and seed. site: whose runs, if the experiment has several.

        Raises InputError that names the file for anything that is missing or damaged.
        """
        with read_given(path, KIND) as file:
            return _read_engine(cls, file, site) if "counts" not in file else _read(cls, file)

    @classmethod
    def join(cls, ensembles: Sequence[Trajectories]) -> Trajectories:
        """Several ensembles as one, each an initial condition of its own. Raises InputError if they differ."""
        first = ensembles[0]
        for other in ensembles[1:]:
            if (
                other.species != first.species
                or other.shape != first.shape
                or not np.array_equal(other.time, first.time)
            ):
                raise InputError(
                    "ensembles of several initial conditions must have the same times, species and lattice"
                )
        numbers = np.concatenate([np.full(e.runs, k, dtype=np.int64) for k, e in enumerate(ensembles)])
        snapshots = [e.snapshots for e in ensembles if e.snapshots is not None]
        return replace(
            first,
            counts=np.concatenate([e.counts for e in ensembles]),
            moments={k: np.concatenate([e.moments[k] for e in ensembles]) for k in first.moments},
            snapshots=np.concatenate(snapshots) if len(snapshots) == len(ensembles) else None,
            seeds=np.concatenate([e.seeds for e in ensembles]),
            conditions=numbers,
        )

    def write(self, path: Path) -> None:
        """Write the ensemble file that `load` reads. Raises RunError if the disk refuses."""
        with replacing(path, FORMAT) as file:
            file["time"], file["counts"] = self.time, self.counts
            file["counts"].attrs["species"] = list(self.species)
            file["seed"], file["condition"] = self.seeds, self.conditions
            for name, values in self.moments.items():
                file[f"moments/{name}"] = values
            if self.snapshots is not None:
                file.create_dataset("snapshots", data=self.snapshots, compression="lzf")
                file["snapshots"].attrs["shape"] = self.shape


def _read(cls: type[Trajectories], file: h5py.File) -> Trajectories:
    counts = np.asarray(file["counts"], dtype=float)
    names = file["counts"].attrs["species"] if "species" in file["counts"].attrs else file["species"][()]
    species = tuple(n.decode() if isinstance(n, bytes) else str(n) for n in names)
    snapshots: Snapshots | None = None
    shape: tuple[int, ...] = ()
    if "snapshots" in file:
        data = file["snapshots"]
        shape = tuple(int(n) for n in data.attrs.get("shape", data.shape[2:]))
        snapshots = np.asarray(data, dtype=np.uint8).reshape(*data.shape[:2], -1)
    none = np.zeros(0, dtype=np.int64)
    return cls(
        np.asarray(file["time"], dtype=float),
        species,
        counts,
        {name: np.asarray(values, dtype=float) for name, values in file.get("moments", {}).items()},
        snapshots,
        shape,
        np.asarray(file["seed"]) if "seed" in file else none,
        np.asarray(file["condition"]) if "condition" in file else none,
    )


def _read_engine(cls: type[Trajectories], file: h5py.File, site: str | None) -> Trajectories:
    """One site of an ensemble that `couple sample` made: ENGINE/counts[run, time, site, species], ENGINE/snapshot."""
    engines = [g for g in file.values() if isinstance(g, h5py.Group) and "counts" in g]
    sites = [(g, str(name)) for g in engines for name in g["counts"].attrs["site"]]
    names = [name for _, name in sites]
    if (site is None and len(sites) != 1) or (site is not None and site not in names):
        raise InputError(f"holds the sites {', '.join(names) or 'none'}; name one of them", where="site")
    group, chosen = sites[0 if site is None else names.index(site)]
    counts = group["counts"]
    at = [str(n) for n in counts.attrs["site"]].index(chosen)
    experiment = read_resolved(str(file.attrs["experiment"]))
    known = list(experiment["chemistry"]["species"])
    columns = [k for k, name in enumerate(counts.attrs["species"]) if str(name) in known]
    species = tuple(str(counts.attrs["species"][k]) for k in columns)
    block = next(b for b in experiment["site"] if b["name"] == chosen)
    snapshots: Snapshots | None = None
    shape: tuple[int, ...] = ()
    if "snapshot" in group:
        shape = tuple(int(n) for n in block["lattice"]["shape"])
        snapshots = np.asarray(group["snapshot"][:, :, at, : int(np.prod(shape))], dtype=np.uint8)
        if list(species) != known:
            raise InputError(f"snapshots need the counts of all species recorded: {', '.join(known)}")
    values = np.asarray(counts[:, :, at, :], dtype=float)[:, :, columns]
    time = np.asarray(file["time"], dtype=float)
    return cls(time, species, values, {}, snapshots, shape, np.asarray(file["seed"]))
