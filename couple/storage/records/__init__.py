"""Records of runs: written while they run, read by the names of what was recorded, and as tables."""
