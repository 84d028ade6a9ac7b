"""The file of a comparison of models of patterns: frozen, checked tables, read from TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.regular_file import real_path
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
    splits:  fits to a half of the windows, each with the other half held out; two splits have the same halves.
    blocks:  of successive windows, at most, which stay together in a half; longer than activity is correlated.
    neurons: at most; more are drawn from. 0 for all.
    sizes:   numbers of neurons at which time and memory of a fit are measured, besides.
    triplets: of neurons that are looked at, drawn.
    samples: patterns that are drawn from a model for its moments, and at most for its description.
    seed:    of what is drawn here.
    """

    name: str = Field(pattern=RUN_NAME)
    models: tuple[ModelName, ...] = Field(
        default=("independent", "homogeneous", "coupling", "tracking", "tracking_ml", "pairwise"), min_length=1
    )
    splits: Integer = Field(default=10, ge=2, le=1000)
    blocks: Integer = Field(default=50, ge=4, le=10_000)
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
    array:    an .npy file of 0 and 1, a line for each window and a column for each neuron; or an .npz of spike times,
              an array for each neuron, or two, "time" and "neuron".
    table:    a CSV file with columns "neuron" and "time", or like an array with a line of names.
    nwb:      an NWB file with units.
    unit:     of times in an .npz, and in a table whose head does not say, as "time [s]" does.
    window:   length of the windows that spikes and records fall into.
    only:     names of cells, neurons or units that are taken, with * and ?.
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
    unit: Literal["ms", "s", "us"] = "ms"
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
        if self.above != "0" and self.record is None:
            raise ValueError('above is of a record: give one, as record = "spine_*.SK_open", or leave above out')
        if self.begin is not None and self.end is not None and self.end <= self.begin:
            raise ValueError(f"end: {self.end:g} ms is not after begin, {self.begin:g} ms")
        return self

    @property
    def source(self) -> str | None:
        """Which of them is given."""
        return next((name for name in SOURCES if getattr(self, name) is not None), None)


def patterns_in(path: Path) -> str | None:
    """Under which key of [data] a path is patterns itself, None for one that is not: "results" for their folder."""
    known = {".npy": "array", ".npz": "array", ".csv": "table", ".nwb": "nwb", ".h5": "results"}
    if path.is_dir():
        return "results" if (path / "results.h5").exists() else None
    return known.get(path.suffix.lower())


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
        """Of a TOML file, or for patterns themselves (`patterns_in`), with what is set. Raises InputError that names
        file and key.
        """
        if (source := patterns_in(path)) is not None:
            name = re.sub(r"[^\w.-]+", "_", real_path(path).stem, flags=re.ASCII).strip("._-") or "population"
            content: dict[str, Any] = {"population": {"name": name[:60]}, "data": {source: path.name or "."}}
        else:
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
