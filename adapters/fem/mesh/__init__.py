"""Meshes of heads, necks and dendrites, and the one import of DOLFINx."""
