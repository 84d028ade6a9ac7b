"""The libraries behind meshes: DOLFINx and gmsh, each imported in one place, and compiled forms."""
