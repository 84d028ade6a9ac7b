"""Links that set parameters of the electrical model by amounts of molecules: where, in which unit, by what function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from couple.base.errors import InputError, nearest
from couple.base.unit_text import split_list
from couple.base.units import IONS_PER_MM_UM3, number_in
from couple.components.attachments import Parameter, ParameterPlaces
from couple.components.electrics import ElectricalModel
from couple.exchange.response import Response
from couple.experiment.sites.response import AmountKind, Hill, Linear, Table, read_amounts
from couple.parallel.communicator import world
from couple.wiring.links.neuron_links import PlacedLink


@dataclass(frozen=True)
class PlacedParameter:
    """A parameter that a link sets in one segment of its site. places: what that is in the model."""

    link: PlacedLink
    parameter: Parameter
    places: ParameterPlaces

    @property
    def label(self) -> str:
        """What it is recorded as: the site, with the segment where it has several."""
        site = self.link.site
        return site.name if len(site.segments) == 1 else f"{site.name} {self.parameter.segment}"

    @property
    def unit(self) -> str:
        """Of what is handed over."""
        return "1" if self.parameter.relative or not self.places.unit else self.places.unit

    def value(self, given: object, key: str) -> float:
        """A value of the file in that unit. Raises InputError that names the key."""
        try:
            return number_in(given, "" if self.parameter.relative else self.places.unit)
        except InputError as error:
            raise error.at(f"{self.link.key}.{key}") from None

    @property
    def start(self) -> float | None:
        """The value at the start, where the file gives one."""
        given = self.link.block.start
        return None if given is None else self.value(given, "start")

    def response(self, volume: float, area: float) -> Response:
        """The function of the link, by molecules in a volume (µm³) with a membrane (µm²)."""
        function = self.link.block.function
        per: Mapping[AmountKind, float] = {
            "count": 1.0, "concentration": IONS_PER_MM_UM3 * volume, "surface density": area,
        }  # fmt: skip

        def molecules(given: float | str | tuple[float, ...]) -> tuple[float, ...]:
            numbers, kind = read_amounts(given)
            return tuple(number * per[kind] for number in numbers)

        def value(key: str, given: object) -> float:
            return self.value(given, f"function.{key}")

        if isinstance(function, Linear):
            return _linear(function, molecules(function.per)[0], value)
        if isinstance(function, Hill):
            numbers = value("low", function.low), value("high", function.high), molecules(function.half)[0], function.n
            return Response("hill", numbers)
        assert isinstance(function, Table)
        return Response("table", (), molecules(function.amounts), _values(function, value))


def _linear(function: Linear, per: float, value: Callable[[str, object], float]) -> Response:
    least = -math.inf if function.least is None else value("least", function.least)
    most = math.inf if function.most is None else value("most", function.most)
    return Response("linear", (value("offset", function.offset), value("slope", function.slope) / per, least, most))


def _values(function: Table, value: Callable[[str, object], float]) -> tuple[float, ...]:
    found = split_list(function.values) if isinstance(function.values, str) else (list(function.values), "")
    numbers, unit = found or ([], "")
    return tuple(value("values", f"{y!r} {unit}" if unit else y) for y in numbers)


def place_parameters(links: Sequence[PlacedLink], model: ElectricalModel | None) -> list[PlacedParameter]:
    """What links with parameters set, segment by segment; a site of a pattern may have none. All ranks together.

    Raises InputError that names the key.
    """
    found: list[PlacedParameter] = []
    unknown: dict[str, InputError] = {}
    known: set[str] = set()
    for link in links if model is not None else ():
        if link.crossing == "parameter":
            assert model is not None
            here = _of_link(link, model)
            found += here
            if here:
                known.add(link.key)
            elif link.key not in unknown:
                unknown[link.key] = _missing(link, model)
    _check_shared(found)
    somewhere = {key for keys in world().gather(known) for key in keys}
    for keys in world().gather(sorted(unknown)):
        for key in keys:
            if key not in somewhere:
                raise unknown.get(key) or InputError("no site has it", where=f"{key}.to")
    return found


def _of_link(link: PlacedLink, model: ElectricalModel) -> list[PlacedParameter]:
    mechanism, name = link.port.split(".")
    found = []
    for share in link.site.shares:
        parameter = Parameter(mechanism, name, share.segment, link.block.relative)
        try:
            places = model.find_parameter(parameter)
        except InputError as error:
            raise InputError(f"{share.segment}: {error.message}", where=f"{link.key}.to") from None
        if places is not None:
            placed = PlacedParameter(link, parameter, places)
            placed.response(share.volume, share.area)  # numbers and units that do not fit are found here
            _ = placed.start
            found.append(placed)
    return found


def _missing(link: PlacedLink, model: ElectricalModel) -> InputError:
    mechanism, segment = link.port.split(".")[0], link.site.segments[0]
    there = model.mechanisms(segment)
    said = f"it has {', '.join(there)}; {nearest(mechanism, there)}" if there else "it has no mechanisms"
    return InputError(f'no "{mechanism}" in {segment}: {said}', where=f"{link.key}.to")


def _check_shared(found: Sequence[PlacedParameter]) -> None:
    """Links that set the same add up; they have to call it alike, and be values all, or factors all."""
    first: dict[str, PlacedParameter] = {}
    for placed in found:
        for name in placed.places.names:
            other = first.setdefault(name, placed)
            if other.parameter != placed.parameter:
                raise InputError(
                    f'"{placed.link.name}" sets {name}, and so does "{other.link.name}" of {other.link.key}: what adds '
                    "up has to have one name, and to be relative in all links or in none",
                    where=placed.link.key,
                )
