"""What the loop asks of the electrical model; `adapters.neuron` implements it with NEURON.

Loading and attaching are two steps: the geometry of sites comes from the loaded model, and only with the
sites known is it clear where calcium and conductances are exchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from couple.base.arrays import Floats, Ints
from couple.components.attachments import Attachments, AxialPath, Parameter, ParameterPlaces
from couple.components.calls import Call, Windows
from couple.components.component import Component, State
from couple.components.model_spec import Contact, SpineSpec
from couple.geometry.geometry import Geometry


@dataclass(frozen=True)
class Section:
    """An unbranched piece of the model, for whoever places sites.

    region: "soma", "axon", "basal", "apical", another label, or "" if unknown. parent: name of the section that its
    0 end is connected to, None for a root. length: µm. segments: their number. distance: path from the middle of the
    soma (or of the root) to the 0 end, µm; a point at x is at distance + x·length (in the soma: at 0).
    at: where on the parent (0 to 1). end: which end of it is connected there, 0 in nearly all models.
    """

    name: str
    region: str
    parent: str | None
    length: float
    segments: int
    distance: float
    at: float = 1.0
    end: float = 0.0


class ElectricalComponent(Component):
    """A model that is attached and steps: the component that `ElectricalModel.attach` gives.

    inputs   `cai` (n_calcium,) mM, and `nai` or the like of other ions; `g` (n_conductances,) S/cm² or µS; `given`
             (n_given,) mM; `parameters` (n_parameters,) in their units, or as factors of what the model has. Where a
             concentration stays the model's, its value after the window stands in the place of one handed in.
             Of currents along the cable that ions carry `axial_conductance` µS and `axial_offset` nA (n_axials,): from
             the first segment to the second conductance x (V1 - V2) + offset. `size` (n_sized,): factors of the
             lengths of segments that grow.
    outputs  `charge` (n_calcium,) fC of calcium current over the last window (inward positive), and `charge_na` or
             the like of other ions; `v` (n_voltages,) mV; `range_eca` (n_segments,) or the like of every range
             variable that is asked for, in NEURON's unit; `axial_drop` (n_axials,) mV ms, the integral of V1 - V2 over
             the window.

    model_files: that the model was made from, besides those that the experiment names.
    """

    model_files: Sequence[Path]

    def windows(self, before: Sequence[Call], after: Sequence[Call], ticks: int) -> Windows | None:
        """A compiled loop over windows of so many ticks: `before`, the model's own calls, `after`; None without one.

        To the bit what `advance` does between the others, on the port values as they are attached now.
        """
        del before, after, ticks
        return None

    @abstractmethod
    def set_starts(self, concentrations: Sequence[float]) -> None:
        """Concentrations, mM, of all ions in the order of their ports, then those given to single mechanisms, with
        which `restart` begins.
        """

    @property
    @abstractmethod
    def channel_path(self) -> str:
        """Which coupling mechanisms run, as results say it: of NEURON "MOD" (compiled) or "KSChan"."""

    @property
    @abstractmethod
    def notes(self) -> Sequence[str]:
        """What was done with mechanisms of the model, a line each."""

    @property
    def axial_paths(self) -> Sequence[AxialPath]:
        """What the model itself has where ions carry the current along the cable, in the order of the attachments."""
        return ()

    @property
    @abstractmethod
    def stepping_seconds(self) -> float:
        """Seconds that this rank stepped so far, without waiting for spikes of others."""

    @property
    @abstractmethod
    def is_network(self) -> bool:
        """Whether cells have numbers and send each other spikes; another number of ranks can then take it up."""

    @property
    @abstractmethod
    def cell_count(self) -> int:
        """Number of cells of a network on this rank, 0 of another model."""

    @property
    @abstractmethod
    def cell_weights(self) -> Mapping[str, float]:
        """Cell of a network on this rank → its share of the work, in any one unit; none of another model."""

    @property
    @abstractmethod
    def spikes(self) -> tuple[Floats, Ints] | None:
        """(n,) times in ms and (n,) numbers of the cells on this rank that fired; None where cells have no numbers."""

    @abstractmethod
    def restore_from_ranks(self, parts: Sequence[State]) -> None:
        """Take up a network's state, or that of a cell on the first rank, from what each of any number of ranks saved.

        Raises InputError for a model that only as many ranks as wrote it can take up.
        """


class ElectricalModel(ABC):
    """A loaded model, not yet stepping."""

    @abstractmethod
    def segments(self) -> Sequence[str]:
        """Names of all segments, as "head(0.5)"."""

    @abstractmethod
    def sections(self) -> Sequence[Section]:
        """All sections, in the order of their creation."""

    @abstractmethod
    def points(self, section: str) -> Floats:
        """(n, 4) x, y, z and diameter along a section, µm; (0, 4) if it was given as length and diameter."""

    @abstractmethod
    def resolve(self, segment: str) -> str:
        """The full name of the segment that `segment` means: "head(0.4)" → "Cell.head(0.5)".

        Raises InputError, with the nearest names, if there is no such segment.
        """

    @abstractmethod
    def geometry(self, segment: str) -> Geometry:
        """Cylinder of a segment. Raises InputError, with the nearest names, if there is no such segment."""

    @abstractmethod
    def area(self, segment: str) -> float:
        """Membrane area of a segment in µm², as NEURON has it."""

    @abstractmethod
    def range_variables(self, segment: str) -> Sequence[str]:
        """Names of the range variables of mechanisms and ions in a segment: "m_hh", "eca"."""

    @abstractmethod
    def mechanisms(self, segment: str) -> Sequence[str]:
        """Names of all that has parameters in a segment, as `Parameter.mechanism` has them."""

    @abstractmethod
    def find_parameter(self, parameter: Parameter) -> ParameterPlaces | None:
        """What a parameter is in its segment, None where nothing has that name.

        Raises InputError, with what to do, for one that there is not or that cannot be set.
        """

    @abstractmethod
    def grow(self, spines: Sequence[SpineSpec]) -> None:
        """Add spines; before anything is attached. Raises InputError that names the key of one that cannot be."""

    @abstractmethod
    def connect(self, contacts: Sequence[Contact]) -> None:
        """Give the cells of a network their numbers and connect them; after `grow`, before anything is attached."""

    @abstractmethod
    def distances(self, origin: str) -> Mapping[str, float]:
        """Path distance in µm from the middle of the segment `origin` to those of all segments connected to it."""

    @abstractmethod
    def ions(self) -> Mapping[str, float]:
        """Charge number of every ion that the model knows, by name: {"ca": 2, "k": 1, ...}."""

    @abstractmethod
    def carriers(self, segment: str, ion: str) -> Sequence[str]:
        """Names of the mechanisms that carry a current of an ion into a segment."""

    @abstractmethod
    def held_reversal(self, segment: str, ion: str) -> float | None:
        """mV at which the model holds the reversal potential of an ion against its concentrations; None if it follows
        them, or if nobody has set it.
        """

    @property
    @abstractmethod
    def notices(self) -> Sequence[str]:
        """What is done with the model that its author may not expect, a line each, for warnings."""

    @abstractmethod
    def describe(self) -> Sequence[str]:
        """Lines for `couple check`: sections, mechanisms that read or write calcium, which channel path is used."""

    @abstractmethod
    def attach(self, attachments: Attachments) -> ElectricalComponent:
        """The stepping component, initialised at t = 0.

        Raises InputError if a mechanism in a coupled segment writes such a concentration and may not be removed.
        """

    @abstractmethod
    def record_steps(self, segments: Sequence[str]) -> None:
        """Record V of these at every step from the next `attach` on, until the model is released."""

    @abstractmethod
    def recorded_steps(self) -> Floats:
        """(steps + 1, segments) what `record_steps` has of them, mV."""

    @property
    @abstractmethod
    def couple_builds(self) -> str:
        """What of the model is in no file that could be run without couple; "" if all is."""

    @abstractmethod
    def alone(self, segments: Sequence[str], steps: int) -> Floats:
        """(steps + 1, segments) V of the same model with nothing attached, mV, from a fresh process; seed 0.

        Raises RunError with the reason where it cannot be run.
        """
