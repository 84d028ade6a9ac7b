"""Files of meshes that libraries read: PLY, OBJ and OFF by trimesh, VTK and MSH by meshio. May import `couple`."""
