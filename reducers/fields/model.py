"""A reduced model of fields on disk: mesh, law, path, where it may be used, what it was learned from and how well."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from couple.base.arrays import Floats, Integers
from couple.base.errors import InputError
from couple.files.open_hdf5 import read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.dbd.laws.law import law_state, restore_law
from reducers.dbd.model.model import FORMAT, KIND
from reducers.fields.build import build_basis, build_law, build_stepper
from reducers.fields.density.basis import FieldBasis
from reducers.fields.laws.law import FieldLaw
from reducers.fields.settings import FieldTrainingFile


@dataclass(eq=False)
class FieldModel:
    """Particles of the intensity e^{-ν(x, t)} (per run), dν/dt = F⁰(ν) + F¹(ν)|∇ν|² + F²(ν)Δν.

    content: the training file as nested tables. folder: of that file, to which its mesh is relative. places (N, d) and
    cells (n, d + 1) of the mesh. time: (T,). nu: (conditions, T, species, N) the path of the law; its first row is
    where it starts. estimates: of the same shape, of every time by itself. box: (2, species) smallest and largest ν
    where particles were. names, values, errors: of the coefficients; errors are NaN where they are not known.
    held_out: name → value. history: misfit by step.
    """

    content: dict[str, Any]
    folder: str
    species: tuple[str, ...]
    places: Floats
    cells: Integers
    time: Floats
    nu: Floats
    estimates: Floats
    box: Floats
    law: FieldLaw
    values: Floats
    errors: Floats
    information: Floats
    data_hash: str
    held_out: dict[str, float] = field(default_factory=dict)
    history: Floats = field(default_factory=lambda: np.zeros(0))
    verdict: str = ""
    """`reducers.training.verdict.Verdict` as JSON, "" before the end of the training."""

    @property
    def file(self) -> FieldTrainingFile:
        """The training file, checked again."""
        return FieldTrainingFile.read(self.content, "model")

    def basis(self) -> FieldBasis:
        """The elements that it was learned on. Raises InputError if the mesh is not the same any more."""
        made = build_basis(self.file.model, Path(self.folder))
        if made.places.shape != self.places.shape or not np.allclose(made.places, self.places):
            raise InputError("the mesh has changed since this model was learned: learn it again")
        return made

    def trajectory(self, time: Floats | None = None, condition: int = 0) -> Floats:
        """(T, species, N) ν by the law, from its first field; time: begins at the first recorded time."""
        stepper = build_stepper(self.file.law, self.basis(), self.law)
        return stepper.solve(self.nu[condition, 0], self.time if time is None else time).nu

    def inside(self, nu: Floats) -> bool:
        """Whether all of ν (species, n) lie where particles were seen."""
        return bool(((nu >= self.box[0][:, None]) & (nu <= self.box[1][:, None])).all())

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises RunError if the disk refuses."""
        with replacing(path, FORMAT) as file:
            file.attrs.update(
                {
                    "format": FORMAT,
                    "family": "field",
                    "training": json.dumps(self.content),
                    "folder": self.folder,
                    "species": list(self.species),
                    "coefficients": list(self.law.names),
                    "data_hash": self.data_hash,
                    "verdict": self.verdict,
                }
            )
            for name in _ARRAYS:
                file[name] = getattr(self, name)
            for key, value in law_state_of(self.law).items():
                file[f"law/{key}"] = value
            for name, number in self.held_out.items():
                file.require_group("held_out").attrs[name] = number

    @classmethod
    def read(cls, path: Path) -> FieldModel:
        """Read a model file. Raises InputError that names it if it is missing, damaged or of another kind."""
        with read_hdf5(path, KIND) as file:
            if file.attrs.get("family") != "field":
                raise InputError("is not a reduced model of a field")
            content = json.loads(str(file.attrs["training"]))
            species = tuple(str(s) for s in file.attrs["species"])
            law = build_law(FieldTrainingFile.read(content, "training").law, species)
            restore_state(law, {key: np.asarray(item) for key, item in file["law"].items()})
            held_out = dict(file["held_out"].attrs.items()) if "held_out" in file else {}
            return cls(
                content=content,
                folder=str(file.attrs["folder"]),
                species=species,
                law=law,
                data_hash=str(file.attrs["data_hash"]),
                verdict=str(file.attrs.get("verdict", "")),
                held_out={k: float(v) for k, v in held_out.items()},
                **{name: np.asarray(file[name]) for name in _ARRAYS},
            )


_ARRAYS = ("places", "cells", "time", "nu", "estimates", "box", "values", "errors", "information", "history")


def law_state_of(law: FieldLaw) -> dict[str, Any]:
    """Coefficients of all terms, and their places."""
    return {f"{k}_{key}": v for k, t in enumerate(law.terms) for key, v in law_state(t.law).items()}


def restore_state(law: FieldLaw, state: dict[str, Any]) -> None:
    """Put saved coefficients into a law that was built alike."""
    for k, t in enumerate(law.terms):
        prefix = f"{k}_"
        restore_law(t.law, {key[len(prefix) :]: v for key, v in state.items() if key.startswith(prefix)})
