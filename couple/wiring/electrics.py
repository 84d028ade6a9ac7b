"""The electrical model: loaded for its geometry, then attached where links reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from couple import registry
from couple.component import Component
from couple.electrics import Attachments, Conductance, Current, ElectricalModel, ModelSpec
from couple.errors import InputError, nearest
from couple.exchange.calcium import concentration_per_ion, least_concentration
from couple.experiment import Experiment
from couple.wiring.engines import Engines
from couple.wiring.places import PlacedLink, Shared, shared

_CALCIUM = (("site", "ica"), ("neuron", "cai"))


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports."""

    component: Component
    attachments: Attachments

    def calcium(self, segment: str) -> int:
        """Position of a segment along the ports `charge` and `cai`."""
        return self._calcium[segment]

    @cached_property
    def _calcium(self) -> dict[str, int]:
        return {segment: i for i, segment in enumerate(self.attachments.calcium)}

    @cached_property
    def _conductances(self) -> dict[Conductance, int]:
        return {conductance: i for i, conductance in enumerate(self.attachments.conductances)}

    def conductance(self, link: PlacedLink, segment: str) -> int:
        """Position of the conductance that a link sets in a segment along the port `g`."""
        return self._conductances[_conductance(link, segment)]


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
            "remove" if spec.remove_cai_writers else spec.cai_writers,
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
    meeting = shared(links)
    calcium = list(dict.fromkeys(s for k in links if k.port in ("ica", "cai") for s in k.place.segments))
    conductances = list(
        dict.fromkeys(_conductance(k, s) for k in links if (k.into, k.port) not in _CALCIUM for s in k.place.segments)
    )
    recorded = []
    for i, name in enumerate(experiment.record.voltages):
        try:
            recorded.append(model.resolve(name))
        except InputError as error:
            raise error.at(f"record.voltages[{i}]") from None
    voltages = list(dict.fromkeys([*recorded, *calcium, *(c.segment for c in conductances)]))
    attachments = Attachments(
        tuple(calcium),
        tuple(conductances),
        tuple(voltages),
        tuple(_initial_cai(s, engines, meeting) for s in calcium),
        experiment.experiment.seed,
    )
    return Electrics(model.attach(attachments), attachments)


def _conductance(link: PlacedLink, segment: str) -> Conductance:
    if link.into == "site" or link.port in ("v", "ica", "cao"):
        raise InputError(
            f'"neuron.{link.port}" cannot be linked; sites take neuron.ica and set neuron.cai '
            "or a conductance such as neuron.SK",
            where=link.key,
        )
    return Conductance(link.port, segment, link.block.kind, link.block.ion, link.block.reversal)


def _initial_cai(segment: str, engines: Engines, meeting: Shared) -> float:
    """mM at the start: what the links will hand over, at least the floor."""
    there = meeting.get(("neuron", "cai", segment)) or meeting["site", "ica", segment]
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
