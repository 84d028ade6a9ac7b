"""One HTML file of a run or an ensemble, for a browser without a network: curves, shapes in space, books."""

from couple.analysis.report.report import report

__all__ = ["report"]
