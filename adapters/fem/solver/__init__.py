"""Assembly, kernels and time steps of reacting and diffusing fields. Imports `mesh`."""
