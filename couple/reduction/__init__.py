"""Reduced models from Python, of families that other packages register; imports base, experiment and simulation."""
