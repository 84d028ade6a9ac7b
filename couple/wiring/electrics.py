"""The electrical model: loaded for its geometry, then attached where links reach it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from couple import registry
from couple.component import Component
from couple.electrics import CALCIUM, Attachments, Conductance, Current, ElectricalModel, IonSegments, ModelSpec
from couple.errors import InputError, nearest
from couple.exchange.ions import concentration_per_ion, least_concentration
from couple.experiment import Experiment
from couple.wiring.engines import Engines
from couple.wiring.places import PlacedLink, Shared, shared


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports. valence: of the ions that it knows."""

    component: Component
    attachments: Attachments
    valence: Mapping[str, float]

    def charge(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the charge of an ion at a segment."""
        ports, at = self._ions[ion]
        return ports.charge, at[segment]

    def concentration(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the concentration of an ion in a segment."""
        ports, at = self._ions[ion]
        return ports.concentration, at[segment]

    def conductance(self, link: PlacedLink, segment: str) -> int:
        """Position of the conductance that a link sets in a segment along the port `g`."""
        return self._conductances[_conductance(link, segment)]

    @cached_property
    def _ions(self) -> dict[str, tuple[IonSegments, dict[str, int]]]:
        return {i.ion: (i, {segment: k for k, segment in enumerate(i.segments)}) for i in self.attachments.ions}

    @cached_property
    def _conductances(self) -> dict[Conductance, int]:
        return {conductance: i for i, conductance in enumerate(self.attachments.conductances)}


def load_model(experiment: Experiment) -> ElectricalModel | None:
    """The model of [neuron], or None without one. Raises InputError if it cannot be built."""
    spec = experiment.neuron
    if spec is None:
        return None
    file, function = spec.file_and_function
    mechanisms = (spec.mechanisms,) if isinstance(spec.mechanisms, str) else spec.mechanisms
    model: ElectricalModel = registry.load("couple.electrics", "neuron")(
        ModelSpec(
            experiment.folder / file,
            function,
            spec.dt,
            experiment.celsius,
            spec.v_init,
            spec.cai_writers,
            spec.arguments,
            tuple(experiment.folder / m for m in mechanisms),
            spec.biophysics,
            tuple(Current(c.at, c.start, c.duration, c.amplitude) for c in spec.current),
        )
    )
    return model


def attach(
    model: ElectricalModel | None, experiment: Experiment, engines: Engines, links: Sequence[PlacedLink]
) -> Electrics | None:
    """The stepping model with every place at which something crosses. Raises InputError that names the key."""
    if model is None:
        return None
    valence = model.ions()
    crossing: dict[str, list[PlacedLink]] = {CALCIUM: []}
    conductances: dict[Conductance, None] = {}
    for link in links:
        ion = link.ion(valence)
        if ion is None:
            conductances |= dict.fromkeys(_conductance(link, s, valence) for s in link.place.segments)
        else:
            crossing.setdefault(ion, []).append(_without_conductance(link, ion))
    meeting = shared(links)
    ions = [_initial(ion, there, engines, meeting) for ion, there in crossing.items()]
    recorded = []
    for i, name in enumerate(experiment.record.voltages):
        try:
            recorded.append(model.resolve(name))
        except InputError as error:
            raise error.at(f"record.voltages[{i}]") from None
    reached = [*(s for ion in ions for s in ion.segments), *(c.segment for c in conductances)]
    voltages = list(dict.fromkeys([*recorded, *reached]))
    calcium, *others = ions
    attachments = Attachments(
        calcium.segments,
        tuple(conductances),
        tuple(voltages),
        calcium.initial,
        experiment.experiment.seed,
        tuple(others),
    )
    return Electrics(model.attach(attachments), attachments, valence)


def _conductance(link: PlacedLink, segment: str, ions: Collection[str] = ()) -> Conductance:
    """Raises InputError for what is no conductance: a current into NEURON, an outside concentration, the voltage."""
    if link.into == "site" or link.port in ("v", *(f"i{ion}" for ion in ions), *(f"{ion}o" for ion in ions)):
        raise InputError(
            f'"neuron.{link.port}" cannot be linked; sites take neuron.ica and set neuron.cai (or of another ion: '
            f"{', '.join(sorted(ions))}) or a conductance such as neuron.SK",
            where=link.key,
        )
    return Conductance(link.port, segment, link.block.kind, link.block.ion, link.block.reversal)


def _without_conductance(link: PlacedLink, ion: str) -> PlacedLink:
    if link.block.conductance is not None:
        raise InputError(
            f'conductance: "neuron.{link.port}" is the concentration of {ion}; give the conductance another name',
            where=link.key,
        )
    return link


def _initial(ion: str, links: Sequence[PlacedLink], engines: Engines, meeting: Shared) -> IonSegments:
    segments = tuple(dict.fromkeys(s for k in links for s in k.place.segments))
    return IonSegments(ion, segments, tuple(_initial_concentration(ion, s, engines, meeting) for s in segments))


def _initial_concentration(ion: str, segment: str, engines: Engines, meeting: Shared) -> float:
    """mM at the start: what the links of an ion will hand over, at least the floor."""
    there = meeting.get(("neuron", f"{ion}i", segment)) or meeting["site", f"i{ion}", segment]
    free, volume, whole = 0.0, 0.0, 0.0
    for link, part in there:
        engine, row = engines.of[link.place.name]
        names = engine.network.names
        if link.quantity not in names:
            raise InputError(f'unknown species "{link.quantity}"; {nearest(link.quantity, names)}', where=link.key)
        count = engine.sites[row].initial[names.index(link.quantity)]
        free += count * (part.volume / link.place.geometry.volume)
        volume += part.volume
        whole += link.place.geometry.volume
    return max(free * concentration_per_ion(volume), least_concentration(whole))
