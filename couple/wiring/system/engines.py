"""The planned engines, built; and where each site is among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from couple.base.errors import InputError
from couple.components.engine import SiteEngine
from couple.wiring.plan.engines import PlannedEngine
from couple.wiring.plan.plan import Plan


@dataclass(frozen=True)
class Engines:
    """All engines of this rank. of: site name → (engine, row of the site in it)."""

    all: tuple[SiteEngine, ...] = ()
    of: Mapping[str, tuple[SiteEngine, int]] = field(default_factory=dict)


def build_engines(plan: Plan) -> Engines:
    """Every engine of a plan. Raises InputError that names the key of what an engine cannot express."""
    built = tuple(_build(planned, plan) for planned in plan.engines)
    return Engines(built, {site.name: (engine, row) for engine in built for row, site in enumerate(engine.sites)})


def _build(planned: PlannedEngine, plan: Plan) -> SiteEngine:
    try:
        engine = planned.factory(planned.setup)
    except InputError as error:
        raise error.at(planned.key) from None
    if engine.clock != plan.experiment.time_unit:
        raise InputError(
            f"counts time in {engine.clock}, the experiment in {plan.experiment.time_unit}: write exchange = "
            f'"1 {engine.clock}" or take another engine',
            where=f"{planned.key}.engine",
        )
    return engine
