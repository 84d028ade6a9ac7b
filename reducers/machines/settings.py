"""The training file of a Boltzmann machine in a site: frozen, checked tables."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import NAME, Block, Integer
from couple.base.units import Time
from reducers.data.settings import ExperimentFile, Positive
from reducers.data.stimulus_sample import StimulusSampleBlock
from reducers.markov.settings import chosen_species
from reducers.training.files import LearningFile


class MachineSettings(Block):
    """block: word before recorded names. species: what the block stands for, by name or with a * at the end.
    drive: what moves them. shape: of the grid of molecules, row by row in the order of the chemistry. periodic: whether
    its ends meet. states: names of what a molecule can be besides its first species, in their order.

    hidden: species of each hidden layer, from below. weights: of each pair of layers the pairs of species that
    interact; all if not given. width: of the patch that a unit sees of the next layer. bonds: pairs of states of
    nearest neighbours that interact. held: parameters that stay. degree: of the law of motion, a polynomial of the
    parameters that move. coupling: to which weights and couplings (and biases of what is not seen) are drawn;
    prior: how much, in nats per molecule and half a unit squared; it decides what the runs leave open.
    """

    block: str = Field(pattern=NAME)
    species: tuple[str, ...] = Field(min_length=1)
    drive: str = "Ca"
    shape: tuple[Integer, ...] = Field(min_length=1, max_length=3)
    periodic: bool = True
    states: tuple[str, ...] = Field(min_length=1, max_length=3)
    hidden: tuple[tuple[str, ...], ...] = (("h",),)
    weights: tuple[tuple[tuple[str, str], ...], ...] | None = None
    bonds: tuple[tuple[str, str], ...] = ()
    width: Integer = Field(default=2, ge=1, le=4)
    held: dict[str, float] = {}
    degree: Integer = Field(default=2, ge=1, le=4)
    coupling: float = Field(default=0.5, allow_inf_nan=False)
    prior: Positive = 0.02

    @model_validator(mode="after")
    def _links(self) -> Self:
        if self.weights is not None and len(self.weights) != len(self.hidden):
            raise ValueError(f"{len(self.hidden)} hidden layers need {len(self.hidden)} lists of weights")
        return self

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The species among `names`, in their order. Raises InputError for a name that fits none."""
        return chosen_species(self.species, names, self.drive, "machine")


class SampleBlock(StimulusSampleBlock):
    """Runs that are learned from: `runs` of each course of the drive, held constant over `every`, after the first value
    was held for `settle`. keep: times between configurations that the machine is fitted to.
    """

    engine: Literal["ssa"] = "ssa"
    runs: Integer = Field(default=256, ge=16, le=10**5)
    settle: Time = Field(default=200.0, ge=0)
    keep: Time = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _held(self) -> Self:
        if any(s.influx is not None for s in self.stimuli):
            raise ValueError("stimuli hold the drive here: give base and peak in place of influx")
        if self.keep < self.every or abs(self.keep / self.every - round(self.keep / self.every)) > 1e-9:
            raise ValueError("keep must be a multiple of `every`")
        return self


class MachineFile(LearningFile):
    """The training file of a machine. experiment: file with the chemistry, at its temperature."""

    experiment: ExperimentFile
    machine: MachineSettings
    sample: SampleBlock
