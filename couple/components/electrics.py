"""What the loop asks of the electrical model; `adapters.neuron` implements it with NEURON.

Loading and attaching are two steps: the geometry of sites comes from the loaded model, and only with the
sites known is it clear where calcium and conductances are exchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from couple.base.arrays import Floats, Ints
from couple.components.component import Component, State
from couple.geometry.geometry import Geometry

CALCIUM = "ca"
CaiWriters = Literal["refuse", "remove", "ignore", "emulate"]
"""What is done with mechanisms of the model that write the concentration of an ion where chemistry owns it.

refuse: an error that names them. remove: density mechanisms are taken out of the coupled sections, with all that they
do, currents too. ignore: they stay and their currents count, but what they write into `cai` of a coupled segment is
overwritten within the same step, before anything can read it. emulate: they stay and go on beside the chemistry with a
concentration of their own, as in the model alone, which nothing else reads.
"""

Reversal = Literal["nernst", "keep"]
"""What becomes of the reversal potential of an ion whose concentration chemistry owns.

nernst: it follows the concentrations, whatever the model has set. keep: it stays what the model makes of it.
"""


@dataclass(frozen=True)
class Current:
    """A current clamp: `amplitude` (nA) into `segment` for `duration` ms from `start` ms on."""

    segment: str
    start: float
    duration: float
    amplitude: float
    key: str = ""


@dataclass(frozen=True)
class CellSpec:
    """A cell of a network that is on this rank.

    gid: its number in the whole network. key: where its population stands in the file. model, function, arguments: as
    in ModelSpec. spikes: the segment whose voltage, crossing `threshold` (mV) upwards, is a spike.
    """

    name: str
    gid: int
    key: str
    model: Path
    function: str
    arguments: Mapping[str, Any] | Sequence[Any]
    spikes: str
    threshold: float


@dataclass(frozen=True)
class Train:
    """Spikes from outside: at `times` (ms), or from `start` on at random with a mean `rate` (/ms) in a stream."""

    times: tuple[float, ...] = ()
    rate: float = 0.0
    start: float = 0.0
    stream: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Contact:
    """Receptors in a segment, and what drives them: cells by (gid, delay in ms), and trains.

    key: where it stands in the file. weight: peak conductance of an event, µS.
    """

    key: str
    segment: str
    receptor: Literal["AMPA", "NMDA", "GABA"]
    weight: float
    sources: tuple[tuple[int, float], ...] = ()
    trains: tuple[Train, ...] = ()


@dataclass(frozen=True)
class ModelSpec:
    """Where the electrical model is and how it steps.

    model: file. function: its builder, class or HOC template; "" takes the file as a whole. dt: ms.
    celsius, v_init (mV): None leaves them to the model. arguments: of the builder, by name or in order.
    mechanisms: MOD files, or folders of them. biophysics: the block of that name, for a bare morphology.
    init: the procedure that starts it, "none", or "" for its own init() where it has one. cvode_off: whether CVODE is
    switched off where the model switches it on.
    """

    model: Path
    function: str
    dt: float
    celsius: float | None
    v_init: float | None
    cai_writers: CaiWriters = "refuse"
    arguments: Mapping[str, Any] | Sequence[Any] = ()
    mechanisms: tuple[Path, ...] = ()
    biophysics: Mapping[str, Any] | None = None
    currents: tuple[Current, ...] = ()
    cells: tuple[CellSpec, ...] = ()
    """Of a network, those of this rank; `model` is then that of the first."""
    rank: int = 0
    size: int = 1
    init: str = ""
    cvode_off: bool = False
    second_order: bool | None = None
    """Whether steps are of second order in dt; None leaves it to the model."""
    eca: Reversal = "nernst"
    """Of calcium, and of any other ion alike."""
    before: tuple[Path, ...] = ()
    after: tuple[Path, ...] = ()
    uninsert: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """Files of HOC around the model's; mechanisms taken out, values set: see `adapters.neuron.models.overrides`."""
    given: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Mechanism → the ion whose concentration the chemistry may give it alone, and the key that says so."""
    helped: bool = False
    """Whether other ranks help with the sites of a single cell: it is on the first, the others have none of it."""


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


@dataclass(frozen=True)
class SynapseSpec:
    """AMPA and NMDA receptors on a spine head and the spikes that drive them.

    ampa, nmda: peak conductances, µS. times: of the spikes, ms; or, with a `rate` (/ms), a Poisson train from `start`.
    stream: numbers that key its random stream, with that of the cell in a network; NEURON adds the experiment's seed.
    """

    ampa: float
    nmda: float
    times: tuple[float, ...] = ()
    rate: float = 0.0
    start: float = 0.0
    stream: tuple[int, int] = (0, 0)
    cell: int = 0


@dataclass(frozen=True)
class SpineSpec:
    """A spine to grow: sections NAME.neck and NAME.head.

    key: where it stands in the file. section, x: of the branch. head, neck: (diameter, length), µm.
    head_channels, neck_channels: density mechanism → variable → value with its unit, or a number.
    Ra (ohm cm), cm (uF/cm²), leak (conductance as text, reversal in mV): those of the branch if None.
    """

    name: str
    key: str
    section: str
    x: float
    head: tuple[float, float]
    neck: tuple[float, float]
    head_channels: Mapping[str, Mapping[str, str | float]]
    neck_channels: Mapping[str, Mapping[str, str | float]]
    Ra: float | None = None
    cm: float | None = None
    leak: tuple[str, float] | None = None
    synapse: SynapseSpec | None = None
    away: float | None = None
    """Path distance in µm, where the block asked for one."""


class ElectricalComponent(Component):
    """A model that is attached and steps: the component that `ElectricalModel.attach` gives.

    inputs   `cai` (n_calcium,) mM, and `nai` or the like of other ions; `g` (n_conductances,) S/cm² or µS; `given`
             (n_given,) mM; `parameters` (n_parameters,) in their units, or as factors of what the model has. Where a
             concentration stays the model's, its value after the window stands in the place of one handed in.
    outputs  `charge` (n_calcium,) fC of calcium current over the last window (inward positive), and `charge_na` or
             the like of other ions; `v` (n_voltages,) mV; `range_eca` (n_segments,) or the like of every range
             variable that is asked for, in NEURON's unit.

    model_files: that the model was made from, besides those that the experiment names.
    """

    model_files: Sequence[Path]

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
