"""An experiment: frozen, checked, and independent of the file it was read from.

The TOML format is a thin reader into these models: keys are the fields, quantities carry units, an unknown
key is an error with the nearest known one. Nothing is simulated or imported here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from couple import registry
from couple.block import END, NAME, RUN_NAME, SITE_NAME, Block, explain, plain
from couple.chemistries import added, ready_made
from couple.electrics import CaiWriters
from couple.equations import read_reaction, warmed
from couple.errors import InputError, nearest
from couple.geometry import Geometry
from couple.network import Reaction, ReactionNetwork, Species
from couple.placement import Names, Neck, Placement
from couple.spine import SpineBlock
from couple.steps import Unit, time_unit
from couple.toml import override_value, read_toml
from couple.units import (
    Concentration,
    Conductance,
    Diffusion,
    ElectricCurrent,
    Length,
    Temperature,
    Time,
    Voltage,
    parser,
    quantities,
)

RESERVED = ("neuron", "drive", "exchange", "time", "ledger", "timing", "versions")
"""Names that no site may have."""

Integer = Annotated[int, Field(strict=True)]
Name = Annotated[str, Field(pattern=NAME)]


class Run(Block):
    """What is run, for how long, and how often the parts exchange."""

    name: str = Field(pattern=RUN_NAME)
    duration: Time = Field(gt=0)
    exchange: Time = Field(gt=0)
    scheme: Literal["staggered", "parallel"] = "staggered"
    seed: Integer = Field(default=1, ge=0, lt=2**63)
    max_debt: Integer = Field(default=1000, ge=0, le=10**12)
    """Ions that a site may owe to an outward current before the run stops."""
    celsius: float | None = Field(default=None, gt=-273.15, lt=100, strict=True)
    """Temperature of the model and of reactions with a q10; neuron.celsius says the same."""


class CurrentBlock(Block):
    """A current clamp: `at` a segment, `amplitude` for `duration` from `start` on."""

    at: str
    start: Time = Field(default=0.0, ge=0)
    duration: Time = Field(gt=0)
    amplitude: ElectricCurrent


class Neuron(Block):
    """The electrical model: "cell.py:function" (or a class), "cell.hoc", "cell.hoc:Template" or "cell.swc".

    arguments: of the function, class or template. mechanisms: MOD files, or folders of them. biophysics: what a bare
    morphology lacks. celsius, v_init: what the model sets, if not given. cai_writers: see `couple.electrics`.
    """

    model: str = Field(min_length=1)
    dt: Time = Field(gt=0)
    celsius: float | None = Field(default=None, gt=-273.15, lt=100, strict=True)
    v_init: Voltage | None = Field(default=None, ge=-1000, le=1000)
    arguments: dict[str, Any] | tuple[Any, ...] = ()
    mechanisms: str | tuple[str, ...] = ()
    biophysics: dict[str, Any] | None = None
    current: tuple[CurrentBlock, ...] = ()
    cai_writers: CaiWriters = "refuse"

    @property
    def file_and_function(self) -> tuple[str, str]:
        """ "cell.hoc:Cell" as ("cell.hoc", "Cell"); the second is "" if there is none."""
        match = re.fullmatch(r"(.+):([A-Za-z_][A-Za-z0-9_]*)", self.model)
        return (match[1], match[2]) if match else (self.model, "")


class SpeciesBlock(Block):
    """A kind of molecule."""

    D: Diffusion = Field(default=0.0, ge=0)
    on: Literal["volume", "membrane"] = "volume"
    contains: dict[Name, Annotated[int, Field(ge=1, le=1000, strict=True)]] = {}


class ReactionBlock(Block):
    """A reaction, e.g. equation = "Ca + CBP <-> CaCBP" with rates in concentrations.

    q10, at: the rates were measured `at` a temperature, and grow by `q10` every 10 degrees.
    """

    equation: str
    forward: str
    backward: str | None = None
    q10: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    at: Temperature | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.q10 is None) != (self.at is None):
            raise ValueError('give q10 and at together, as in q10 = 3.0, at = "22 celsius"')
        return self

    def warming(self, celsius: float | None) -> float:
        """Factor of both rates at `celsius`, q10^((T − at)/10 K). Raises InputError if it needs one and has none."""
        if self.q10 is None or self.at is None:
            return 1.0
        if celsius is None:
            raise InputError("the temperature is not known: give experiment.celsius (or neuron.celsius)", where="q10")
        return float(self.q10 ** ((celsius - self.at) / 10.0))


class Initial(Block):
    """Molecules of a species at the start; with at = "steady", of all the forms that it turns into."""

    total: str | None = None
    count: Integer | None = Field(default=None, ge=0, le=10**12)
    at: Literal["steady"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        return {"total": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.total is None) == (self.count is None):
            raise ValueError('give either total = "1 uM" (or "/um^2") or count = 20')
        return self


Weight = Annotated[float, Field(gt=0, le=1e6)]
Observable = Annotated[
    Annotated[tuple[str, ...], Tag("sum")] | Annotated[dict[Name, Weight], Tag("weights")],
    Discriminator(lambda value: "weights" if isinstance(value, Mapping) else "sum"),
]


class Chemistry(Block):
    """Species, reactions, reservoirs, observables and the initial state of every site.

    include: chemistries that ship with couple, by name, with their options; what stands beside them is added.
    """

    file: str | None = None
    include: dict[str, dict[str, Any]] = {}
    species: dict[Name, SpeciesBlock] = {}
    reservoirs: tuple[Name, ...] = ()
    observables: dict[Name, Observable] = {}
    reactions: tuple[ReactionBlock, ...] = ()
    initial: dict[str, Initial] = {}

    @model_validator(mode="before")
    @classmethod
    def _included(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("include"), Mapping):
            return data
        try:
            return reduce(added, (ready_made(k, v) for k, v in data["include"].items()), data)
        except InputError as error:
            raise ValueError(str(error)) from None

    def network(self, celsius: float | None = None) -> ReactionNetwork:
        """The reaction network, with the rates as they are at `celsius`. Raises InputError that names the key."""
        species = {k: Species(k, s.D, s.on, s.contains) for k, s in self.species.items()}
        reactions: list[Reaction] = []
        for i, block in enumerate(self.reactions):
            try:
                reactions += warmed(
                    read_reaction(species, block.equation, block.forward, block.backward, self.reservoirs),
                    block.warming(celsius),
                )
            except InputError as error:
                raise error.at(f"chemistry.reactions[{i}]") from None
        try:
            return ReactionNetwork(species.values(), reactions, self.reservoirs, self.observables)
        except InputError as error:
            raise error.at("chemistry") from None


def _with_file(file: Path, chemistry: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a chemistry file with what stands beside it.

    Keys replace those of a TOML file. Other formats are read by an entry point of the group "couple.readers", by the
    file's suffix; their tables are joined.
    """
    beside = {k: v for k, v in chemistry.items() if k not in ("file", "units")}
    suffix = file.suffix.removeprefix(".").lower()
    if suffix not in registry.names("couple.readers"):
        return {**read_toml(file), **beside}
    read = registry.load("couple.readers", suffix)(file, chemistry.get("units"))
    for key, value in beside.items():
        if isinstance(value, Mapping) and isinstance(read.get(key), Mapping):
            inner = {k: {**v, **value[k]} if _tables(v, value.get(k)) else v for k, v in read[key].items()}
            read[key] = {**inner, **{k: v for k, v in value.items() if k not in inner or not _tables(inner[k], v)}}
        elif isinstance(value, list) and isinstance(read.get(key), list):
            read[key] = [*read[key], *value]
        else:
            read[key] = value
    return dict(read)


