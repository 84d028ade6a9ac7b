"""[[link]]: what crosses between sites and the electrical model, or between sites."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import END, TARGET, Block
from couple.base.units import Conductance, Time, Voltage
from couple.experiment.run import LEAST_TOLERANCE
from couple.experiment.sites.placement import Names, Neck
from couple.experiment.sites.response import Response, Value


class LinkBlock(Block):
    """Something that crosses, as from = "neuron.ica", to = "head.Ca".

    Between two sites, from = "head.Ca", to = "shaft.Ca", a species diffuses, `through` a neck. A * stands for every
    site that fits; if both ends have one, it stands for the same on both. conductance: of one open channel, pS;
    reversal: mV.
    from: what is read: "neuron.ica", "SITE.SPECIES", "SITE.OBSERVABLE". to: where it goes: "SITE.SPECIES",
    "neuron.cai", "neuron.SK", or "neuron.AMPA.gmax": a parameter of the site's synapses or density mechanisms. kind: of
    the conductance in NEURON: of the segment's membrane, or of a point. ion: whose reversal potential it has.
    extrapolate: continue the course of the last window instead of holding its value. tolerance: as iteration.tolerance,
    of this link. function: what the parameter is
    by the amount that is read, as { kind = "hill", low = "0.1 nS", high = "0.3 nS", half = 40, n = 4 }. tau: time
    constant with which it follows that. start: the parameter at the start, by default what the function gives then.
    relative: values are factors of what the model has. through: the neck between two sites. at: where the neck opens
    into a site along sections.
    free_fraction: of the ions of a current, that which stays free and enters the site; the rest goes to buffers that
    nothing describes (the gamma of calcium pools). mechanisms: to which alone a concentration is handed, by name; for
    all others the model's own goes on.
    drift: between two sites, ions cross with their charge: they drift in the voltage between the two segments as they
    diffuse, and the currents of all such links take the place of NEURON's along the cable. pieces: in how many the neck
    is divided for that, by default 8. untracked: what ions of no such link carry: "ohmic", what NEURON's conductance
    has beyond that of the tracked ones at the start, or "none".
    """

    source: str = Field(alias="from", pattern=END)
    target: str = Field(alias="to", pattern=TARGET)
    conductance: Conductance | None = Field(default=None, gt=0)
    kind: Literal["density", "point"] = "density"
    ion: Literal["k", "na", "ca"] = "k"
    reversal: Voltage | None = None
    extrapolate: bool = False
    """Hand over the value expected in the middle of the next window, by a line through the last two."""
    tolerance: float | None = Field(default=None, ge=LEAST_TOLERANCE, lt=1, strict=True)
    function: Response | None = None
    tau: Time | None = Field(default=None, gt=0)
    start: Value | None = None
    relative: bool = False
    free_fraction: float = Field(default=1.0, gt=0, le=1)
    mechanisms: Names | None = Field(default=None, min_length=1)
    through: Neck | None = None
    at: str | None = None
    """Where it opens into a site along sections, "dend(0.3)"; by default where the neck section stands."""
    drift: bool = Field(default=False, strict=True)
    pieces: Annotated[int, Field(ge=1, le=64, strict=True)] | None = None
    untracked: Literal["ohmic", "none"] | None = None

    @property
    def sets_parameter(self) -> bool:
        """Whether it sets a parameter of mechanisms, as to = "neuron.AMPA.gmax" does."""
        return self.target.startswith("neuron.") and self.target.count(".") == 2

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
        if self.drift and not self.joins_sites:
            raise ValueError('drift: only between two sites, as in from = "head.Na", to = "shaft.Na"')
        given = {"pieces", "untracked"} & self.model_fields_set
        if given and not self.drift:
            raise ValueError(f"{', '.join(sorted(given))}: only with drift = true")
        channel = self.target.startswith("neuron.") and self.target != "neuron.cai" and not self.sets_parameter
        self._check_parameter()
        if self.tolerance is not None and not self.target.startswith("neuron."):
            raise ValueError("tolerance: only for what is handed to neuron; ions follow from it")
        given = self.model_fields_set & {"conductance", "kind", "ion", "reversal"}
        if given and not channel:
            raise ValueError(f'{", ".join(sorted(given))}: only for a conductance, as in to = "neuron.SK"')
        if "free_fraction" in self.model_fields_set and not self.source.startswith("neuron.i"):
            raise ValueError('free_fraction: only of a current, as in from = "neuron.ica"')
        if self.mechanisms is not None and not (self.target.startswith("neuron.") and not given):
            raise ValueError('mechanisms: only for a concentration, as in to = "neuron.cai"')
        if {"ion", "reversal"} <= self.model_fields_set:
            raise ValueError("give ion or reversal, not both")
        if self.extrapolate and not self.target.startswith("neuron."):
            raise ValueError("extrapolate: only for what is handed to neuron; ions are never extrapolated")
        return self

    def _check_parameter(self) -> None:
        given = self.model_fields_set & {"function", "tau", "start", "relative"}
        if not self.sets_parameter:
            if given:
                raise ValueError(f'{", ".join(sorted(given))}: only for a parameter, as in to = "neuron.AMPA.gmax"')
            if self.target.count(".") > 1:
                raise ValueError(f'to: "{self.target}" is none of "SITE.SPECIES", "neuron.cai", "neuron.AMPA.gmax"')
            return
        if self.function is None:
            raise ValueError(
                f"function: is missing: say what {self.target.removeprefix('neuron.')} is by the amount of "
                f'{self.source}, as in {{ kind = "hill", low = "0.1 nS", high = "0.3 nS", half = 40, n = 4 }}'
            )
        if self.extrapolate:
            raise ValueError("extrapolate: only for concentrations and conductances")
