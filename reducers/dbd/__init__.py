"""Dynamic Boltzmann distributions: energy models whose parameters move by a learned law. Imports `data`, `training`."""
