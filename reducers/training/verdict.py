"""Whether a trained model is any good: its errors on held-out runs beside those of a baseline that learns nothing.

Each training names its baseline (moments held at their start, a homogeneous density, ...). A model passes if its mean
error is at most a share of the baseline's ([train] allowed, one half), and no quantity is worse than the baseline has
it. Quantities in which the baseline is as good as chance (three standard errors of the data) say nothing about the
model and are not judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

CHANCE = 3.0
"""Standard errors of the data within which an error says nothing."""


@dataclass(frozen=True)
class Verdict:
    """error, baseline: mean errors over what was judged, of the model and of the baseline `against`.

    worst: the quantity that is worst beside its baseline, with both errors; "" if nothing was judged.
    peer: mean error of a simpler description of the same kind, `peer_name` ("mean field"), that a model has to beat;
    None without one. worse: whether it does not, beyond chance.
    """

    good: bool
    error: float
    baseline: float
    against: str
    on: str
    worst: str = ""
    advice: str = ""
    peer: float | None = None
    peer_name: str = ""
    worse: bool = False

    @property
    def line(self) -> str:
        """One line that says it."""
        beside = f"mean error on {self.on} {self.error:.3g}, {self.baseline:.3g} of {self.against}"
        if self.peer is not None:
            beside += f", {self.peer:.3g} of {self.peer_name}"
        if self.good:
            return f"verdict: good ({beside})"
        if self.worse:
            return f"this model is no good: worse than {self.peer_name} ({beside}): {self.advice}"
        return f"this model is no good: {beside}; worst {self.worst}. {self.advice}"

    def as_dict(self) -> dict[str, object]:
        """For a summary and JSON."""
        return {**asdict(self), "text": self.line}

    def to_json(self) -> str:
        """For the attribute of a model file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict | None:
        """What `to_json` wrote; None of an empty text: it was not judged."""
        return cls(**json.loads(text)) if text else None


def verdict_lines(text: str) -> list[tuple[str, str]]:
    """(what, value) for the report of a model whose file holds `text`; none if it was not judged."""
    verdict = Verdict.from_json(text)
    return [] if verdict is None else [("verdict", verdict.line.removeprefix("verdict: "))]


def judge(
    errors: Mapping[str, float],
    baselines: Mapping[str, float],
    against: str,
    on: str,
    advice: str,
    allowed: float,
    chance: Mapping[str, float] | None = None,
    peers: Mapping[str, float] | None = None,
    peer_name: str = "",
) -> Verdict:
    """The verdict on a model.

    errors, baselines: by quantity, of model and baseline. allowed: share of the baseline's mean error that it may have.
    chance: standard errors of the data, in the same units. peers: errors of a simpler description, which the model has
    to beat or to equal within chance.
    """
    noise = {name: CHANCE * (chance or {}).get(name, 0.0) for name in baselines}
    judged = [name for name, e in baselines.items() if np.isfinite(e) and e > noise[name] and name in errors]
    if not judged:  # nothing changes: not to be worse than chance is all that can be asked for
        judged = [name for name, e in baselines.items() if np.isfinite(e) and name in errors]
        good = all(errors[name] <= max(baselines[name], noise[name]) for name in judged)
    else:
        mean, base = (float(np.mean([d[name] for name in judged])) for d in (errors, baselines))
        most = max(allowed, 1.0)
        good = mean <= allowed * base and all(errors[n] <= max(most * baselines[n], noise[n]) for n in judged)
    error, base = (float(np.mean([d[name] for name in judged])) if judged else 0.0 for d in (errors, baselines))
    peer = float(np.mean([peers[name] for name in judged])) if judged and peers is not None else None
    worse = peer is not None and not error <= max(peer, float(np.mean([noise[name] for name in judged])))
    worst = _worst(errors, baselines, judged)
    return Verdict(bool(good) and not worse, error, base, against, on, worst, advice, peer, peer_name, worse)


def _worst(errors: Mapping[str, float], baselines: Mapping[str, float], judged: list[str]) -> str:
    if not judged:
        return ""
    name = max(judged, key=lambda n: errors[n] / max(baselines[n], 1e-300) if np.isfinite(errors[n]) else np.inf)
    return f"{name}: {errors[name]:.3g}, {baselines[name]:.3g} of the baseline"
