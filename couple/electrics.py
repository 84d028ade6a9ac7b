"""What the loop asks of the electrical model; `adapters.neuron` implements it with NEURON.

Loading and attaching are two steps: the geometry of sites comes from the loaded model, and only with the
sites known is it clear where calcium and conductances are exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from couple.component import Component
from couple.geometry import Geometry

CALCIUM = "ca"


@dataclass(frozen=True)
class ModelSpec:
    """Where the electrical model is and how it steps.

    model: file; function: its builder; dt: ms; celsius, v_init (mV): None leaves them to the model.
    """

    model: Path
    function: str
    dt: float
    celsius: float | None
    v_init: float | None
    remove_cai_writers: bool = False


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
class IonSegments:
    """Segments where an ion, by NEURON's name of it ("ca"), is exchanged. initial: concentrations there, mM."""

    ion: str
    segments: tuple[str, ...]
    initial: tuple[float, ...] = ()

    @property
    def concentration(self) -> str:
        """The input port of its concentrations: "cai"."""
        return f"{self.ion}i"

    @property
    def charge(self) -> str:
        """The output port of its charge: "charge" for calcium, "charge_na" for another."""
        return "charge" if self.ion == CALCIUM else f"charge_{self.ion}"


@dataclass(frozen=True)
class Attachments:
    """Where the model is coupled; the order is the order of the port values.

    calcium:      segments whose `cai` the chemistry owns and whose calcium charge is handed out.
    conductances: what the chemistry sets.
    voltages:     segments whose voltage is handed out.
    cai:          initial concentrations at `calcium`, mM.
    seed:         of the experiment.
    others:       the same as `calcium` and `cai` for other ions.
    """

    calcium: tuple[str, ...]
    conductances: tuple[Conductance, ...]
    voltages: tuple[str, ...]
    cai: tuple[float, ...] = ()
    seed: int = 0
    others: tuple[IonSegments, ...] = ()

    @property
    def ions(self) -> tuple[IonSegments, ...]:
        """Calcium, then the others."""
        return (IonSegments(CALCIUM, self.calcium, self.cai), *self.others)


class ElectricalModel(Protocol):
    """A loaded model, not yet stepping."""

    def segments(self) -> Sequence[str]:
        """Names of all segments, as "head(0.5)"."""

    def resolve(self, segment: str) -> str:
        """The full name of the segment that `segment` means: "head(0.4)" → "Cell.head(0.5)".

        Raises InputError, with the nearest names, if there is no such segment.
        """

    def geometry(self, segment: str) -> Geometry:
        """Cylinder of a segment. Raises InputError, with the nearest names, if there is no such segment."""

    def area(self, segment: str) -> float:
        """Membrane area of a segment in µm², as NEURON has it."""

    def ions(self) -> Mapping[str, float]:
        """Charge number of every ion that the model knows, by name: {"ca": 2, "k": 1, ...}."""

    def describe(self) -> Sequence[str]:
        """Lines for `couple check`: sections, mechanisms that read or write calcium, which channel path is used."""

    def attach(self, attachments: Attachments) -> Component:
        """The stepping component, initialised at t = 0.

        Inputs  `cai` (n_calcium,) mM, and `nai` or the like of other ions; `g` (n_conductances,) S/cm² or µS.
        Outputs `charge` (n_calcium,) fC of calcium current over the last window (inward positive), and `charge_na` or
                the like of other ions; `v` (n_voltages,) mV.
        Raises InputError if a mechanism in a coupled segment writes such a concentration and may not be removed.
        """
