"""What `Experiment.with_surrogate` needs to know of a learned model."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class SurrogateModel(Protocol):
    """A learned model. name: a word. path: of its file."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def path(self) -> str | Path:
        """Of its file."""
