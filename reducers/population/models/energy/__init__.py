"""Boltzmann machines over patterns: energies, sums over all patterns, Gibbs chains, and fits."""
