"""Parameters and the features that were simulated of them, in memory and on the disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from couple.base.arrays import Bools, Floats, Ints
from couple.base.errors import InputError
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing

FORMAT = "couple simulations 1"
KIND = FileKind(
    (FORMAT,), "simulations of an inference", "give the folder of an inference", "remove it: they are made again"
)


@dataclass(frozen=True)
class Simulations:
    """theta: (n, d). features: (n, f), NaN where there is none. rounds: (n,) from 1. reasons: of some that failed."""

    theta: Floats
    features: Floats
    rounds: Ints
    reasons: tuple[str, ...] = ()

    @classmethod
    def none(cls, d: int, f: int) -> Self:
        """Of nothing yet."""
        return cls(np.zeros((0, d)), np.zeros((0, f)), np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        """n."""
        return len(self.theta)

    @property
    def valid(self) -> Bools:
        """(n,) whether all features are there."""
        return np.asarray(np.isfinite(self.features).all(axis=1))

    def where(self, chosen: Bools) -> Simulations:
        """Some of them."""
        return Simulations(self.theta[chosen], self.features[chosen], self.rounds[chosen], self.reasons)

    @classmethod
    def join(cls, several: Sequence[Simulations]) -> Simulations:
        """One after the other."""
        theta, features, rounds = (
            np.concatenate([getattr(one, key) for one in several]) for key in ("theta", "features", "rounds")
        )
        return cls(theta, features, rounds, tuple(r for one in several for r in one.reasons)[:10])

    def write(self, path: Path) -> None:
        """Whole or not at all. Raises RunError if the disk refuses."""
        with replacing(path, FORMAT) as file:
            file.attrs.update({"format": FORMAT, "reasons": json.dumps(self.reasons)})
            for key in ("theta", "features", "rounds"):
                file[key] = getattr(self, key)

    @classmethod
    def read(cls, path: Path) -> Simulations:
        """What `write` wrote. Raises InputError if it is damaged."""
        with read_hdf5(path, KIND) as file:
            theta, features, rounds = (np.asarray(file[key]) for key in ("theta", "features", "rounds"))
            if not len(theta) == len(features) == len(rounds):
                raise InputError("is damaged: rows are missing")
            return cls(theta, features, rounds, tuple(json.loads(str(file.attrs["reasons"]))))
