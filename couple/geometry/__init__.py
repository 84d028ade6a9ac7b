"""Shapes of sites: volumes, membranes, cables and masks. Imports `base`."""
