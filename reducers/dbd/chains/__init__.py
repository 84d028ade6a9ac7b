"""Rows of sites, exact by transfer matrices: endless, or different from place to place. Imports couple only."""
