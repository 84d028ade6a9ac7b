"""What --json prints of published figures."""

from __future__ import annotations

from pydantic import Field

from couple.cli.output.quantities import Output


class ListedFigureOutput(Output):
    """A figure that can be made again."""

    name: str
    title: str
    source: str
    minutes: float


class NumberOutput(Output):
    """A number beside the published one; null where the source has a picture only."""

    what: str
    ours: float | None
    standard_error: float | None
    published: float | None
    agrees: bool | None


class ReproducedOutput(Output):
    """A figure that was made again."""

    name: str
    source: str
    rows: list[NumberOutput]
    figure: str = Field(description="the picture")


Reproduction = ReproducedOutput | list[ListedFigureOutput]
