"""Options of the adaptive engine: the keys `adaptive.*` of a site."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from couple.base import registry
from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.units import Time
from couple.components.capabilities import options_of
from couple.components.engine import Options, SiteEngine

NAME = "adaptive"

PERCENT = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*%\s*")


def _share(value: object) -> object:
    """ "5 %" as 0.05. Raises ValueError for anything else."""
    found = PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < float(found[1]) <= 100:
        raise ValueError('is a relative error in percent, above 0 and up to 100, like "5 %"')
    return float(found[1]) / 100


Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
Rule = Annotated[str, Field(pattern=r"^[^:]+\.py:[A-Za-z_]\w*$"), ReadsFile("rule", behind=r"[A-Za-z_]\w*")]


class AdaptiveOptions(Options):
    """Which engines, and when to take which.

    engines:    the cheapest first, the finest last; options of each stand in its own table.
    rule:       "rules.py:choose", a function of a `Situation` that returns the name of an engine; without it:
    accuracy:   model.h5 of `couple train` with a table [accuracy]: errors of the engines, learned from runs; in the
                place of `few` and `gradient`, which it does not look at.
    error:      "5 %", the relative error that `accuracy` is to keep.
    few:        molecules of a species in play below which real numbers are not trusted (0: never).
    gradient:   relative excess of ions below the membrane above which a site is not well mixed (0: never).
    hysteresis: a cheaper engine has to be this many times better than good enough.
    species:    in play: by default what links and drives fill.
    memory:     time constant of running estimates, ms.
    every:      how often it is decided, ms; by default at every exchange.
    dwell:      how long a cheaper engine has to be good enough, without a break, before it is taken, ms. A finer one
                is taken at once.
    options:    tables of the engines; filled in from those of the site.
    """

    engines: tuple[str, ...] = Field(min_length=2)
    rule: Rule | None = None
    accuracy: Annotated[str, ReadsFile("learned model")] | None = None
    error: Share | None = None
    few: float = Field(20.0, ge=0)
    gradient: float = Field(0.25, ge=0)
    hysteresis: float = Field(2.0, ge=1)
    species: tuple[str, ...] | None = Field(default=None, min_length=1)
    memory: Time = Field(1.0, gt=0)
    every: Time | None = Field(default=None, gt=0)
    dwell: Time = Field(10.0, ge=0)
    options: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.accuracy is None) != (self.error is None):
            given, missing = ("error", "accuracy") if self.accuracy is None else ("accuracy", "error")
            example = '"model.h5", of couple train with a table [accuracy]' if missing == "accuracy" else '"5 %"'
            raise ValueError(f"{given}: needs {missing} = {example}, too")
        if self.accuracy is not None and self.rule is not None:
            raise ValueError("rule: decides in the place of accuracy and error: leave it out, or those")
        return self

    @model_validator(mode="after")
    def _known_engines(self) -> Self:
        registry.refuse_engines(self.engines, self.options, but=NAME)
        return self


def gathered(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of the options from all tables of a site; imports the engines that it names."""
    own = dict(tables.get(NAME, {}))
    engines = own.get("engines", ())
    if not isinstance(engines, list | tuple):
        return own
    given = own.get("options", {})
    found = {name: dict(tables[name]) for name in engines if isinstance(name, str) and name in tables}
    for name in engines:
        if isinstance(name, str) and name != NAME and name in registry.names("couple.engines"):
            registry.load("couple.engines", name)
    if isinstance(given, Mapping):
        found |= given
    return {**own, "options": found} if found else own


def engine_and_options(options: AdaptiveOptions, name: str) -> tuple[type[SiteEngine], Options]:
    """Class and options of one of the engines. Raises InputError that names the key."""
    from couple.wiring.sites.engine_choice import read_options

    try:
        factory: type[SiteEngine] = registry.load("couple.engines", name)
        return factory, read_options(factory, options_of(factory, name, options.options), name)
    except InputError as error:
        raise InputError(error.message, where=error.where or "adaptive.engines") from None
