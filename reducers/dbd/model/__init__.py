"""A dynamic Boltzmann distribution as a file: settings, what is built of them. Imports `energy`, `laws`, `fit`."""
