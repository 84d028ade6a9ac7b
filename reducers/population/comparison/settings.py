"""The file of a comparison of models of patterns: frozen, checked tables, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import RUN_NAME, Block, Integer, read_table, repeated
from couple.base.toml import override_value, read_toml
from couple.base.units import with_unit
from reducers.population.master_equation.settings import MasterEquationBlock
from reducers.population.models.model import FitBlock

ModelName = Literal[
    "independent", "homogeneous", "coupling", "tracking", "tracking_ml", "gaussian", "pairwise", "k_pairwise", "rbm",
    "semi_rbm", "cascade", "glm",
]  # fmt: skip
Time = Annotated[float, with_unit("time")]
DataFile = Annotated[str, Field(min_length=1), ReadsFile("patterns")]
SOURCES = ("results", "array", "table", "nwb")


class PopulationBlock(Block):
    """What is compared.

    name:    of the comparison, and of its figure.
    models:  that are fitted.
    splits:  parts of the windows, in the order of time, each of which is left out of a fit once.
    neurons: at most; more are drawn from. 0 for all.
    sizes:   numbers of neurons at which time and memory of a fit are measured, besides.
    triplets: of neurons that are looked at, drawn.
    samples: patterns that are drawn from a model for its moments.
    seed:    of what is drawn here.
    """

    name: str = Field(pattern=RUN_NAME)
    models: tuple[ModelName, ...] = Field(
        default=("independent", "homogeneous", "coupling", "tracking", "tracking_ml", "pairwise"), min_length=1
    )
    splits: Integer = Field(default=10, ge=2, le=1000)
    neurons: Integer = Field(default=0, ge=0)
    sizes: tuple[Annotated[int, Field(strict=True, ge=2)], ...] = ()
    triplets: Integer = Field(default=200, ge=0, le=100_000)
    samples: Integer = Field(default=50_000, ge=100, le=10_000_000)
    seed: Integer = Field(default=1, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if (twice := repeated(self.models)) is not None:
            raise ValueError(f'models: "{twice}" is there twice')
        return self


class DataBlock(Block):
    """Where patterns come from: one of results, array, table, nwb, or [master_equation].

    results:  of couple run, or their folder: spikes, or a record of sites.
    array:    an .npy file of 0 and 1, a line for each window and a column for each neuron.
    table:    a CSV file with columns "neuron" and "time" (ms), or like an array with a line of names.
    nwb:      an NWB file with units.
    window:   length of the windows that spikes and records fall into.
    only:     names of cells that are taken, with * and ?.
    record:   of sites, as "spine_*.SK_open", in the place of spikes.
    above:    level above which a site is active: molecules, or a concentration as "1 uM".
    begin, end: first and last moment that is taken.
    multiple: whether a window with several spikes is refused, or counts as one ("clip").
    silent:   whether neurons that are never active are refused, or left out ("drop").
    """

    results: DataFile | None = None
    array: DataFile | None = None
    table: DataFile | None = None
    nwb: DataFile | None = None
    window: Time | None = Field(default=None, gt=0)
    only: str = Field(default="*", min_length=1)
    record: str | None = Field(default=None, pattern=r"^(.+\.)?[^.]+$")
    above: str = "0"
    begin: Time | None = None
    end: Time | None = None
    multiple: Literal["refuse", "clip"] = "refuse"
    silent: Literal["refuse", "drop"] = "refuse"

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(SOURCES)}, not {' and '.join(given)}")
        if given and given[0] != "array" and self.window is None:
            raise ValueError('window is missing: give the length of a window, as in window = "5 ms"')
        if self.record is not None and self.results is None:
            raise ValueError("record is of results: give results, or leave record out")
        return self

    @property
    def source(self) -> str | None:
        """Which of them is given."""
        return next((name for name in SOURCES if getattr(self, name) is not None), None)


class PopulationFile(Block):
    """All of it.

    population: what is compared.
    data:       where patterns come from.
    master_equation: a network of two-state neurons that makes them, in the place of a file.
    fit:        how models are fitted.
    """

    population: PopulationBlock
    data: DataBlock = DataBlock()
    master_equation: MasterEquationBlock | None = None
    fit: FitBlock = FitBlock()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.data.source is None) == (self.master_equation is None):
            raise ValueError(f"data: give one of {', '.join(SOURCES)}, or a table [master_equation]")
        return self

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> Self:
        """Of a TOML file, with what is set. Raises InputError that names file and key."""
        content = read_toml(path, "a comparison of models of patterns, a TOML file,")
        if "population" not in content:
            for key, said in (("train", "couple train"), ("infer", "couple infer"), ("experiment", "couple run")):
                if key in content:
                    raise InputError(f"has no [population]: {said} {path} takes it", where=str(path))
        for override in overrides:
            override_value(content, override)
        return cls.read(content, str(path))

    @classmethod
    def read(cls, content: Mapping[str, Any], where: str) -> Self:
        """Of nested tables; where: for messages. Raises InputError that names the key."""
        return read_table(cls, content, where)
