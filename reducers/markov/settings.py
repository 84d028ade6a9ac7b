"""The training file of a block of independent molecules: frozen, checked tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from couple.base.errors import InputError, nearest
from couple.base.schema import NAME, Block, Integer
from couple.chemistry.network import ReactionNetwork
from reducers.data.settings import ExperimentFile
from reducers.data.stimulus_sample import StimulusSampleBlock
from reducers.training.files import LearningFile


def chosen_species(given: Sequence[str], names: Sequence[str], drive: str, table: str) -> tuple[str, ...]:
    """Those of `names` that are given, by name or with a * at the end, in their order.

    table: of the training file. Raises InputError for a name that fits none.
    """
    chosen: set[str] = set()
    for i, text in enumerate(given):
        found = {n for n in names if n == text or (text.endswith("*") and n.startswith(text[:-1]))}
        if not found - {drive}:
            others = [n for n in names if n != drive]
            raise InputError(
                f'"{text}" is the species that drives the block ({table}.drive): name those that it drives; '
                f"there are {', '.join(others[:8])}"
                if found
                else f'no species "{text}"; {nearest(text, others)}',
                where=f"{table}.species[{i}]",
            )
        chosen |= found - {drive}
    return tuple(n for n in names if n in chosen)


class DrivenSettings(Block):
    """block: word before recorded names. species: what the block stands for, by name or with a * at the end."""

    block: str = Field(pattern=NAME)
    species: tuple[str, ...] = Field(min_length=1)
    drive: str = "Ca"

    def names(self, network: ReactionNetwork) -> tuple[str, ...]:
        """The species, in the order of the network. Raises InputError for a name that fits none."""
        return chosen_species(self.species, network.names, self.drive, "driven")


class SampleBlock(StimulusSampleBlock):
    """Runs that are learned from: `molecules` under each course of the drive, held constant over `every`.

    start: with all molecules in one state, another one in each run ("each"), or at the steady state.
    """

    engine: Literal["ssa", "ode"] = "ssa"
    molecules: Integer = Field(default=20000, ge=100, le=10**7)
    start: Literal["each", "steady"] = "each"


class LassoPathBlock(Block):
    """The lasso path. points: penalties. folds: groups of stimuli left out in turn."""

    points: Integer = Field(default=40, ge=2)
    folds: Integer = Field(default=4, ge=2)


class RefineBlock(Block):
    """Descent on the error of one window, by the adjoint. substeps: of the integrator in a window."""

    iterations: Integer = Field(default=15, ge=0)
    substeps: Integer = Field(default=1, ge=1, le=100)


class DrivenFile(LearningFile):
    """The training file of independent molecules. experiment: file with the chemistry, at its temperature."""

    experiment: ExperimentFile
    driven: DrivenSettings
    sample: SampleBlock
    path: LassoPathBlock = LassoPathBlock()
    refine: RefineBlock = RefineBlock()
