"""What --json prints of chemistry that was read."""

from __future__ import annotations

from pydantic import Field

from couple.cli.output.documents import ImportedOutput


class MatrixOutput(ImportedOutput):
    """A transition matrix as TOML."""

    largest_difference: float = Field(description="of the matrix of these rates from that of the file")
