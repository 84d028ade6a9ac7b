"""The chemical master equation by finite state projection: an engine (`cme`) and distributions over time (`solve`)."""

from adapters.cme.engine import CmeOptions, MasterEquation
from adapters.cme.solve import MasterEquationSolution, solve

__all__ = ["CmeOptions", "MasterEquation", "MasterEquationSolution", "solve"]
