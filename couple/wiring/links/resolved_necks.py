"""Sites that hold their own neck: what joins them with others has only what lies beyond the neck's opening.

A site of finite elements may contain its neck. Ions then cross the opening, at the density there, not at the mean of
the site. With J the flux of a window τ, c the density at the opening, and V the volume that answers within a window
(`reach`)
    J = K (c' − c_other),  c' = c_free − J τ / V,  c_free = c_before + J_before τ / V,
the flux is implicit in the density it leaves behind: exact when nothing changes, and stable for any window.
"""

from __future__ import annotations

import math
from pathlib import Path

from couple.base.errors import InputError
from couple.base.units import quantity
from couple.chemistry.reaction import Species
from couple.experiment.sites.placement import Neck
from couple.wiring.sites.placed_site import PlacedSite

SAME = 1e-6
"""Diameters that differ by less than this part are one."""


def own_neck_opening(site: PlacedSite, neck: Neck | None, species: Species, folder: Path) -> float | None:
    """Diameter in µm of the opening of the neck that a site holds, None if it holds none that this link goes through.

    Raises InputError for a link with a neck of its own: it would count twice.
    """
    if site.cable is not None or neck is None:
        return None
    found = site.engine.neck(folder)
    if found is None:
        return None
    diameter, length = found
    bare = neck.diameter is not None and neck.length == 0
    if length == 0:  # a file names the opening; whether a neck is there nobody knows
        return diameter if bare else None
    if neck.conductance is not None:
        if species.D / quantity(neck.conductance, "diffusive conductance") < 4 * length / (math.pi * diameter**2):
            return diameter
    elif bare and neck.ends == 1 and neck.diameter is not None and abs(neck.diameter / diameter - 1) < SAME:
        return diameter
    raise InputError(
        f'"{site.name}" holds its neck of {diameter:g} x {length:g} um, which would count twice: what is left is the '
        f'end of the shaft, through = {{ diameter = "{diameter:g} um", length = "0 um", ends = 1 }}'
    )
