"""What --json prints of trainings and models."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from couple.cli.output.quantities import Output


class VerdictOutput(Output):
    """Whether the model is any good: mean errors on what was held out, beside those of a baseline."""

    good: bool
    error: float | None
    baseline: float | None
    against: str = Field(description="the baseline")
    on: str = Field(description="what was held out")
    worst: str = Field(description="the quantity that is worst beside its baseline, with both errors")
    advice: str
    peer: float | None = Field(description="error of a simpler description that has to be beaten, as mean field")
    peer_name: str
    worse: bool = Field(description="whether that is not beaten")
    text: str = Field(description="the line that is printed")


class TrainingOutput(Output):
    """A training at its end: the content of `summary.json`, whose other keys are of its kind: rates, errors, terms."""

    model_config = ConfigDict(frozen=True, extra="allow")

    verdict: VerdictOutput
    cpu_seconds: float


ModelLines = dict[str, str]
"""What is said of a model → value, as text."""
