"""Chemistries that ship with couple: `[chemistry] include.NAME = { options }` adds their species and reactions."""

from __future__ import annotations

from collections.abc import Mapping
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


def added(chemistry: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables in one; what the user declares by the same name wins over what is included."""
    joined = dict(chemistry)
    for key, value in more.items():
        own = chemistry.get(key)
        if own is None:
            joined[key] = value
        elif isinstance(own, Mapping) and isinstance(value, Mapping):
            joined[key] = {**value, **own}
        elif isinstance(own, list | tuple) and isinstance(value, list | tuple):
            joined[key] = [*own, *value]
        # else the user's is not what it must be, and the model says so
    return joined
