"""The table [data] of a training file: which runs of a fine model are learned from."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block, Integer

"""A whole number: 2.0 and "2" are errors."""
ExperimentFile = Annotated[str, ReadsFile("experiment")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""A finite number above 0."""


class DataBlock(Block):
    """Runs of a fine model: ensemble files, or an experiment that is sampled when the training begins.

    conditions: lists of KEY=VALUE, one list for each initial condition (see `couple run --set`).
    every, until: keep every n-th time, up to the recorded row `until`.
    """

    files: tuple[Annotated[str, ReadsFile("ensemble")], ...] = ()
    experiment: ExperimentFile | None = None
    runs: Integer = Field(default=100, ge=1)
    conditions: tuple[tuple[str, ...], ...] = ((),)
    site: str | None = None
    every: Integer = Field(default=1, ge=1)
    until: Integer | None = Field(default=None, ge=1)
    periodic: bool = True

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.files) == (self.experiment is not None):
            raise ValueError('give either files = ["ensemble.h5"] or experiment = "experiment.toml"')
        if not self.conditions:
            raise ValueError("conditions is empty; leave it out for one initial condition")
        return self
