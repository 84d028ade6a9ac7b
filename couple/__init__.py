"""`couple` advances a NEURON model in closed loop with the biochemistry of its spines and dendrites."""
