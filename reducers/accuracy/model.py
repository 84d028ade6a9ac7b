"""Errors of engines as functions of how few molecules there are and how far from mixed: a file of numbers.

The error of an engine, relative to the mean of the finest, is at most

    error = κ sqrt(α / n + β x² + γ)

for a share `quantile` of inputs: n molecules of the scarcest species in play, x the relative excess below the membrane
(see adapters/adaptive/rule.py); α, β, γ ≥ 0 by non-negative least squares, κ by split conformal prediction (Vovk et al.
2005; Lei et al. 2018) on inputs that these did not see. It grows towards fewer molecules and steeper gradients, so that
what lies beyond the inputs of the training is given to a finer engine, never to a cheaper one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.training.folder import ACCURACY_FORMAT

KIND = FileKind((ACCURACY_FORMAT,), "a learned accuracy", "give the model.h5 of a training", "train it again")


@dataclass(frozen=True)
class AccuracyModel:
    """engines: the cheapest first; the last is the truth. terms: (n_engines, 3) κ²α, κ²β, κ²γ, 0 of the last.

    costs: (n_engines, 3) logarithm of seconds of CPU per ms: constant, and by ln n and ln(1 + influx per ms).
    species: in play. chemistry: its digest. box: least n and largest x of the training. quantile: see above.
    summary: of the training. verdict: as JSON.
    """

    engines: tuple[str, ...]
    species: str
    terms: Floats
    costs: Floats
    chemistry: str
    box: tuple[float, float]
    quantile: float
    summary: dict[str, Any]
    verdict: str = ""

    def errors(self, n: Floats, x: Floats) -> Floats:
        """(k, n_engines) relative errors at (k,) numbers and excesses."""
        shape = np.stack([1.0 / np.maximum(n, 1e-3), x**2, np.ones_like(n)], axis=-1)
        return np.sqrt(shape @ self.terms.T)

    def terms_of(self, engines: tuple[str, ...]) -> Floats:
        """(n, 3) of some of the engines, in their order; the last of them as it was learned.

        Raises InputError for one that was not learned, or in another order.
        """
        places = []
        for name in engines:
            if name not in self.engines:
                raise InputError(f'was learned for {", ".join(self.engines)}, not for "{name}"')
            places.append(self.engines.index(name))
        if places != sorted(places):
            raise InputError(
                f"has the engines from cheap to fine as {', '.join(self.engines)}: give them in this order"
            )
        return self.terms[places].copy()

    def check(self, network: ReactionNetwork) -> None:
        """Raise InputError for a chemistry that it was not learned for."""
        if chemistry_digest(network) != self.chemistry:
            raise InputError("was learned for another chemistry (species, diffusion or rates differ): train it again")

    def write(self, path: Path, training: dict[str, Any]) -> None:
        """Raises RunError if the disk refuses."""
        about = {k: v for k, v in asdict(self).items() if k not in ("terms", "costs")}
        with replacing(path, ACCURACY_FORMAT) as file:
            file.attrs.update({"format": ACCURACY_FORMAT, "kind": "accuracy", "training": json.dumps(training)})
            file.attrs["about"] = json.dumps(about)
            file["terms"], file["costs"] = self.terms, self.costs

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote. Raises InputError for a file that is damaged or of another kind."""
        with read_hdf5(path, KIND) as file:
            about = json.loads(str(file.attrs["about"]))
            for key in ("engines", "box"):
                about[key] = tuple(about[key])
            return cls(terms=np.asarray(file["terms"]), costs=np.asarray(file["costs"]), **about)


def chemistry_digest(network: ReactionNetwork) -> str:
    """Of species, diffusion and rates."""
    species = [f"{s.name} {s.on} {s.D:.9g} {sorted(s.contains.items())}" for s in network.species]
    reactions = [f"{sorted(r.reactants)} {sorted(r.products)} {r.rate:.9g} {r.law}" for r in network.reactions]
    return hashlib.sha256("\n".join([*sorted(species), *sorted(reactions)]).encode()).hexdigest()
