"""Types of fields that several tables share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from couple.base.schema import NAME

Integer = Annotated[int, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME)]
