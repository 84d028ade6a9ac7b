"""Chemistries that ship with couple: `[chemistry] include.NAME = { options }` adds their species and reactions."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from couple.base import registry
from couple.base.schema import explain


def ready_made(name: str, options: object) -> dict[str, Any]:
    """Content of a [chemistry] table. Raises InputError for an unknown name or option."""
    try:
        made = registry.load("couple.chemistries", name).model_validate(options)
    except ValidationError as error:
        raise explain(error, options).at(f"include.{name}") from None
    content: dict[str, Any] = made.content()
    return content
