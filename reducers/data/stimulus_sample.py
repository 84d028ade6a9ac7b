"""What tables [sample] have in common that hold a drive along courses."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from couple.base.schema import Block
from couple.base.units import Time
from reducers.data.stimuli import StimulusBlock, refuse_mixed_kinds


class StimulusSampleBlock(Block):
    """Runs under `stimuli` of `duration`, constant over each `every`: some are learned from, the others tested on."""

    duration: Time = Field(gt=0)
    every: Time = Field(gt=0)
    stimuli: tuple[StimulusBlock, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _split(self) -> Self:
        refuse_mixed_kinds({f"stimuli[{i}]": s for i, s in enumerate(self.stimuli)})
        if all(s.test for s in self.stimuli) or not any(s.test for s in self.stimuli):
            raise ValueError("needs stimuli to learn from and stimuli with test = true")
        if self.every >= self.duration / 10:
            raise ValueError("duration must be ten times `every` or more")
        return self
