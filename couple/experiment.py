"""An experiment: frozen, checked, and independent of the file it was read from.

The TOML format is a thin reader into these models: keys are the fields, quantities carry units, an unknown
key is an error with the nearest known one. Nothing is simulated or imported here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from couple import registry
from couple.block import Block, explain
from couple.equations import read_reaction
from couple.errors import InputError, nearest
from couple.geometry import Geometry
from couple.network import Reaction, ReactionNetwork, Species
from couple.steps import Unit, time_unit
from couple.toml import override_value, read_toml
from couple.units import Concentration, Conductance, Diffusion, Length, Time, Voltage, parser, quantities

RESERVED = ("neuron", "drive", "exchange", "time", "ledger", "timing", "versions")
"""Names that no site may have."""

Integer = Annotated[int, Field(strict=True)]


class Run(Block):
    """What is run, for how long, and how often the parts exchange."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    duration: Time = Field(gt=0)
    exchange: Time = Field(gt=0)
    scheme: Literal["staggered", "parallel"] = "staggered"
    seed: Integer = Field(default=1, ge=0, lt=2**63)
    max_debt: Integer = Field(default=1000, ge=0, le=10**12)
    """Ions that a site may owe to an outward current before the run stops."""


class Neuron(Block):
    """The electrical model: `model = "file.py:function"`. celsius, v_init: what the model sets, if not given."""

    model: str = Field(pattern=r"^.+:[A-Za-z_][A-Za-z0-9_]*$")
    dt: Time = Field(gt=0)
    celsius: float | None = Field(default=None, gt=-273.15, lt=100, strict=True)
    v_init: Voltage | None = None
    remove_cai_writers: bool = False


class SpeciesBlock(Block):
    """A kind of molecule."""

    D: Diffusion = Field(default=0.0, ge=0)
    on: Literal["volume", "membrane"] = "volume"
    contains: dict[str, Annotated[int, Field(ge=1, le=1000, strict=True)]] = {}


class ReactionBlock(Block):
    """A reaction, e.g. equation = "Ca + CBP <-> CaCBP" with rates in concentrations."""

    equation: str
    forward: str
    backward: str | None = None


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


class Chemistry(Block):
    """Species, reactions, reservoirs, observables and the initial state of every site."""

    file: str | None = None
    species: dict[str, SpeciesBlock] = {}
    reservoirs: tuple[str, ...] = ()
    observables: dict[str, tuple[str, ...]] = {}
    reactions: tuple[ReactionBlock, ...] = ()
    initial: dict[str, Initial] = {}

    def network(self) -> ReactionNetwork:
        """The reaction network. Raises InputError that names the key."""
        species = {k: Species(k, s.D, s.on, s.contains) for k, s in self.species.items()}
        reactions: list[Reaction] = []
        for i, block in enumerate(self.reactions):
            try:
                reactions += read_reaction(species, block.equation, block.forward, block.backward, self.reservoirs)
            except InputError as error:
                raise error.at(f"chemistry.reactions[{i}]") from None
        try:
            return ReactionNetwork(species.values(), reactions, self.reservoirs, self.observables)
        except InputError as error:
            raise error.at("chemistry") from None


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
    """A place with chemistry and the accuracy at which it is simulated.

    Options of an engine stand under its name (`lattice.spacing = "10 nm"`) and may stay there when another is chosen.
    """

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    engine: str
    segment: str | None = None
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
        if self.segment is None and self.geometry is None and not self.options.get(self.engine):
            raise ValueError('give segment = "head(0.5)", or geometry.cylinder = { diameter, length }, or both')
        return self


class LinkBlock(Block):
    """Something that crosses, as from = "neuron.ica", to = "head.Ca"."""

    source: str = Field(alias="from", pattern=r"^[^.\s]+\.[^.\s]+$")
    target: str = Field(alias="to", pattern=r"^[^.\s]+\.[^.\s]+$")
    conductance: Conductance | None = Field(default=None, gt=0)
    kind: Literal["density", "point"] = "density"
    ion: Literal["k", "na", "ca"] = "k"
    reversal: Voltage | None = None
    extrapolate: bool = False
    """Hand over the value expected in the middle of the next window, by a line through the last two."""

    @model_validator(mode="after")
    def _meant(self) -> Self:
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


class DriveBlock(Block):
    """A prescribed input of a site: an influx, a clamped concentration, or a recorded run."""

    target: str = Field(alias="to", pattern=r"^[^.\s]+\.[^.\s]+$")
    influx: Influx | None = None
    clamp: Concentration | ClampCourse | None = None
    replay: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.influx, self.clamp, self.replay)) != 1:
            raise ValueError("give exactly one of influx, clamp, replay")
        if isinstance(self.clamp, float) and self.clamp < 0:
            raise ValueError("clamp: a concentration cannot be negative")
        return self


class Record(Block):
    """What is recorded and how often.

    variables: of the model v, charge, cai, g; of the sites counts, means, influx; all of them by default.
    species: names for counts, or "all". voltages: segments besides the coupled ones.
    """

    every: Time | None = Field(default=None, gt=0)
    variables: tuple[Literal["v", "charge", "cai", "g", "counts", "means", "influx"], ...] | None = None
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
        return self

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a TOML file; each override is "a.b=value" (a list entry by its name or index).

        Raises InputError that names the file and the key.
        """
        path = Path(path)
        return cls.parse(read_toml(path), path=path, overrides=overrides)

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
        content: dict[str, Any] = json.loads(json.dumps(source, default=str))
        chemistry = content.get("chemistry")
        if isinstance(chemistry, dict) and isinstance(chemistry.get("file"), str):
            file = (path.parent if path else Path()) / chemistry["file"]
            content["chemistry"] = {**read_toml(file), **{k: v for k, v in chemistry.items() if k != "file"}}
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
