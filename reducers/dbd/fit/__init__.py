"""Learning a law of motion: adjoints, comparisons with data, optimisers, rates. Imports `energy`, `laws`."""
