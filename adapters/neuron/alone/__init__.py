"""The model in NEURON alone, in a process of its own, with which coupling is compared. Imports models and `hoc`."""
