"""The ranks of a run: the only room that knows of MPI. Imports `base`."""
