"""Surfaces of triangles: their files, what is wrong with them, what they hold. Imports `base`, `files`."""
