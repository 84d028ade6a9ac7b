"""What an experiment is put together from: includes, files, its own tables, what is set from outside; in that order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.toml import key_of, override_value
from couple.experiment.merge.chemistry_layers import FIRST, whole_chemistry


def names_layers(override: str) -> bool:
    """Whether "key=value" says which layers there are, as "chemistry.file=other.toml" does."""
    first, *rest = key_of(override).split(".")
    return first == "chemistry" and bool(rest) and rest[0] in FIRST


def with_layers(
    given: Mapping[str, Any], folder: Path, where: str, overrides: Iterable[str]
) -> tuple[dict[str, Any], dict[Path, str]]:
    """The content of an experiment with its layers in one; chemistry files that were read, with their paths as given.

    overrides: of which those that name layers are applied here, before these are read. where: the experiment, for
    messages. Raises InputError that names the key, or the file.
    """
    content: dict[str, Any] = json.loads(json.dumps(given))
    for override in filter(names_layers, overrides):
        override_value(content, override)
    chemistry = content.get("chemistry")
    if not isinstance(chemistry, dict):
        return content, {}
    try:
        content["chemistry"], files = whole_chemistry(chemistry, folder)
    except InputError as error:
        of_a_key = error.where.partition(".")[0] in FIRST
        raise error.at("chemistry").inside(where) if of_a_key else error from None
    return content, files
