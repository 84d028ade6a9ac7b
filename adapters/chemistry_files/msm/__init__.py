"""Markov state models: transition matrices as chemistry."""
