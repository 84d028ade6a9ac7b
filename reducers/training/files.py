"""Training files: frozen, checked tables, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError

from couple.base.errors import InputError
from couple.base.schema import RUN_NAME, Block, explain
from couple.base.toml import override_value, read_toml


class Named(Block):
    """Base of `[train]`. name: the folder is results/NAME-train unless another is given."""

    name: str = Field(pattern=RUN_NAME)


class LearningFile(Block):
    """Base of all training files."""

    train: Named

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> tuple[Self, dict[str, Any]]:
        """The file and its content. Raises InputError that names file and key."""
        content = read_toml(path)
        for override in overrides:
            override_value(content, override)
        return cls.read(content, str(path)), content

    @classmethod
    def read(cls, content: dict[str, Any], where: str) -> Self:
        """Out of nested tables."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise explain(error, content).inside(where) from None
        except InputError as error:
            raise error.inside(where) from None
