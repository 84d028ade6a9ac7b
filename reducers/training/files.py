"""Training files: frozen, checked tables, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from couple.base.errors import InputError
from couple.base.schema import RUN_NAME, Block, Integer, read_table
from couple.base.toml import override_value, read_toml
from reducers.data.settings import Positive


class TrainBlock(Block):
    """The table [train]. name: the folder is results/NAME-train unless another is given. seed: of stimuli and runs.

    allowed: share of the baseline's error that a model may have, see `reducers.training.verdict`.
    """

    name: str = Field(pattern=RUN_NAME)
    seed: Integer = Field(default=1, ge=0, lt=2**63)
    allowed: Positive = 0.5


class HeldOutTrainBlock(TrainBlock):
    """[train] of recipes in steps. held_out: runs (of each initial condition) that only the report sees."""

    held_out: Integer = Field(default=0, ge=0)
    checkpoint: Integer = Field(default=100, ge=1)
    """Optimisation steps between checkpoints."""


def read_training(path: Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The content of a training file, with what is set. Raises InputError that names it, for an experiment too."""
    content = read_toml(path, "a training, a TOML file,")
    if "train" not in content and {"experiment", "site"} <= content.keys():
        raise InputError(f"is an experiment, not a training: couple run {path}", where=str(path))
    for override in overrides:
        override_value(content, override)
    return content


class LearningFile(Block):
    """Base of all training files."""

    train: TrainBlock

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> tuple[Self, dict[str, Any]]:
        """The file and its content. Raises InputError that names file and key."""
        content = read_training(path, overrides)
        return cls.read(content, str(path)), content

    @classmethod
    def read(cls, content: dict[str, Any], where: str) -> Self:
        """The checked file of nested tables; where: its path, for messages. Raises InputError that names the key."""
        return read_table(cls, content, where)
