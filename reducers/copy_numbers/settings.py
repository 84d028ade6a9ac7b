"""The training file of a distribution of copy numbers: frozen, checked tables."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import NAME, Block, Integer
from reducers.data.settings import ExperimentFile
from reducers.data.stimulus_sample import StimulusSampleBlock
from reducers.markov.settings import chosen_species
from reducers.training.files import LearningFile


class CopyNumberSettings(Block):
    """block: word before recorded names. species: what the block stands for, by name or with a * at the end; all that
    they react with but the drive. drive: what moves them. order: K of the potentials, 2 for means and variances.
    """

    block: str = Field(pattern=NAME)
    species: tuple[str, ...] = Field(min_length=1)
    drive: str = "Ca"
    order: Integer = Field(default=2, ge=2, le=4)

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The species among `names`, in their order. Raises InputError for a name that fits none."""
        return chosen_species(self.species, names, self.drive, "copy_numbers")


class SampleBlock(StimulusSampleBlock):
    """Runs that are learned from: `runs` of each course of the drive, held constant over `every`, from the amounts of
    the experiment in the geometry of its first site.
    """

    engine: Literal["ssa"] = "ssa"
    runs: Integer = Field(default=200, ge=16, le=10**5)

    @model_validator(mode="after")
    def _held(self) -> Self:
        if any(s.influx is not None for s in self.stimuli):
            raise ValueError("stimuli hold the drive here: give base and peak in place of influx")
        return self


class CopyNumberFile(LearningFile):
    """The training file of copy numbers. experiment: file with the chemistry, at its temperature."""

    experiment: ExperimentFile
    copy_numbers: CopyNumberSettings
    sample: SampleBlock
