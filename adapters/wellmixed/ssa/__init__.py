"""Engine `ssa`: the direct method of Gillespie, with propensities in groups and levels."""
