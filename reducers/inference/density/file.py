"""posterior.h5: all that an inference has found, in one sealed file.

attributes          format, method, content (the file of the inference, JSON), prior, features (JSON), rounds
simulations/        theta, features, rounds
flow/, scaling/     the conditional density (not of abc and cma)
samples             draws of abc: (n, d)
observation         (f,)
losses/             of each round: (n_epochs, 2) of training and validation, and the epoch that was kept
predictive/         theta and features that were simulated of draws of the posterior
calibration/        ranks, density_ranks, entropies of truths
versions/           of what determines the numbers
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.html.tables import html_table
from couple.base.versions import versions
from couple.files.open_hdf5 import FileKind, read_hdf5
from couple.files.write_hdf5 import replacing
from reducers.inference.density.flow import Losses, new_flow
from reducers.inference.density.posterior import Posterior, parameters_html
from reducers.inference.density.scaling import Scaling
from reducers.inference.problem.prior import Prior
from reducers.inference.problem.settings import InferenceFile
from reducers.inference.simulation.simulations import Simulations

POSTERIOR, FORMAT = "posterior.h5", "couple posterior 1"
KIND = FileKind((FORMAT,), "a posterior", "give the posterior.h5 of couple infer or its folder", "infer again")


@dataclass(frozen=True)
class Found:
    """What a posterior file holds.

    digest: of what its flow was trained on and how, to go on. posterior: None of abc and cma. samples: of abc.
    point: of cma. tables: more arrays by their names in the file.
    """

    file: InferenceFile
    content: Mapping[str, Any]
    prior: Prior
    features: Mapping[str, str]
    simulations: Simulations
    digest: str = ""
    observation: Floats | None = None
    posterior: Posterior | None = None
    samples: Floats | None = None
    point: Floats | None = None
    losses: Sequence[Losses] = ()
    tables: Mapping[str, Floats] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        facts = [("method", self.file.infer.method), ("simulations", len(self.simulations))]
        found = "" if self.samples is None else parameters_html(self.samples, self.prior)
        if self.point is not None:
            found += html_table(("parameter", "point"), zip(self.prior.names, self.point.tolist(), strict=True))
        if self.posterior is not None:
            found += self.posterior._repr_html_()
        return html_table(("", ""), facts, self.file.infer.name) + found


def write_posterior(found: Found, path: Path) -> None:
    """Whole or not at all. Raises RunError if the disk refuses."""
    with replacing(path, FORMAT) as file:
        file.attrs.update(
            {
                "format": FORMAT,
                "method": found.file.infer.method,
                "content": json.dumps(found.content),
                "prior": json.dumps(found.prior.to_json()),
                "features": json.dumps(found.features),
                "digest": found.digest,
            }
        )
        file.create_group("versions").attrs.update(_versions())
        for key in ("theta", "features", "rounds"):
            file.create_dataset(f"simulations/{key}", data=getattr(found.simulations, key))
        for key, values in (("observation", found.observation), ("samples", found.samples), ("point", found.point)):
            if values is not None:
                file[key] = values
        for name, table in found.tables.items():
            file[name] = table
        for k, one in enumerate(found.losses):
            data = file.create_dataset(f"losses/{k + 1:03d}", data=np.stack([one.training, one.validation], axis=1))
            data.attrs.update({"best": one.best, "seconds": one.seconds})
        if found.posterior is not None:
            file["scaling/centre"], file["scaling/scale"] = (
                found.posterior.scaling.centre,
                found.posterior.scaling.scale,
            )
            for key, array in found.posterior.flow.arrays().items():
                file[f"flow/{key}"] = array


def read_posterior(path: Path) -> Found:
    """What `write_posterior` wrote. path: the file or its folder. Raises InputError, also without the extra."""
    path = path / POSTERIOR if path.is_dir() else path
    with read_hdf5(path, KIND) as file:
        content = json.loads(str(file.attrs["content"]))
        inference = InferenceFile.read(content, str(path))
        prior = Prior.from_json(json.loads(str(file.attrs["prior"])))
        features = json.loads(str(file.attrs["features"]))
        theta, made, rounds = (np.asarray(file[f"simulations/{k}"]) for k in ("theta", "features", "rounds"))
        one = {k: np.asarray(file[k]) if k in file else None for k in ("observation", "samples", "point")}
        tables = {
            f"{group}/{key}": np.asarray(item)
            for group in ("predictive", "calibration")
            for key, item in file.get(group, {}).items()
        }
        losses = tuple(
            Losses(item[:, 0], item[:, 1], int(item.attrs["best"]), float(item.attrs["seconds"]))
            for _, item in sorted(file.get("losses", {}).items())
        )
        posterior = _posterior(file, inference, prior, features, one["observation"]) if "flow" in file else None
        return Found(
            inference, content, prior, features, Simulations(theta, made, rounds), str(file.attrs["digest"]),
            posterior=posterior, losses=losses, tables=tables, **one,
        )  # fmt: skip


def _posterior(
    file: h5py.File, inference: InferenceFile, prior: Prior, features: Mapping[str, str], observation: Floats | None
) -> Posterior:
    flow = new_flow(len(prior), len(features), inference.flow, inference.infer.seed)
    try:
        flow.restore({key: np.asarray(item) for key, item in file["flow"].items()})
    except InputError as error:
        raise error.at("flow") from None
    scaling = Scaling(np.asarray(file["scaling/centre"]), np.asarray(file["scaling/scale"]))
    return Posterior(prior, features, scaling, flow, observation)


def _versions() -> dict[str, str]:
    found = versions()
    for package in ("flowjax", "jax", "equinox", "optax", "cma"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
