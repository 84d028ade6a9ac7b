"""NEURON's fixed steps: one window after the other, or many in one call. Imports `hoc`, `mechanisms`."""
