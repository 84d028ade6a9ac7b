"""The electrical model: loaded for its geometry, then attached where links reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from couple import registry
from couple.component import Component
from couple.electrics import Attachments, Conductance, Current, ElectricalModel, ModelSpec
from couple.errors import InputError, nearest
from couple.exchange.calcium import concentration_per_ion, least_concentration
from couple.experiment import Experiment
from couple.wiring.engines import Engines
from couple.wiring.places import PlacedLink

_CALCIUM = (("site", "ica"), ("neuron", "cai"))


@dataclass(frozen=True)
class Electrics:
    """The stepping model and the names along its ports."""

    component: Component
    attachments: Attachments

    def calcium(self, segment: str) -> int:
        """Position of a segment along the ports `charge` and `cai`."""
        return self.attachments.calcium.index(segment)

    def conductance(self, link: PlacedLink) -> int:
        """Position of the conductance that a link sets along the port `g`."""
        return self.attachments.conductances.index(_conductance(link))


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
    calcium = list(dict.fromkeys(k.segment for k in links if k.port in ("ica", "cai")))
    conductances = list(dict.fromkeys(_conductance(k) for k in links if (k.into, k.port) not in _CALCIUM))
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
        tuple(_initial_cai(s, engines, links) for s in calcium),
        experiment.experiment.seed,
    )
    return Electrics(model.attach(attachments), attachments)


def _conductance(link: PlacedLink) -> Conductance:
    if link.into == "site" or link.port in ("v", "ica", "cao"):
        raise InputError(
            f'"neuron.{link.port}" cannot be linked; sites take neuron.ica and set neuron.cai '
            "or a conductance such as neuron.SK",
            where=link.key,
        )
    return Conductance(link.port, link.segment, link.block.kind, link.block.ion, link.block.reversal)


def _initial_cai(segment: str, engines: Engines, links: Sequence[PlacedLink]) -> float:
    """mM at the start: what the links will hand over, at least the floor."""
    here = [k for k in links if k.segment == segment and k.port in ("ica", "cai")]
    chosen = [k for k in here if k.port == "cai"] or here
    free, volume = 0, 0.0
    for link in chosen:
        engine, row = engines.of[link.place.name]
        names = engine.network.names
        if link.quantity not in names:
            raise InputError(f'unknown species "{link.quantity}"; {nearest(link.quantity, names)}', where=link.key)
        free += engine.sites[row].initial[names.index(link.quantity)]
        volume += link.place.geometry.volume
    return max(free * concentration_per_ion(volume), least_concentration(volume))
