"""Well-mixed chemistry: `ssa` with whole molecules (Gillespie), `ode` with real numbers (mass action)."""
