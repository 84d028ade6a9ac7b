"""Well-mixed chemistry: `ssa` with whole molecules (Gillespie), `ode` with real numbers (mass action)."""

from adapters.wellmixed.common.base import WellMixed

__all__ = ["WellMixed"]
