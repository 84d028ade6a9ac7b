"""The electrical model: loaded for its geometry, then attached where links reach it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from couple import registry
from couple.component import Component
from couple.electrics import CALCIUM, Attachments, Conductance, ElectricalModel, IonSegments, ModelSpec
from couple.errors import InputError, nearest
from couple.exchange.calcium import concentration_per_ion, least_concentration
from couple.experiment import Experiment
from couple.wiring.engines import Engines
from couple.wiring.places import PlacedLink


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports. valence: of the ions that it knows."""

    component: Component
    attachments: Attachments
    valence: Mapping[str, float]

    def charge(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the charge of an ion at a segment."""
        at = self._ion(ion)
        return at.charge, at.segments.index(segment)

    def concentration(self, ion: str, segment: str) -> tuple[str, int]:
        """Port and position of the concentration of an ion in a segment."""
        at = self._ion(ion)
        return at.concentration, at.segments.index(segment)

    def _ion(self, ion: str) -> IonSegments:
        return next(i for i in self.attachments.ions if i.ion == ion)

    def conductance(self, link: PlacedLink) -> int:
        """Position of the conductance that a link sets along the port `g`."""
        return self.attachments.conductances.index(_conductance(link))


def load_model(experiment: Experiment) -> ElectricalModel | None:
    """The model of [neuron], or None without one. Raises InputError if it cannot be built."""
    spec = experiment.neuron
    if spec is None:
        return None
    file, _, function = spec.model.rpartition(":")
    model: ElectricalModel = registry.load("couple.electrics", "neuron")(
        ModelSpec(experiment.folder / file, function, spec.dt, spec.celsius, spec.v_init, spec.remove_cai_writers)
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
            conductances[_conductance(link, valence)] = None
        else:
            crossing.setdefault(ion, []).append(_without_conductance(link, ion))
    ions = [_initial(ion, there, engines) for ion, there in crossing.items()]
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


def _conductance(link: PlacedLink, ions: Collection[str] = ()) -> Conductance:
    """Raises InputError for what is no conductance: a current into NEURON, an outside concentration, the voltage."""
    if link.into == "site" or link.port in ("v", *(f"i{ion}" for ion in ions), *(f"{ion}o" for ion in ions)):
        raise InputError(
            f'"neuron.{link.port}" cannot be linked; sites take neuron.ica and set neuron.cai (or of another ion: '
            f"{', '.join(sorted(ions))}) or a conductance such as neuron.SK",
            where=link.key,
        )
    return Conductance(link.port, link.segment, link.block.kind, link.block.ion, link.block.reversal)


def _without_conductance(link: PlacedLink, ion: str) -> PlacedLink:
    if link.block.conductance is not None:
        raise InputError(
            f'conductance: "neuron.{link.port}" is the concentration of {ion}; give the conductance another name',
            where=link.key,
        )
    return link


def _initial(ion: str, links: Sequence[PlacedLink], engines: Engines) -> IonSegments:
    segments = tuple(dict.fromkeys(k.segment for k in links))
    return IonSegments(ion, segments, tuple(_initial_concentration(s, engines, links) for s in segments))


def _initial_concentration(segment: str, engines: Engines, links: Sequence[PlacedLink]) -> float:
    """mM at the start: what the links of an ion will hand over, at least the floor."""
    here = [k for k in links if k.segment == segment]
    chosen = [k for k in here if k.into == "neuron"] or here
    free, volume = 0, 0.0
    for link in chosen:
        engine, row = engines.of[link.place.name]
        names = engine.network.names
        if link.quantity not in names:
            raise InputError(f'unknown species "{link.quantity}"; {nearest(link.quantity, names)}', where=link.key)
        free += engine.sites[row].initial[names.index(link.quantity)]
        volume += link.place.geometry.volume
    return max(free * concentration_per_ion(volume), least_concentration(volume))
