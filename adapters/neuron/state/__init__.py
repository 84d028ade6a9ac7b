"""Saving, restoring and moving a NEURON model to the bit."""
