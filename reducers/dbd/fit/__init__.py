"""Learning a law of motion: paths and adjoints, comparisons with data, optimisers, rates. Imports `energy`, `laws`."""
