"""The ranks of a run, and processes that work for one: the only room that knows of MPI. Imports `base`."""
