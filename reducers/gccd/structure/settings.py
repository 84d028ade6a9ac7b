"""The training file of a molecule's structure: its sites and rules, what is sampled, what may interact."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from couple.base.errors import InputError
from couple.base.schema import NAME, Block, Integer
from couple.base.units import Time, quantity
from reducers.data.stimuli import StimulusBlock
from reducers.gccd.structure.interactions import MoleculeStates
from reducers.training.files import LearningFile

SiteName = Annotated[str, Field(pattern=NAME)]


class RuleBlock(Block):
    """A site goes from one level to another, where others are `when` says. rate: "40 /s", or "4 /uM/s" if the drive is
    taken up by it.
    """

    site: SiteName
    begin: Integer = Field(ge=0)
    end: Integer = Field(ge=0)
    when: dict[SiteName, Integer] = {}
    rate: str

    @property
    def rates(self) -> tuple[float, float]:
        """Per ms, and per ms and uM of the drive. Raises InputError for another unit."""
        try:
            return quantity(self.rate, "rate of first order"), 0.0
        except InputError:
            return 0.0, 1e-3 * quantity(self.rate, "rate of second order")


class MoleculeBlock(Block):
    """sites: name → levels (2: there or not; a bond is a site, too). requires: site → sites that must not be 0 where it
    is not. rules: what changes. All molecules begin with all sites at 0.
    """

    sites: dict[SiteName, Annotated[Integer, Field(ge=2, le=20)]] = Field(min_length=2)
    requires: dict[SiteName, tuple[SiteName, ...]] = {}
    rules: tuple[RuleBlock, ...] = Field(min_length=1)

    def states(self) -> MoleculeStates:
        """All that can be. Raises InputError for too many."""
        return MoleculeStates.listed(self.sites, self.requires)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for i, rule in enumerate(self.rules):
            for name, level in ((rule.site, rule.begin), (rule.site, rule.end), *rule.when.items()):
                if name not in self.sites:
                    raise ValueError(f'rules[{i}]: no site "{name}"; there are {", ".join(self.sites)}')
                if level >= self.sites[name]:
                    raise ValueError(f"rules[{i}]: {name} has the levels 0 .. {self.sites[name] - 1}, not {level}")
        return self


class SampleBlock(Block):
    """`molecules` at each of `slices` times, evenly over `duration`, under each course of the drive."""

    molecules: Integer = Field(default=10_000, ge=100, le=10**7)
    duration: Time = Field(gt=0)
    every: Time = Field(gt=0)
    slices: Integer = Field(default=4, ge=1, le=100)
    stimuli: tuple[StimulusBlock, ...] = Field(min_length=1)


class StructureBlock(Block):
    """largest: sites of an interaction at most."""

    largest: Integer = Field(default=3, ge=2, le=3)


class StructureFile(LearningFile):
    """The training file of a molecule's structure."""

    molecule: MoleculeBlock
    sample: SampleBlock
    structure: StructureBlock = StructureBlock()
