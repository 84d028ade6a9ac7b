"""Simulations of parameters, by a function or by an experiment, kept as they are made. Imports problem and couple."""
