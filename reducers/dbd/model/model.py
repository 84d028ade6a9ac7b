"""A reduced model on disk: what it is, its law, where it may be used, what it was learned from and how well."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.dbd.energy.sufficient_statistics import EnergyModel
from reducers.dbd.fit.adjoint import Solver
from reducers.dbd.laws.law import Law, law_state, restore_law
from reducers.dbd.model.build import build_model, build_solver
from reducers.dbd.model.build_law import build_law
from reducers.dbd.model.settings import TrainingFile
from reducers.training.verdict import Verdict

FORMAT = "couple reduced model 1"
KIND = FileKind((FORMAT,), "a reduced model", "give the model.h5 of a training", "train it again, or use a copy")
ERRORS = ("held_out", "checked", "peers")


@dataclass
class ReducedModel:
    """p(state; θ(t)) with dθ/dt = F(θ).

    content: the training file as nested tables, from which model and law are built again.
    theta0: (n_conditions, n). dt: of the recorded times, in the time unit of the data.
    box: (2, n) smallest and largest θ along the training paths: the model was never checked outside.
    data_hash: SHA-256 of the runs. held_out: name → NRMSE of moments on runs that were not learned from.
    rates: reaction → learned rate and its standard error, for laws made of reactions.
    likelihoods: (n, 4) time, mean ln p of held-out configurations, its error, and that of independent sites.
    mixing: (n, 5) at recorded times, see `reducers.dbd.report.mixing.Mixing`.
    checked: how chains were sampled → mean NRMSE (`checked_errors`). peers: the same of closures.
    history: (steps,) gap between model and data moments during training.
    """

    content: dict[str, Any]
    species: tuple[str, ...]
    shape: tuple[int, ...]
    theta0: Floats
    dt: float
    points: int
    box: Floats
    data_hash: str
    law: Law
    model: EnergyModel
    held_out: dict[str, float] = field(default_factory=dict)
    history: Floats = field(default_factory=lambda: np.zeros(0))
    reference: dict[str, Floats] = field(default_factory=dict)
    """"NAME mean|deviation|error" → (T,) moments of the data, for reports."""
    rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    likelihoods: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    mixing: Floats = field(default_factory=lambda: np.zeros((0, 5)))
    checked: dict[str, float] = field(default_factory=dict)
    peers: dict[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    """Whether it is any good; None before the end of the training."""

    @property
    def file(self) -> TrainingFile:
        """The training file, checked again."""
        return TrainingFile.read(self.content, "model")

    @property
    def family(self) -> str:
        """ "wellmixed", "chain", "triplets" or "dbm"."""
        return self.file.model.family

    @property
    def solver(self) -> Solver:
        """The integrator that the law was learned with."""
        return build_solver(self.file.fit, self.dt)

    def trajectory(self, points: int | None = None) -> Floats:
        """(T, n_conditions, n) θ of the free-running model."""
        solver = self.solver
        path = solver.path(self.theta0, (self.points if points is None else points) - 1)
        solver.solve(self.law, path)
        return np.asarray(path[:: solver.substeps])

    def inside(self, theta: Floats) -> bool:
        """Whether all of θ (…, n) lie in the box that training visited."""
        return bool(((theta >= self.box[0]) & (theta <= self.box[1])).all())

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises RunError if the disk refuses."""
        with replacing(path, FORMAT) as file:
            attributes = {
                "format": FORMAT,
                "family": self.family,
                "training": json.dumps(self.content),
                "species": list(self.species),
                "parameters": list(self.law.parameters),
                "data_hash": self.data_hash,
                "dt": self.dt,
                "points": self.points,
                "shape": np.array(self.shape, dtype=np.int64),
                "verdict": "" if self.verdict is None else self.verdict.to_json(),
            }
            file.attrs.update(attributes)
            file["theta0"], file["box"], file["history"] = self.theta0, self.box, self.history
            file["likelihoods"], file["mixing"] = self.likelihoods, self.mixing
            for key, value in law_state(self.law).items():
                file[f"law/{key}"] = value
            for group in ERRORS:
                for name, error in getattr(self, group).items():
                    file.require_group(group).attrs[name] = error
            for name, found in self.rates.items():
                file.require_group("rates").attrs[name] = found
            for name, values in self.reference.items():
                file[f"reference/{name}"] = values

    @classmethod
    def read(cls, path: Path) -> ReducedModel:
        """Read a model file. Raises InputError that names it if it is missing, damaged or of another kind."""
        with read_hdf5(path, KIND) as file:
            return _built(cls, file)


def _built(cls: type[ReducedModel], file: h5py.File) -> ReducedModel:
    content = json.loads(str(file.attrs["training"]))
    blocks = TrainingFile.read(content, "training")
    species = tuple(str(s) for s in file.attrs["species"])
    shape = tuple(int(n) for n in file.attrs["shape"])
    model = build_model(blocks.model, species, shape)
    theta0 = np.asarray(file["theta0"])
    law = build_law(blocks.law, model, theta0[0], species)
    restore_law(law, {key: np.asarray(item) for key, item in file["law"].items()})
    return cls(
        content,
        species,
        shape,
        theta0,
        float(file.attrs["dt"]),
        int(file.attrs["points"]),
        np.asarray(file["box"]),
        str(file.attrs["data_hash"]),
        law,
        model,
        history=np.asarray(file["history"]),
        reference={k: np.asarray(v) for k, v in file.get("reference", {}).items()},
        rates={k: (float(v[0]), float(v[1])) for k, v in file["rates"].attrs.items()} if "rates" in file else {},
        likelihoods=np.asarray(file["likelihoods"]) if "likelihoods" in file else np.zeros((0, 4)),
        mixing=np.asarray(file["mixing"]) if "mixing" in file else np.zeros((0, 5)),
        verdict=Verdict.from_json(str(file.attrs.get("verdict", ""))),
        **{g: {k: float(v) for k, v in file[g].attrs.items()} if g in file else {} for g in ERRORS},
    )
