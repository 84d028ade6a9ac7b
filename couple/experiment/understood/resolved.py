"""An experiment as it is understood: layers in one, defaults filled in, quantities in the units of the kernels.

`couple check --resolved` prints it, results store it, and read again it is the same experiment.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ValidationError

from couple.base import registry
from couple.base.errors import InputError, MissingDependencyError
from couple.base.schema import Block, explain
from couple.base.toml_text import to_toml
from couple.base.units import QuantityReader
from couple.experiment.experiment import Experiment
from couple.experiment.sites.site import SiteBlock


@dataclass(frozen=True)
class Quantity:
    """Numbers with a unit; text: as input files have them."""

    values: float | tuple[float, ...]
    unit: str
    text: str


def resolved_text(experiment: Experiment) -> str:
    """The experiment as TOML. Raises InputError for options of an engine that do not fit."""
    return to_toml(resolved_tables(experiment, lambda _key, quantity: quantity.text))


def resolved_tables(experiment: Experiment, show: Callable[[str, Quantity], Any]) -> dict[str, Any]:
    """The experiment as nested tables. show: what stands for a quantity, of a key. Errors as of `resolved_text`."""
    changes = tuple(experiment.site[i] for i in experiment.site_changes)
    shown: dict[str, Any] = _Tables(experiment.time_unit, changes).of(experiment)
    return {key: _shown(value, key, show) for key, value in shown.items() if value not in ({}, [])}


def read_resolved(text: str) -> dict[str, Any]:
    """The content of the text that results store; files of earlier versions have it as JSON."""
    content: dict[str, Any] = json.loads(text) if text.startswith("{") else tomllib.loads(text)
    return content


def _shown(value: Any, key: str, show: Callable[[str, Quantity], Any]) -> Any:
    if isinstance(value, Quantity):
        return show(key, value)
    if isinstance(value, Mapping):
        return {k: _shown(v, k, show) for k, v in value.items()}
    return [_shown(v, key, show) for v in value] if isinstance(value, list | tuple) else value


def _as_text(value: Any) -> Any:
    return _shown(value, "", lambda _key, quantity: quantity.text)


@dataclass(frozen=True)
class _Tables:
    """Tables of blocks. time_unit: of what the clock of the experiment counts. changes: blocks that say only what
    differs at a site, where a default would hide what the block of many says.
    """

    time_unit: str
    changes: tuple[SiteBlock, ...] = ()

    def of(self, block: BaseModel) -> dict[str, Any]:
        """What was given, and of the defaults those that may stand beside it.

        A value that is not the same when it is read again stands as it was given.
        """
        candidates = {
            field.alias or name: self._value(field.annotation, _reader(field.metadata), value)
            for name, field in type(block).model_fields.items()
            if (value := getattr(block, name)) is not None and (type(block), name) != (SiteBlock, "options")
            if name in block.model_fields_set or not _says_nothing(value)
        }
        if isinstance(block, Experiment | SiteBlock) or _same(block, candidates):
            return {**candidates, **(self._engines(block) if isinstance(block, SiteBlock) else {})}
        return self._one_by_one(block, candidates)

    def _one_by_one(self, block: BaseModel, candidates: Mapping[str, Any]) -> dict[str, Any]:
        given = {f.alias or n for n, f in type(block).model_fields.items() if n in block.model_fields_set}
        raw = block._given if isinstance(block, Block) else {}
        found = {key: raw.get(key, value) if key in given else value for key, value in candidates.items()}
        found = {key: value for key, value in found.items() if key in given}
        for key, value in candidates.items():
            if _same(block, {**found, key: value}):
                found[key] = value
        return {key: found[key] for key in candidates if key in found}

    def _engines(self, site: SiteBlock) -> dict[str, Any]:
        """Options of a site's engine, and of those that it runs, with their defaults; others as they are."""
        inner = site.options.get(site.engine, {}).get("engines", ())
        used = [site.engine, *(inner if isinstance(inner, list | tuple) else ())]
        names = dict.fromkeys([*site.options, *(name for name in used if isinstance(name, str))])
        tables = {n: self._options(site.name, n, site.options.get(n, {}), n in used) for n in names}
        return {name: table for name, table in tables.items() if table or name in site.options}

    def _options(self, site: str, engine: str, table: Mapping[str, Any], used: bool) -> dict[str, Any]:
        if not used or engine not in registry.names("couple.engines"):
            return dict(table)
        try:
            return self.of(registry.load("couple.engines", engine).Options.model_validate(table))
        except MissingDependencyError:
            return dict(table)
        except ValidationError as error:
            raise explain(error, table).at(f"site.{site}.{engine}") from None

    def _value(self, annotation: Any, reader: QuantityReader | None, value: Any) -> Any:
        """A value of this type, with quantities as `Quantity`."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._value(arguments[0], _reader(arguments[1:]) or reader, value)
        if origin in (Union, UnionType):
            fitting = next((one for one in arguments if _fits(one, value)), Any)
            return self._value(fitting, reader, value)
        if isinstance(value, SiteBlock) and any(value is change for change in self.changes):
            shape = {} if value.geometry is None else {"geometry": self.of(value.geometry)}
            engine = {"engine": value.engine} if value.engine else {}
            return {"name": value.name, **engine, **shape, **value.options}
        if isinstance(value, BaseModel):
            return self.of(value)
        if reader is not None and isinstance(value, float | tuple):
            unit = self.time_unit if reader.dimension == "simulated time" else reader.unit
            return Quantity(value, unit, reader.text(value, unit))
        if isinstance(value, tuple | list):
            each = origin is tuple and len(arguments) == len(value) and Ellipsis not in arguments
            types = arguments if each else ((*arguments, Any)[0],) * len(value)
            return [self._value(one, None, item) for one, item in zip(types, value, strict=True)]
        if isinstance(value, Mapping):
            return {k: self._value(arguments[1] if len(arguments) == 2 else Any, None, v) for k, v in value.items()}
        return value


def _reader(metadata: Iterable[Any]) -> QuantityReader | None:
    """What reads quantities of a type."""
    validators = (m.func for m in metadata if isinstance(m, BeforeValidator))
    return next((one for one in validators if isinstance(one, QuantityReader)), None)


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a value can be of one of several types."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _fits(get_args(annotation)[0], value)
    if origin is Literal:
        return value in get_args(annotation)
    kind = origin or annotation
    return isinstance(kind, type) and kind is not NoneType and isinstance(value, kind)


def _says_nothing(value: Any) -> bool:
    """Whether a default is nothing that could be written."""
    return value in ((), {}, "") or (isinstance(value, float) and not math.isfinite(value))


def _same(block: BaseModel, table: Mapping[str, Any]) -> bool:
    """Whether a table reads as the block."""
    try:
        return type(block).model_validate(_as_text(table)).model_dump() == block.model_dump()
    except (ValidationError, InputError):
        return False
