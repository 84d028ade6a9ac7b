"""Where a neck opens into a resolved site: the facets through which ions come in, and go."""

from __future__ import annotations

import numpy as np

from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.mesh.library.dolfinx_import import dolfinx, ufl
from adapters.fem.mesh.library.form_cache import compiled
from adapters.fem.mesh.sources.build import exterior_facets
from couple.base.arrays import Floats
from couple.geometry.geometry import Geometry


def neck_opening_weights(d: Discretisation, geometry: Geometry, diameter: float) -> Floats | None:
    """(N,) share of each node in an even flux through the opening of a neck; None where the mesh has no such place.

    Of a mesh from a file: the physical surface "opening". Of a built-in one of a cylinder: the facets in the middle of
    its lower end, as far as the neck is wide, at least those nearest to the axis.
    """
    mesh, facets = d.domain.mesh, d.domain.neck_opening
    if facets is None:
        if d.domain.from_file or geometry.shape != "cylinder" or mesh.topology.dim == 1:
            return None
        facets = _facets_around_axis(d, geometry, diameter)
    tags = dolfinx.mesh.meshtags(mesh, mesh.topology.dim - 1, np.sort(facets), np.ones(len(facets), np.int32))
    through = ufl.ds(1, domain=mesh, subdomain_data=tags)
    form = ufl.TestFunction(d.space) * d.domain.weight(ufl.SpatialCoordinate(mesh)) * through
    found = np.asarray(dolfinx.fem.assemble_vector(compiled(form)).array, dtype=np.float64)
    return np.asarray(found / found.sum())


def _facets_around_axis(d: Discretisation, geometry: Geometry, diameter: float) -> np.ndarray:
    mesh, axis = d.domain.mesh, d.domain.mesh.topology.dim - 1
    facets = exterior_facets(mesh)
    middle = dolfinx.mesh.compute_midpoints(mesh, axis, facets)
    facets = facets[low := middle[:, axis] < -geometry.size[1] / 2 * (1 - 1e-9)]
    away = np.linalg.norm(middle[low][:, :axis], axis=1)
    return np.asarray(facets[away <= max(diameter / 2, float(away.min()) * (1 + 1e-9))])
