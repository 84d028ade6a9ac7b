"""Where particles were: runs of a fine model as positions, from lattices, files or arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError
from couple.files.open_hdf5 import FileKind, read_given
from couple.files.write_hdf5 import replacing
from couple.rng.streams import generator
from reducers.data.trajectories import Trajectories
from reducers.fields.density.basis import FieldBasis

FORMAT = "couple particles 1"
"""What the seal of a file of particles says."""

KIND = FileKind(
    (FORMAT,),
    "a file of particles",
    "give one that `ParticleRuns.write` made",
    "make it again",
    missing="no such file of particles",
)


@dataclass(frozen=True, eq=False)
class ParticleRuns:
    """Snapshots of independent runs.

    time: (T,). places: (n, d). run, row, kind: (n,) run, time and species of each particle. runs: how many there are,
    empty ones included. Raises InputError for shapes or indices that do not fit.
    """

    time: Floats
    species: tuple[str, ...]
    places: Floats
    run: Ints
    row: Ints
    kind: Ints
    runs: int

    def __post_init__(self) -> None:
        n = len(self.places)
        bounds = {"run": self.runs, "row": len(self.time), "kind": len(self.species)}
        for name, most in bounds.items():
            values = getattr(self, name)
            if values.shape != (n,) or (n and (values.min() < 0 or values.max() >= most)):
                raise InputError(f"{name} must hold {n} numbers from 0 to {most - 1}")
        if self.places.ndim != 2 or not np.isfinite(self.places).all():
            raise InputError(f"places must be an array (n, d) of finite numbers, not {self.places.shape}")
        if self.runs < 1 or len(self.time) < 1 or (np.diff(self.time) <= 0).any():
            raise InputError(f"needs one run and one time at least, times in order, not {self.runs} and {self.time}")

    @property
    def counts(self) -> Floats:
        """(runs, T, species) particles."""
        out = np.zeros((self.runs, len(self.time), len(self.species)))
        np.add.at(out, (self.run, self.row, self.kind), 1.0)
        return out

    def select(self, runs: Ints) -> ParticleRuns:
        """Some of the runs, each once, in the order given."""
        number = np.full(self.runs, -1, dtype=np.int64)
        number[runs] = np.arange(len(runs))
        kept = number[self.run] >= 0
        chosen = {name: getattr(self, name)[kept] for name in ("places", "row", "kind")}
        return replace(self, run=number[self.run[kept]], runs=len(runs), **chosen)

    def thinned(self, rows: Ints) -> ParticleRuns:
        """Some of the times, in order."""
        number = np.full(len(self.time), -1, dtype=np.int64)
        number[rows] = np.arange(len(rows))
        kept = number[self.row] >= 0
        chosen = {name: getattr(self, name)[kept] for name in ("places", "run", "kind")}
        return replace(self, time=self.time[rows], row=number[self.row[kept]], **chosen)

    def split(self, held_out: int, seed: int) -> tuple[ParticleRuns, ParticleRuns]:
        """Runs to learn from and runs held out, chosen at random. Raises InputError if none would be left."""
        if not 0 < held_out < self.runs:
            raise InputError(f"{held_out} of {self.runs} runs cannot be held out: give 1 to {self.runs - 1}")
        order = generator(seed, "reducers", "particles", "split").permutation(self.runs)
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))

    def along(self, axes: Sequence[int]) -> ParticleRuns:
        """Some of the coordinates only."""
        if not axes or max(axes) >= self.places.shape[1]:
            raise InputError(f"axes {list(axes)} of positions that have {self.places.shape[1]}", where="axes")
        return replace(self, places=self.places[:, list(axes)].copy())

    def digest(self) -> str:
        """SHA-256 of times and particles."""
        content = hashlib.sha256(repr((self.species, self.runs)).encode())
        for values in (self.time, self.places, self.run, self.row, self.kind):
            content.update(np.ascontiguousarray(values).tobytes())
        return content.hexdigest()

    @classmethod
    def of_lattice(
        cls, data: Trajectories, spacing: float = 1.0, origin: Sequence[float] | None = None, where: str = "data"
    ) -> ParticleRuns:
        """The particles of lattice snapshots, each in the middle of its cell.

        spacing: of the lattice. origin: outer corner of its first cell; by default the lattice is centred at 0, as the
        physical lattice is. Raises InputError without snapshots.
        """
        if data.snapshots is None:
            raise InputError("fields are learned from positions: record lattice.snapshots = true", where=where)
        run, row, site = np.nonzero(data.snapshots)
        index = np.stack(np.unravel_index(site, data.shape), axis=1)
        shape = np.asarray(data.shape)
        corner = -spacing * shape / 2 if origin is None else np.asarray(origin, dtype=float)
        if corner.shape != shape.shape:
            raise InputError(f"an origin of {len(shape)} coordinates, not {list(corner)}", where="origin")
        kind = data.snapshots[run, row, site].astype(np.int64) - 1
        return cls(data.time, data.species, corner + spacing * (index + 0.5), run, row, kind, data.runs)

    @classmethod
    def load(cls, path: Path) -> ParticleRuns:
        """Read a file that `write` made: time, places, run, row, kind. Raises InputError that names it."""
        with read_given(path, KIND) as file:
            names = [n.decode() if isinstance(n, bytes) else str(n) for n in file["places"].attrs["species"]]
            columns = [np.asarray(file[name], dtype=np.int64) for name in ("run", "row", "kind")]
            runs = int(file["places"].attrs["runs"])
            time, places = (np.asarray(file[name], dtype=float) for name in ("time", "places"))
            return cls(time, tuple(names), places, columns[0], columns[1], columns[2], runs)

    def write(self, path: Path) -> None:
        """Write the file that `load` reads. Raises RunError if the disk refuses."""
        with replacing(path, FORMAT) as file:
            file["time"], file["places"] = self.time, self.places
            file["run"], file["row"], file["kind"] = self.run, self.row, self.kind
            file["places"].attrs["species"], file["places"].attrs["runs"] = list(self.species), self.runs


@dataclass(frozen=True, eq=False)
class ParticleLoads:
    """Particles as the likelihood of a field sees them: Σ_i φ_j(x_i) of each run, time and species.

    each: (runs × T × species, N) sparse. The log-likelihood of ν for independent (Poisson) particles is
    Σ_runs [-load · ν - ∫e^{-ν}] at each time, for each species.
    """

    each: csr_array
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, particles: ParticleRuns, basis: FieldBasis) -> ParticleLoads:
        """Raises InputError for particles outside of the mesh."""
        shape = (particles.runs, len(particles.time), len(particles.species))
        phi = basis.load(particles.places)
        at = np.ravel_multi_index((particles.run, particles.row, particles.kind), shape)
        gather = csr_array((np.ones(len(at)), (at, np.arange(len(at)))), shape=(int(np.prod(shape)), len(at)))
        return cls(csr_array(gather @ phi), shape)

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.shape[0]

    def total(self, runs: Ints | None = None) -> Floats:
        """(T, species, N) summed over all or some of the runs."""
        chosen = np.ones(self.runs) if runs is None else np.bincount(runs, minlength=self.runs).astype(float)
        inner = self.shape[1] * self.shape[2]
        rows = np.arange(self.each.shape[0])
        fold = csr_array((chosen[rows // inner], (rows % inner, rows)), shape=(inner, len(rows)))
        return np.asarray((fold @ self.each).toarray()).reshape(*self.shape[1:], -1)

    def dots(self, fields: Floats) -> Floats:
        """(runs,) Σ over times and species of load · field, for fields (T, species, N)."""
        inner = self.shape[1] * self.shape[2]
        flat = fields.reshape(inner, -1)
        coo = self.each.tocoo()
        out = np.zeros(self.runs)
        np.add.at(out, coo.row // inner, coo.data * flat[coo.row % inner, coo.col])
        return out


def log_likelihoods(loads: ParticleLoads, nu: Floats, basis: FieldBasis) -> Floats:
    """(runs,) log-likelihood of each run under independent particles of the intensity e^{-ν}; ν (T, species, N)."""
    expected = sum(float(basis.weights(row).sum()) for time in nu for row in time)
    return np.asarray(-loads.dots(nu) - expected)
