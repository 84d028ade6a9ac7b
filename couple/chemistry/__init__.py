"""Reaction networks: species, reactions, rates and whole-number amounts. Imports `base`."""