def _tables(*values: object) -> bool:
    return all(isinstance(value, Mapping) for value in values)


class Cylinder(Block):
    """A cylinder; its end caps reflect and carry no membrane proteins unless `caps`."""

    diameter: Length = Field(gt=0)
    length: Length = Field(gt=0)
    caps: bool = False


class Sphere(Block):
    diameter: Length = Field(gt=0)


class Box(Block):
    size: Annotated[tuple[float, float, float], BeforeValidator(parser("length", quantities))]


class GeometryBlock(Block):
    """The shape of a site without a NEURON segment: exactly one of the keys."""

    cylinder: Cylinder | None = None
    sphere: Sphere | None = None
    box: Box | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of cylinder, sphere, box")
        return self

    def build(self) -> Geometry:
        """The geometry in µm."""
        if self.cylinder is not None:
            return Geometry.cylinder(self.cylinder.diameter, self.cylinder.length, caps=self.cylinder.caps)
        if self.sphere is not None:
            return Geometry.sphere(self.sphere.diameter)
        assert self.box is not None
        return Geometry.box(*self.box.size)


class SiteBlock(Block):
    """A place with chemistry and the accuracy at which it is simulated, or many of them.

    segment: one site, in a segment, in several ("dend(0.1)", "dend(0.3)"), or in all of a section or pattern ("dend*").
    place: many sites, called NAME_0, NAME_1, ...; a * in the name takes what the * in `place.on` stands for.
    Options of an engine stand under its name (`lattice.spacing = "10 nm"`) and may stay there when another is chosen.
    """

    name: str = Field(pattern=SITE_NAME)
    engine: str
    segment: Names | None = Field(default=None, min_length=1)
    place: Placement | None = None
    geometry: GeometryBlock | None = None
    options: dict[str, dict[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            engines = registry.names("couple.engines")
            options = {k: v for k, v in data.items() if k in engines}
            rest = {k: v for k, v in data.items() if k not in engines}
            known = [k for k in cls.model_fields if k != "options"]
            for key in rest:
                if key not in known:
                    raise ValueError(f'unknown key "{key}"; {nearest(key, [*known, *engines])}')
            for key, value in options.items():
                if not isinstance(value, Mapping):
                    raise ValueError(f"{key} = {value!r}: options of an engine are a table, like {key}.KEY = VALUE")
            return {**rest, "options": options}
        return data

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.name in RESERVED:
            raise ValueError(f'"{self.name}" has another meaning in results; give the site another name')
        if self.segment is not None and self.place is not None:
            raise ValueError("give segment for one site, or place for many, not both")
        placed = self.segment is not None or self.place is not None or self.geometry is not None
        if not placed and not self.options.get(self.engine):
            raise ValueError('give segment = "head(0.5)", or geometry.cylinder = { diameter, length }, or both')
        if "*" in self.name and (self.place is None or len(self.place.on) != 1 or self.place.on[0].count("*") != 1):
            raise ValueError(f'"{self.name}" takes what a * stands for: give place.on = "..." with one *')
        return self


class LinkBlock(Block):
    """Something that crosses, as from = "neuron.ica", to = "head.Ca".

    Between two sites, from = "head.Ca", to = "shaft.Ca", a species diffuses, `through` a neck. A * stands for every
    site that fits; if both ends have one, it stands for the same on both.
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

    @property
    def joins_sites(self) -> bool:
        """Whether it is a diffusion between two sites."""
        return not (self.source.startswith("neuron.") or self.target.startswith("neuron."))

    @model_validator(mode="after")
    def _meant(self) -> Self:
        if self.through is not None and not self.joins_sites:
            raise ValueError('through: only between two sites, as in from = "head.Ca", to = "shaft.Ca"')
        channel = self.target.startswith("neuron.") and self.target != "neuron.cai"
        given = self.model_fields_set & {"conductance", "kind", "ion", "reversal"}
        if given and not channel:
            raise ValueError(f'{", ".join(sorted(given))}: only for a conductance, as in to = "neuron.SK"')
        if {"ion", "reversal"} <= self.model_fields_set:
            raise ValueError("give ion or reversal, not both")
        if self.extrapolate and not self.target.startswith("neuron."):
            raise ValueError("extrapolate: only for what is handed to neuron; ions are never extrapolated")
        return self


class Influx(Block):
    """Molecules per time: piecewise linear through (times, rate), zero outside; a single rate holds throughout."""

    times: str
    rate: str


class ClampCourse(Block):
    """A concentration over time, piecewise linear, held beyond its ends."""

    times: str
    values: str


def _kind_of_clamp(value: object) -> str:
    return "course" if isinstance(value, Mapping | ClampCourse) else "constant"


Clamp = Annotated[
    Annotated[Concentration, Tag("constant")] | Annotated[ClampCourse, Tag("course")], Discriminator(_kind_of_clamp)
]


class DriveBlock(Block):
    """A prescribed input of a site: an influx, a clamped concentration, or a recorded run."""

    target: str = Field(alias="to", pattern=END)
    influx: Influx | None = None
    clamp: Clamp | None = None
    replay: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.influx, self.clamp, self.replay)) != 1:
            raise ValueError("give exactly one of influx, clamp, replay")
        if isinstance(self.clamp, float) and self.clamp < 0:
            raise ValueError("clamp: a concentration cannot be negative")
        return self


QUANTITIES = ("v", "charge", "cai", "g", "counts", "means", "influx")


def _quantity(name: str) -> str:
    if name not in QUANTITIES and not (name.endswith("i") and name[:-1].isidentifier()):
        raise ValueError(f'"{name}" is not recorded; {nearest(name, QUANTITIES)}')
    return name


class Record(Block):
    """What is recorded and how often.

    variables: of the model v, charge, cai (of another ion nai, ...), g; of the sites counts, means, influx; all of
    them by default.
    species: names for counts, or "all". voltages: segments besides the coupled ones.
    """

    every: Time | None = Field(default=None, gt=0)
    variables: tuple[Annotated[str, AfterValidator(_quantity)], ...] | None = None
    species: tuple[str, ...] | Literal["all"] | None = None
    voltages: tuple[str, ...] = ()


class Checkpoint(Block):
    """When to write a checkpoint: simulated time `every`, wall-clock time `wall`, or both."""

    every: Time | None = Field(default=None, gt=0)
    wall: Time | None = Field(default=None, gt=0)


class Experiment(Block):
    """A whole experiment, checked. `Experiment.load(path)` reads the TOML format; see README."""

    experiment: Run
    neuron: Neuron | None = None
    chemistry: Chemistry
    spine: tuple[SpineBlock, ...] = ()
    site: tuple[SiteBlock, ...] = Field(min_length=1)
    link: tuple[LinkBlock, ...] = ()
    drive: tuple[DriveBlock, ...] = ()
    record: Record = Record()
    checkpoint: Checkpoint = Checkpoint()

    _source: dict[str, Any] = {}
    _original: dict[str, Any] = {}
    _path: Path | None = None
    _time_unit: Unit = "ms"

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [s.name for s in self.site]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'two sites are named "{name}"')
        if self.spine and self.neuron is None:
            raise ValueError("spine: spines grow on the sections of a [neuron] model, and there is none")
        return self

    @model_validator(mode="after")
    def _one_temperature(self) -> Self:
        here, there = self.experiment.celsius, self.neuron.celsius if self.neuron is not None else None
        if here is not None and there is not None and here != there:
            raise ValueError(f"experiment.celsius = {here:g} and neuron.celsius = {there:g}: give one temperature")
        return self

    @property
    def celsius(self) -> float | None:
        """The temperature of the experiment, degrees Celsius; None if only the model knows it."""
        own = self.neuron.celsius if self.neuron is not None else None
        return self.experiment.celsius if own is None else own

    def network(self) -> ReactionNetwork:
        """The reaction network at the temperature of the experiment. Raises InputError that names the key."""
        return self.chemistry.network(self.celsius)

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file; each override is "a.b=value" (a list entry by its name or index).

        Raises InputError that names the file and the key.
        """
        path = Path(path)
        return cls.parse(read_toml(path), path=path, overrides=overrides)

    @classmethod
    def build(cls, *, folder: str | Path | None = None, **tables: Any) -> Self:
        """An experiment from Python: the tables of the TOML format by keyword, as dicts or as models of this module.

        `Experiment.build(experiment=Run(name="mine", ...), chemistry={...}, site=[{...}])`
        folder: where relative paths in it start; the working folder if not given.
        Raises InputError that names the key.
        """
        return cls.parse(tables, path=None if folder is None else Path(folder) / "experiment")

    def changed(self, *overrides: str) -> Self:
        """The same with other values, as in changed("site.head.engine=ode"). Raises InputError that names the key."""
        return self.parse(self._source, path=self._path, overrides=overrides, original=self._original)

    @classmethod
    def parse(
        cls,
        source: Mapping[str, Any],
        *,
        path: Path | None = None,
        overrides: Iterable[str] = (),
        original: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check the content of an experiment file.

        path: of the file, for relative paths and messages. original: its content, where `source` has overrides in it.
        """
        where = str(path) if path is not None else "experiment"
        content: dict[str, Any] = json.loads(json.dumps(source, default=plain))
        chemistry = content.get("chemistry")
        if isinstance(chemistry, dict) and isinstance(chemistry.get("file"), str):
            file = (path.parent if path else Path()) / chemistry["file"]
            content["chemistry"] = _with_file(file, chemistry)
        unchanged = json.loads(json.dumps(content)) if original is None else dict(original)
        for override in overrides:
            override_value(content, override)
        try:
            made = cls.model_validate(content)
        except ValidationError as error:
            raise explain(error, content).inside(where) from None
        made._source, made._original, made._path = content, unchanged, path
        try:
            made._time_unit = time_unit(content)
        except InputError as error:
            raise error.inside(where) from None
        return made

    @property
    def source(self) -> dict[str, Any]:
        """The content as given, with overrides: what results and checkpoints store."""
        return self._source

    @property
    def original(self) -> dict[str, Any]:
        """The content of the file (and of its chemistry file), without overrides."""
        return self._original

    @property
    def path(self) -> Path | None:
        """The file it was read from."""
        return self._path

    @property
    def time_unit(self) -> Unit:
        """What the clock counts: ms, or steps of a lattice."""
        return self._time_unit

    @property
    def where(self) -> str:
        """Place for messages: the file's name."""
        return str(self._path) if self._path is not None else "experiment"

    @property
    def folder(self) -> Path:
        """Relative paths in the experiment start here."""
        return self._path.parent if self._path is not None else Path()

    def digest(self) -> str:
        """SHA-256 of the content, independent of formatting; the order of species counts, it is that of all arrays."""
        return hashlib.sha256(json.dumps(self._source).encode()).hexdigest()
