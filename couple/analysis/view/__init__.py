"""`couple view`: a result folder in the browser, on this machine alone, also while a run goes on in it."""

from __future__ import annotations

from couple.analysis.view.server import Viewer

__all__ = ["Viewer"]
