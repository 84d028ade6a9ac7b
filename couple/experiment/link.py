"""[[link]]: what crosses between sites and the electrical model, or between sites."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import END, Block
from couple.base.units import Conductance, Voltage
from couple.experiment.placement import Neck


class LinkBlock(Block):
    """Something that crosses, as from = "neuron.ica", to = "head.Ca".

    Between two sites, from = "head.Ca", to = "shaft.Ca", a species diffuses, `through` a neck. A * stands for every
    site that fits; if both ends have one, it stands for the same on both. conductance: of one open channel, pS;
    reversal: mV.
    from: what is read: "neuron.ica", "SITE.SPECIES", "SITE.OBSERVABLE". to: where it goes: "SITE.SPECIES",
    "neuron.cai", "neuron.SK". kind: of the conductance in NEURON: of the segment's membrane, or of a point. ion:
    whose reversal potential it has. extrapolate: continue the course of the last window instead of holding its
    value. through: the neck between two sites. at: where the neck opens into a site along sections.
    """

    source: str = Field(alias="from", pattern=END)
    target: str = Field(alias="to", pattern=END)
    conductance: Conductance | None = Field(default=None, gt=0)
    kind: Literal["density", "point"] = "density"
    ion: Literal["k", "na", "ca"] = "k"
    reversal: Voltage | None = None
    extrapolate: bool = False
    """Hand over the value expected in the middle of the next window, by a line through the last two."""
    through: Neck | None = None
    at: str | None = None
    """Where it opens into a site along sections, "dend(0.3)"; by default where the neck section stands."""

    @property
    def joins_sites(self) -> bool:
        """Whether it is a diffusion between two sites."""
        return not (self.source.startswith("neuron.") or self.target.startswith("neuron."))

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.through is not None and not self.joins_sites:
            raise ValueError('through: only between two sites, as in from = "head.Ca", to = "shaft.Ca"')
        if self.at is not None and not self.joins_sites:
            raise ValueError("at: only between two sites, of which one lies along sections")
        channel = self.target.startswith("neuron.") and self.target != "neuron.cai"
        given = self.model_fields_set & {"conductance", "kind", "ion", "reversal"}
        if given and not channel:
            raise ValueError(f'{", ".join(sorted(given))}: only for a conductance, as in to = "neuron.SK"')
        if {"ion", "reversal"} <= self.model_fields_set:
            raise ValueError("give ion or reversal, not both")
        if self.extrapolate and not self.target.startswith("neuron."):
            raise ValueError("extrapolate: only for what is handed to neuron; ions are never extrapolated")
        return self
