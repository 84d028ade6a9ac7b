"""The text of MOD files."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMENT = re.compile(r"^\s*COMMENT\b.*?^\s*ENDCOMMENT\b|^\s*TITLE[^\n]*|[:?][^\n]*", re.MULTILINE | re.DOTALL)


_VERBATIM = re.compile(r"\bVERBATIM\b.*?\bENDVERBATIM\b", re.DOTALL)


def without_comments(text: str) -> str:
    """The text of a MOD file without COMMENT blocks, TITLE and comments."""
    return _COMMENT.sub("", text)


def with_ranges(text: str, names: Sequence[str]) -> str:
    """The text with these variables declared as RANGE; as it is without a NEURON block."""
    head = re.search(r"\bNEURON\s*\{", blanked(text))
    if head is None or not names:
        return text
    return f"{text[: head.end()]} RANGE {', '.join(names)}\n{text[head.end() :]}"


def blanked(text: str) -> str:
    """As long a text with blanks in place of comments and of C: what is found in it stands there in the original."""
    without_c = _VERBATIM.sub(lambda match: _blanks(match[0]), text)
    return _COMMENT.sub(lambda match: _blanks(match[0]), without_c)


def _blanks(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
