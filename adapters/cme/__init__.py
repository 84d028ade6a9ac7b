"""The chemical master equation by finite state projection: an engine (`cme`) and distributions over time (`solve`)."""

from adapters.cme.engine import MasterEquation, Options
from adapters.cme.solve import Distributions, solve

__all__ = ["Distributions", "MasterEquation", "Options", "solve"]
