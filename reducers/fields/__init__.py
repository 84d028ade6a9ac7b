"""Spatial dynamic Boltzmann distributions: interactions ν(x, t) that are finite-element fields, and their laws."""
