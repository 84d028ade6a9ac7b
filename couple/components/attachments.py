"""Where an electrical model is coupled, and what is exchanged there: ions, conductances, parameters, voltages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from couple.components.model_spec import CaiWriters

CALCIUM = "ca"


@dataclass(frozen=True)
class Conductance:
    """A conductance that chemistry sets at a segment.

    kind: "density" (values in S/cm²) or "point" (µS). ion: whose reversal potential it has ("k"); `reversal` (mV)
    instead makes it a nonspecific current with that fixed reversal.
    """

    name: str
    segment: str
    kind: Literal["density", "point"] = "density"
    ion: str = "k"
    reversal: float | None = None


@dataclass(frozen=True)
class Parameter:
    """A parameter that chemistry sets in a segment.

    mechanism: point processes by their kind ("Exp2Syn"), number ("Exp2Syn[3]"), HOC reference or role ("AMPA"), or a
    density mechanism. name: of the parameter; "weight", and "gmax" of receptors that couple has made, is that of the
    connections that drive a synapse. relative: whether what is set are factors of what the model has.
    """

    mechanism: str
    name: str
    segment: str
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.mechanism}.{self.name}"


@dataclass(frozen=True)
class ParameterPlaces:
    """What a Parameter is in a model: `unit` of its numbers ("" without one), `names` of all that are set together, and
    the `values` that the model has there.
    """

    unit: str
    names: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class IonSegments:
    """Segments where an ion, by NEURON's name of it ("ca"), is exchanged.

    initial: concentrations there, mM. listened: those of the segments whose charge is handed out while the
    concentration stays the model's; what is initial there is not used. writers: segment → what becomes of mechanisms
    that write it there, where that is not what the model's `cai_writers` says.
    """

    ion: str
    segments: tuple[str, ...]
    initial: tuple[float, ...] = ()
    listened: frozenset[str] = frozenset()
    writers: Mapping[str, CaiWriters] = field(default_factory=dict)

    @property
    def concentration(self) -> str:
        """The input port of its concentrations: "cai"."""
        return f"{self.ion}i"

    @property
    def charge(self) -> str:
        """The output port of its charge: "charge" for calcium, "charge_na" for another."""
        return "charge" if self.ion == CALCIUM else f"charge_{self.ion}"


@dataclass(frozen=True)
class Given:
    """The concentration of an ion that one mechanism reads in a segment, while the model's goes on for all others."""

    ion: str
    mechanism: str
    segment: str


@dataclass(frozen=True)
class Axial:
    """Two segments between which the chemistry's ions carry the current along the cable. key: of the link that asks."""

    first: str
    second: str
    key: str = "link"


@dataclass(frozen=True)
class AxialPath:
    """What a model has between two such segments: its conductance in µS, and the membrane on the way in µm²."""

    conductance: float
    membrane: float


@dataclass(frozen=True)
class Attachments:
    """Where the model is coupled; the order is the order of the port values.

    calcium:      segments whose calcium charge is handed out and whose `cai` the chemistry owns.
    conductances: what the chemistry sets.
    voltages:     segments whose voltage is handed out.
    cai:          initial concentrations at `calcium`, mM.
    seed:         of the experiment.
    others:       the same as `calcium` and `cai` for other ions.
    listened:     segments of `calcium` whose `cai` stays the model's.
    ranges:       (segment, variable) of range variables that are handed out, grouped by variable.
    parameters:   of mechanisms, which the chemistry sets.
    writers:      the same as `IonSegments.writers`, of `calcium`.
    given:        concentrations of single mechanisms that the chemistry sets, and at the start (mM) in `given_start`.
    axials:       where the chemistry's ions carry the current along the cable.
    sized:        segments that grow and shrink with their sites.
    """

    calcium: tuple[str, ...]
    conductances: tuple[Conductance, ...]
    voltages: tuple[str, ...]
    cai: tuple[float, ...] = ()
    seed: int = 0
    others: tuple[IonSegments, ...] = ()
    listened: frozenset[str] = frozenset()
    ranges: tuple[tuple[str, str], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    writers: Mapping[str, CaiWriters] = field(default_factory=dict)
    given: tuple[Given, ...] = ()
    given_start: tuple[float, ...] = ()
    axials: tuple[Axial, ...] = ()
    sized: tuple[str, ...] = ()

    @property
    def axial_names(self) -> tuple[str, ...]:
        """Both segments of every one of `axials`."""
        return tuple(f"{a.first} <-> {a.second}" for a in self.axials)

    @property
    def segments_of(self) -> dict[str, tuple[str, ...]]:
        """Range variable → segments in which it is handed out."""
        found: dict[str, list[str]] = {}
        for segment, variable in self.ranges:
            found.setdefault(variable, []).append(segment)
        return {variable: tuple(segments) for variable, segments in found.items()}

    @property
    def ions(self) -> tuple[IonSegments, ...]:
        """Calcium, then the others."""
        return (IonSegments(CALCIUM, self.calcium, self.cai, self.listened, self.writers), *self.others)
