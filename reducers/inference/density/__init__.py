"""Posteriors as conditional densities: the port to the library of flows, and their file. Imports what is below it."""
