"""What an electrical model is made of: files and builders, cells of a network, spines, synapses, stimuli.

`adapters.neuron` loads a model by its `ModelSpec`; nothing here knows where chemistry is coupled to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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
class Train:
    """Spikes from outside: at `times` (ms), or from `start` on at random with a mean `rate` (/ms) in a stream."""

    times: tuple[float, ...] = ()
    rate: float = 0.0
    start: float = 0.0
    stream: tuple[int, int, int] = (0, 0, 0)


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
