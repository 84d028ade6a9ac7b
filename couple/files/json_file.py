"""JSON files that are read again: with a digest of their content, by which a flipped digit is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.base.regular_file import read_regular

DIGEST = "sha256"
"""Key of the digest: of the text of all others, as Python writes it with `indent=1`."""


def sealed_json(content: Mapping[str, Any]) -> str:
    """The text of a file that holds `content` and its digest."""
    plain = json.loads(json.dumps(content))
    return json.dumps({**plain, DIGEST: _digest(plain)}, indent=1) + "\n"


def read_sealed_json(path: Path, remedy: str, *, by_hand: bool = False) -> dict[str, Any]:
    """The content of a file that `sealed_json` made. remedy: what to do about a damaged one. by_hand: whether a file
    without a digest is taken too.

    Raises InputError if it is damaged, FileNotFoundError if there is none.
    """
    try:
        found = json.loads(read_regular(path))
        given = found.pop(DIGEST, None) if isinstance(found, dict) else ""
        fits = given == _digest(found) or (given is None and by_hand)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read or is damaged ({error}): {remedy}", where=str(path)) from None
    if not fits:
        raise InputError(f"is damaged: its content does not match its digest: {remedy}", where=str(path))
    content: dict[str, Any] = found
    return content


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, indent=1).encode()).hexdigest()
