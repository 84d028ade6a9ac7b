"""Engine `pde`: reaction and diffusion on finite elements, along whole sections as well."""

from __future__ import annotations

from adapters.fem.cable_pde import CableReactionDiffusion
from adapters.fem.field_engine import FieldEngine
from couple.components.capabilities import ResolvesCables
from couple.components.engine import SiteEngine


class ReactionDiffusion(FieldEngine, ResolvesCables):
    """The fields of sites that one geometry each describes; names the class for sites along sections."""

    @classmethod
    def cable_engine(cls) -> type[SiteEngine]:
        """See ResolvesCables: fields on a branching line."""
        return CableReactionDiffusion
