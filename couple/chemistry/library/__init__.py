"""Chemistries that ship with couple: `[chemistry] include.NAME = { options }` adds their species and reactions."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from couple.base import registry
from couple.base.errors import InputError
from couple.base.schema import explain


def ready_made(name: str, options: object) -> dict[str, Any]:
    """Content of a [chemistry] table. Raises InputError for an unknown name or option."""
    try:
        kind = registry.load("couple.chemistries", name)
    except InputError as error:
        raise error.at("include") from None
    try:
        made = kind.model_validate(options)
    except ValidationError as error:
        raise explain(error, options).at(f"include.{name}") from None
    content: dict[str, Any] = made.content()
    return content
