"""Types of fields that several tables share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import NAME

Integer = Annotated[int, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME)]
FUNCTION = r"[A-Za-z_][A-Za-z0-9_]*"
Model = Annotated[str, Field(min_length=1), ReadsFile("model", behind=FUNCTION)]
"""An electrical model: a file, or "cell.py:function", or "cell.hoc:Template"."""
