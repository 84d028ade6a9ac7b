"""What --json prints of inferences and posteriors."""

from __future__ import annotations

from pydantic import Field

from couple.cli.output.quantities import Output


class ParameterOutput(Output):
    """Draws of a parameter; low, high: the central 95 %."""

    mean: float
    sd: float
    low: float
    median: float
    high: float


class CalibrationOutput(Output):
    """Ranks of truths that no training saw, among draws of their posteriors."""

    truths: int
    uniform: bool = Field(description="whether no parameter's ranks differ from uniform, by Holm's rule")
    p: dict[str, float]
    coverage_95: dict[str, float] = Field(description="share of truths in the central 95 %")
    entropy: float | None


class InferenceOutput(Output):
    """A posterior file."""

    name: str
    method: str
    simulations: int
    valid: list[float] = Field(description="of each round, the share with all features")
    reasons: list[str] = Field(description="why others lack them, the first")
    epochs: list[int] = Field(description="of each training")
    training_seconds: float
    validation_loss: list[float | None]
    point: dict[str, float] = Field({}, description="of methods that find one")
    posterior: dict[str, ParameterOutput] = {}
    calibration: CalibrationOutput | None = None
    predictive: dict[str, float | tuple[float, float, float]] = Field(
        {}, description="valid: share of draws with all features; feature → 2.5 %, median, 97.5 %"
    )


Drawn = dict[str, ParameterOutput]
"""With --condition, --observation or --out: parameter → its draws."""

Scores = list[float | None]
"""With --score: the log density of each row; null outside of the prior."""

Posterior = InferenceOutput | Drawn | Scores
