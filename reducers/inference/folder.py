"""The folder of an inference.

infer.json        what was asked: an inference is continued only with the same
rounds/           simulations: 001.h5, ... of each round, truths.h5, predictive.h5, and folders of what is being made
posterior.h5      all that was found, after each round
summary.json      numbers; pictures beside it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.paths.python_function import load_function
from couple.base.regular_file import real_path
from couple.base.toml import flatten
from couple.ensemble.folder import SAMPLING
from couple.files.json_file import read_sealed_json, sealed_json
from couple.storage.atomic_file import replace
from couple.storage.folder.contents import FolderKind, has_format, has_keys, is_picture
from reducers.inference.density.file import FORMAT as POSTERIOR_FORMAT
from reducers.inference.problem.prior import Prior
from reducers.inference.problem.settings import InferenceFile
from reducers.inference.simulation.function import FORM
from reducers.inference.simulation.parts import PARTS_KIND
from reducers.inference.simulation.simulations import FORMAT

REQUEST, ROUNDS, SUMMARY = "infer.json", "rounds", "summary.json"

ROUNDS_KIND = FolderKind(
    "inference",
    {r"([0-9]{3}|truths|predictive|point)\.h5": has_format(FORMAT)},
    {
        r"[0-9]{3}|truths|predictive": FolderKind(
            "inference", {**PARTS_KIND.files, **SAMPLING.files}, SAMPLING.folders
        ),
    },
)
INFERENCE = FolderKind(
    "inference",
    {
        r"infer\.json": has_keys("prior", "simulator", "sha256"),
        r"posterior\.h5": has_format(POSTERIOR_FORMAT),
        r"summary\.json": has_keys("method", "simulations"),
        r"[\w-]+\.png": is_picture,
    },
    {ROUNDS: ROUNDS_KIND},
)


def request(file: InferenceFile, prior: Prior, folder: Path, observation: Mapping[str, float] | None) -> dict[str, Any]:
    """What decides the simulations of an inference: flow and diagnostics may change. folder: where paths start."""
    ask = file.infer
    of_rounds = ask.method in ("tsnpe", "apt", "cma")
    asked: dict[str, Any] = {
        "prior": prior.to_json(),
        "features": file.features,
        "simulator": ask.simulator or ask.experiment,
        "code": _code(file, folder),
        "seed": ask.seed,
        "rounds": {"method": ask.method, "simulations": ask.simulations, "observation": observation}
        if of_rounds
        else {},
    }
    if of_rounds and ask.rounds > 1:
        asked["flow"] = file.flow.model_dump()
    return asked


def _code(file: InferenceFile, folder: Path) -> str:
    """Digest of a simulator's file and of the data beside it that it reads; "" of an experiment, whose ensembles know.

    Modules that it imports are left out: whether Python reads them depends on what it has read before.
    """
    ask = file.infer
    if ask.simulator is None:
        return ""
    path = folder / ask.simulator.rpartition(":")[0]
    opened = load_function(ask.simulator, folder, FORM)[1]
    beside = real_path(path).parent
    read = [path, *sorted(p for p in opened if p.suffix not in (".py", ".pyc") and beside in real_path(p).parents)]
    return hashlib.sha256(b"".join(hashlib.sha256(p.read_bytes()).digest() for p in read)).hexdigest()


def claim_request(folder: Path, asked: Mapping[str, Any]) -> None:
    """Write infer.json, or check that the same was begun in a folder. Raises InputError that says what is not."""
    path = folder / REQUEST
    asked = json.loads(json.dumps(asked))
    if path.exists():
        then = read_sealed_json(path, "give another --out")
        _refuse_other(then, asked, folder)
    replace(path, sealed_json(asked).encode())


def _refuse_other(then: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    changed = Prior.from_json(now["prior"]).differences(then.get("prior", []))
    if changed:
        what, shown = "prior", "; ".join(changed[:3])
    else:
        ours, theirs = (flatten({k: v for k, v in one.items() if k != "prior"}) for one in (now, then))
        differing = [k for k in {**theirs, **ours} if ours.get(k) != theirs.get(k)]
        if not differing:
            return
        what = "simulator" if differing == ["code"] else "question"
        shown = "; ".join(f"{k}: {theirs.get(k, 'absent')} -> {ours.get(k, 'absent')}" for k in differing[:3])
        shown = "its code has changed" if differing == ["code"] else shown
    raise InputError(
        f"holds an inference with another {what} ({shown}): undo the change, or give another --out; what was simulated "
        "is kept",
        where=str(folder),
    )
