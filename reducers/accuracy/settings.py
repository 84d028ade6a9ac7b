"""The training file of an accuracy: frozen, checked tables."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from couple.base import registry
from couple.base.schema import Block, Integer
from couple.base.units import Time, quantities, with_unit
from reducers.data.settings import ExperimentFile, Positive
from reducers.training.files import LearningFile


def _range(values: tuple[float, ...]) -> tuple[float, float]:
    """One number or a least and a largest."""
    low, high = values[0], values[-1]
    if len(values) > 2 or not 0 < low <= high:
        raise ValueError("must be one number above 0, or the least and the largest")
    return low, high


Rates = Annotated[tuple[float, ...], with_unit("count per time", quantities), AfterValidator(_range)]


class AccuracySettings(Block):
    """engines: the cheapest first; the last one is the truth of the others. species: whose number enters, and decides
    how few they are. observables: by which errors are judged, by default the species. options: tables of engines.
    quantile: share of inputs whose error is not above what is said.
    """

    engines: tuple[str, ...] = Field(min_length=2)
    species: str = "Ca"
    observables: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = {}
    quantile: float = Field(default=0.95, ge=0.5, lt=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        registry.refuse_engines(self.engines, self.options, but="adaptive")
        return self


class InputsBlock(Block):
    """Inputs that are learned from, and as many as `held_out` to test on; each is drawn log-uniformly.

    size: of the site, least and largest factor of its lengths: counts and times of mixing follow. influx: molecules
    per ms that enter from a quarter of the run to its half. runs: of each engine. duration, every: of runs and rows.
    """

    learned: Integer = Field(default=60, ge=10)
    held_out: Integer = Field(default=200, ge=10)
    size: tuple[Positive, Positive] = (0.5, 2.0)
    influx: Rates
    runs: Integer = Field(default=64, ge=8)
    duration: Time = Field(gt=0)
    every: Time = Field(gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.size[0] > self.size[1]:
            raise ValueError("size: give the least factor first")
        if self.every > self.duration / 8:
            raise ValueError("duration must be eight times `every` or more")
        return self


class AccuracyFile(LearningFile):
    """The training file of an accuracy. experiment: chemistry, amounts and geometry of the first site."""

    experiment: ExperimentFile
    accuracy: AccuracySettings
    inputs: InputsBlock
    targets: tuple[Positive, ...] = Field(default=(0.05, 0.1, 0.2), min_length=1)
    """Relative errors at which the rule is tested."""
