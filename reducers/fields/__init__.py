"""Spatial dynamic Boltzmann distributions: finite-element fields ν(x, t) and their laws. Imports `dbd`."""
