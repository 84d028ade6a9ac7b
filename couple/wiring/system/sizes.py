"""Sites whose volume changes, over the common memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from couple.base.errors import InputError
from couple.base.unit_text import split_list
from couple.base.units import IONS_PER_MM_UM3
from couple.components.capabilities import ResizesSites
from couple.exchange.link import Sources
from couple.exchange.response import Response
from couple.exchange.sizes import SizeLink
from couple.experiment.sites.response import AmountKind, Hill, Linear, Table, read_amounts
from couple.experiment.sites.size import Size
from couple.wiring.links.size_changes import growing
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.placed_site import PlacedSite
from couple.wiring.system.electrics import Electrics
from couple.wiring.system.engines import Engines
from couple.wiring.system.memory import Memory


def connect_sizes(
    plan: Plan, engines: Engines, electrics: Electrics | None, memory: Memory, places: Sequence[int]
) -> tuple[list[SizeLink], list[str]]:
    """Links of the sites that grow, and a line for each. places: of the memory, for their volumes.

    Raises InputError that names the key.
    """
    links, lines = [], []
    for site, shown in zip(growing(plan.sites), places, strict=True):
        size = site.block.size
        assert size is not None
        links.append(_link(plan, site, size, shown, engines, electrics, memory))
        if size.times is not None:
            how = f"by time, from 1 to {size.factors[-1] if size.factors else 1:g} at {size.times[-1]:g} ms"
        else:
            how = f"by {size.of}, {'at once' if size.tau is None else f'with tau = {size.tau:g} ms'}"
        scaled = f", and L and diam of {site.where} with it" if site.segments else ""
        lines.append(f"{site.name}: its volume of {site.geometry.volume:.6g} um^3 changes {how}{scaled}")
    return links, lines


def _link(
    plan: Plan,
    site: PlacedSite,
    size: Size,
    shown: int,
    engines: Engines,
    electrics: Electrics | None,
    memory: Memory,
) -> SizeLink:
    engine, row = engines.of[site.name]
    assert isinstance(engine, ResizesSites)
    resizing: ResizesSites = engine
    reached: list[int] = []
    electrical = None
    if electrics is not None and site.segments:
        electrical = memory.at(electrics.component, "size", electrics.attachments.sized.index(site.segments[0]))
        for link in plan.links:
            if link.site.name == site.name and link.crossing == "concentration" and link.ion is not None:
                named = [electrics.given(link.ion, m, site.segments[0]) for m in link.block.mechanisms or ()]
                for port, at in named or [electrics.concentration(link.ion, site.segments[0])]:
                    reached.append(memory.at(electrics.component, port, at))
    sources: Sources = ()
    if size.of in engine.network.observables:
        sources = ((memory.at(engine, "means", row, list(engine.network.observables).index(str(size.of))), 1.0),)
    elif size.of is not None:
        sources = ((memory.at(engine, "counts", row, engine.network.index(size.of)), 1.0),)
    window = plan.clock.window * plan.clock.tick
    return SizeLink(
        site.name,
        lambda volume, area: resizing.resize(row, volume, area),
        site.geometry.volume,
        site.geometry.area,
        size.times or (),
        tuple(float(f) for f in size.factors or ()),
        None if size.of is None else _response(size, site),
        sources,
        0.0 if size.tau is None else math.exp(-window / size.tau),
        shown,
        electrical,
        tuple(reached),
    )


def _response(size: Size, site: PlacedSite) -> Response:
    """The function of a size, by molecules of a site as large as at the start."""
    function, key = size.function, f"{site.key}.size.function"
    per: Mapping[AmountKind, float] = {
        "count": 1.0, "concentration": IONS_PER_MM_UM3 * site.geometry.volume, "surface density": site.geometry.area,
    }  # fmt: skip

    def molecules(given: float | str | tuple[float, ...]) -> tuple[float, ...]:
        numbers, kind = read_amounts(given)
        return tuple(number * per[kind] for number in numbers)

    def number(name: str, given: object) -> float:
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return float(given)
        raise InputError(f"{given!r}: factors of the volume at the start are numbers, as in 1.5", where=f"{key}.{name}")

    if isinstance(function, Linear):
        least = 0.0 if function.least is None else number("least", function.least)
        most = math.inf if function.most is None else number("most", function.most)
        slope = number("slope", function.slope) / molecules(function.per)[0]
        return Response("linear", (number("offset", function.offset), slope, least, most))
    if isinstance(function, Hill):
        numbers = number("low", function.low), number("high", function.high), molecules(function.half)[0], function.n
        return Response("hill", numbers)
    assert isinstance(function, Table)
    values = (
        function.values if not isinstance(function.values, str) else tuple((split_list(function.values) or ([], ""))[0])
    )
    return Response("table", (), molecules(function.amounts), tuple(number("values", v) for v in values))
