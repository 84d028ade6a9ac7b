"""Commands that make many runs: sample, branch, regimes."""
