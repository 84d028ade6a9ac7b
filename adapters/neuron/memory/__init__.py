"""NEURON's variables read and written in place or by pointer. Imports `hoc`."""
