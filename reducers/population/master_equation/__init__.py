"""The neural master equation: two-state neurons that activate at f(Σ w s) and decay, exactly and in moments."""
