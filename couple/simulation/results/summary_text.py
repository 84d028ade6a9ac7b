"""summary.json as text: indented; of many sites, a line for each entry of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LARGE = 1 << 20
"""Characters above which indentation is most of the file, and of the time that it takes to write it."""
DEPTH = 2
"""How deep tables lie in a summary."""


def summary_text(summary: Mapping[str, Any], large: int = LARGE) -> str:
    """JSON of a summary."""
    text = json.dumps(summary)
    if len(text) < large:
        return json.dumps(summary, indent=2) + "\n"
    return _lines(summary, DEPTH + 1) + "\n"


def _lines(value: Any, depth: int) -> str:
    if depth and value and isinstance(value, Mapping):
        return "{\n" + ",\n".join(f"{json.dumps(str(k))}: {_lines(v, depth - 1)}" for k, v in value.items()) + "\n}"
    if depth and value and isinstance(value, list | tuple):
        return "[\n" + ",\n".join(map(json.dumps, value)) + "\n]"
    return json.dumps(value)
