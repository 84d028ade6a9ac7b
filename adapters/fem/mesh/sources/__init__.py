"""Where meshes come from: built-in geometries, files of gmsh, surfaces of triangles."""
