"""Boltzmann machines by Markov chains: Gibbs sampling, tempering, ln Z, and where fits begin. Imports `energy`."""
