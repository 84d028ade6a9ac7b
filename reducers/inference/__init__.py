"""Simulation-based inference: posteriors over parameters of a model, from simulations. Imports couple.

The rooms, each importing those before it: problem, simulation, density, methods, diagnostics.
"""
